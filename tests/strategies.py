"""Random schedules, for laws that must hold for all of them."""

from hypothesis import strategies as st

from ratesmith import (
    Constant,
    Custom,
    Exponential,
    InverseSqrt,
    InverseTime,
    Max,
    Milestones,
    Min,
    Ramp,
    Schedule,
    Staircase,
    Tanh,
)
from ratesmith.schedule import KDecay, Power
from ratesmith.shapes import SHAPES, Hyperbolic, PolynomialCycles


def custom_rule(step):
    return 1 / (1 + step)


def custom_curve(share):
    return share**3


values = st.floats(0.0, 10.0)
lengths = st.integers(0, 40)
gammas = st.floats(0.05, 2.0)
steps = st.integers(-50, 200) | st.sampled_from([2**24, 10**9, 2**53 - 1, 2**53])

finite_parts: st.SearchStrategy[Schedule] = st.one_of(
    st.builds(Constant, values, lengths),
    st.builds(Ramp, values, values, lengths, st.sampled_from([*SHAPES, 0.5, 2, 3.0])),
    st.builds(Ramp, gammas, gammas, lengths, st.just("exponential")),
    st.builds(Tanh, st.floats(-7.0, -0.5), st.floats(-0.4, 3.0), lengths),
    st.builds(Hyperbolic, lengths, st.integers(40, 90), st.floats(0.01, 0.9), st.booleans()),
    st.builds(KDecay, st.builds(Ramp, values, values, lengths, st.sampled_from(["linear", "cosine"])), gammas),
)
endless_parts: st.SearchStrategy[Schedule] = st.one_of(
    st.builds(Constant, values),
    st.builds(Staircase, st.integers(1, 40), gammas),
    st.builds(Staircase, st.integers(7, 40), gammas, st.integers(1, 7)),
    st.builds(Milestones, st.lists(lengths, unique=True, max_size=5).map(lambda at: tuple(sorted(at))), gammas),
    st.builds(Exponential, gammas, st.integers(1, 40)),
    st.builds(InverseSqrt, st.integers(1, 40)),
    st.builds(InverseTime, gammas, st.integers(1, 40)),
    st.builds(PolynomialCycles, st.integers(1, 40), gammas),
    st.builds(Custom, st.just(custom_rule), st.integers(1, 40)),
    st.builds(Custom, st.just(custom_rule), st.integers(7, 40), st.integers(1, 7)),
)


def _grown(
    inner: st.SearchStrategy[Schedule], finite_parts: st.SearchStrategy[Schedule] = finite_parts
) -> st.SearchStrategy[Schedule]:
    ending = inner.map(lambda a: a if a.steps else a.take(7))
    return st.one_of(
        st.builds(Schedule.repeat, ending, st.none() | st.integers(1, 5), height=values, growth=st.just(1.0)),
        st.builds(Schedule.repeat, ending, st.none() | st.integers(1, 5), height=gammas, growth=st.floats(1.5, 4.0)),
        st.builds(Schedule.repeat, ending, st.none() | st.integers(1, 5), height=gammas, growth=st.floats(0.3, 0.9)),
        st.builds(Power, inner, gammas),
        st.builds(Schedule.shift, inner, st.integers(-30, 30)),
        st.builds(Schedule.stretch, ending, st.integers(1, 60)),
        st.builds(Schedule.take, inner, lengths),
        st.builds(Schedule.clip, inner, st.floats(0.0, 0.5), st.floats(0.5, 5.0)),
        st.builds(Schedule.hold, inner, st.integers(1, 20)),
        st.builds(Schedule.hold, inner, st.integers(7, 20), st.integers(1, 7)),
        st.builds(lambda a, b: a >> b, finite_parts, inner),
        st.builds(lambda a, b: a * b, inner, inner),
        st.builds(lambda k, a: k * a, values, inner),
        st.builds(lambda a, b: a + b, inner, inner),
        st.builds(lambda k, a: k + a, values, inner),
        st.builds(lambda a, b, k: Max((a, b, k)), inner, inner, values),
        st.builds(lambda a, b: Min((a, b)), inner, inner),
    )


schedules: st.SearchStrategy[Schedule] = st.recursive(finite_parts | endless_parts, _grown, max_leaves=5)

_flat = st.builds(Constant, values, lengths)
stepwise: st.SearchStrategy[Schedule] = st.recursive(
    st.one_of(
        _flat,
        st.builds(Staircase, st.integers(7, 40), gammas, st.integers(1, 7)),
        st.builds(Milestones, st.lists(lengths, unique=True, max_size=5).map(lambda at: tuple(sorted(at))), gammas),
    ),
    lambda inner: _grown(inner, _flat),
    max_leaves=5,
)
"""Schedules that jump and are flat in between."""
