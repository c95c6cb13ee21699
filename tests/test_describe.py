"""What a schedule does, described: peak, end, mean, shares, breakpoints, and sentences."""

import pytest
from hypothesis import given, settings
from strategies import schedules

from ratesmith import Constant, Milestones, Ramp, Staircase, explain, parse, summarize
from ratesmith.describe import sample

WARM = Ramp(0.0, 1.0, 10) >> Constant(1.0, 20) >> Ramp(1.0, 0.1, 70, "cosine")


def test_the_summary_of_a_warm_up_a_plain_and_a_decay():
    summary = summarize(WARM)
    assert (summary.steps, summary.own_length, summary.exact, summary.first, summary.final) == (
        100,
        100,
        True,
        0.0,
        0.1,
    )
    assert (summary.peak, summary.peak_step, summary.peak_end) == (1.0, 10, 30)
    assert (summary.warmup, summary.decay) == (0.1, 0.7)
    assert summary.last == WARM(99)
    assert summary.mean == pytest.approx(sum(WARM(step) for step in range(100)) / 100, rel=1e-14)
    assert summary.breakpoints == ((10, 1.0), (30, 1.0))


@pytest.mark.parametrize(
    ("schedule", "sentences"),
    [
        (
            WARM,
            "It lasts 100 steps. It begins at 0 and ends at 0.1; the last update uses 0.1005.\n"
            "Its peak is 1, reached at step 10 (10 % of the way).\n"
            "From step 30 on it is below its peak (70 %).\n"
            "Its mean is 0.6345.\n"
            "It changes shape at steps 10, 30.",
        ),
        (
            Constant(0.5),
            "It never ends. It begins at 0.5 and ends at 0.5 over its first 1000 steps; the last update uses 0.5.\n"
            "It stays at 0.5.\n"
            "Its mean is 0.5.",
        ),
        (
            Ramp(0.0, 1.0, 4),
            "It lasts 4 steps. It begins at 0 and ends at 1; the last update uses 0.75.\n"
            "Its peak is 0.75, reached at step 3 (75 % of the way).\n"
            "Its mean is 0.375.",
        ),
        (
            Milestones((500, 900), 0.5),
            "It never ends. It begins at 1 and ends at 0.25 over its first 1125 steps; the last update uses 0.25.\n"
            "Its peak is 1, its first value.\n"
            "From step 500 on it is below its peak (55.6 %).\n"
            "Its mean is 0.6722.\n"
            "It changes shape at steps 500, 900.",
        ),
        (
            Ramp(1.0, 0.0, 10, "cosine").repeat(growth=2).take(70),
            "It lasts 70 steps. It begins at 1 and ends at 1; the last update uses 0.001541.\n"
            "Its peak is 1, its first value, and again later.\n"
            "From step 30 on it is below its peak (57.1 %).\n"
            "Its mean is 0.5214.\n"
            "It changes shape at steps 10, 30.",
        ),
        (Ramp(0.0, 1.0, 0), "It lasts 0 steps and stays at 1."),
    ],
)
def test_a_summary_as_sentences(schedule, sentences):
    assert explain(schedule) == sentences


def test_many_breakpoints_are_counted_not_listed():
    assert explain(Staircase(10), 1000).splitlines()[-1] == (
        "It changes shape at steps 10, 20, 30, 40, 50, 60, 70, 80 and 91 more."
    )


def test_a_very_long_schedule_is_sampled_and_its_breakpoints_are_exact():
    long = Ramp(0.0, 1.0, 123_457) >> Ramp(1.0, 0.0, 10**9 - 123_457)
    summary = summarize(long)
    assert (summary.peak, summary.peak_step, summary.peak_end) == (1.0, 123_457, 123_457)
    assert summary.mean == pytest.approx(0.5, rel=1e-4)
    assert not summary.exact
    assert "Its mean is about 0.5.\nThese are from 20000 of its steps, and those where it changes shape." in str(
        summary
    )


def test_the_mean_of_a_long_periodic_schedule_is_not_that_of_one_phase():
    assert summarize(parse("cyclic(50, low=0.1)").build(10**7), 10**7).mean == pytest.approx(0.55, rel=0.01)


@pytest.mark.parametrize(
    ("text", "decay"),
    [
        ('multistep(["80%"])', 0.2),
        ('wsd(decay="20%")', 0.2),
        ("cosine()", 1.0),
        ("cyclic(10)", 0.1),
        ("warmup(100)", 0.0),
    ],
)
def test_the_share_of_the_decay_counts_from_where_the_peak_is_left_for_good(text, decay):
    assert summarize(parse(text).build(100), 100).decay == decay


def test_values_that_differ_by_rounding_alone_are_the_same_peak_and_others_are_not():
    same = summarize(Constant(0.3, 10) >> 3 * Constant(0.1, 10))  # 3 * 0.1 is a digit above 0.3
    assert same.first < same.peak
    assert (same.peak_step, same.peak_end, same.back) == (0, 20, False)
    assert summarize(Constant(0.3, 10) >> (1 + 1e-9) * Constant(0.3, 10)).peak_step == 10


def test_of_a_long_schedule_the_step_before_each_breakpoint_is_looked_at_too():
    summary = summarize(Ramp(0.0, 1.0, 10**6) >> Constant(0.0, 10**6))
    assert (summary.peak, summary.peak_step, summary.peak_end) == (1 - 1e-6, 10**6 - 1, 10**6)


def test_the_mean_of_a_long_schedule_is_not_that_of_its_breakpoints():
    summary = summarize(Ramp(1.0, 0.0, 2).repeat(5000) >> Constant(0.0, 10**6))
    assert summary.mean == pytest.approx(0.75 * 10_000 / summary.steps, rel=0.1)


@pytest.mark.parametrize(("between", "back"), [(0.5, True), (1.0, False)])
def test_a_peak_that_is_left_for_one_step_is_come_back_to(between, back):
    assert summarize(Constant(1.0, 1) >> Constant(between, 1) >> Constant(1.0, 1)).back is back


def test_every_step_is_looked_at_up_to_a_hundred_thousand():
    assert [summarize(Constant(1.0, steps)).exact for steps in (100_000, 100_001)] == [True, False]


def test_a_curve_is_drawn_through_both_sides_of_a_jump():
    assert {(4998, 1.0), (4999, 0.1)} <= set(sample(Milestones((4999,)), 10_000, [4999], most=10))


def test_the_length_to_look_at_is_whole():
    with pytest.raises(ValueError, match="explain: steps must be a whole number of at least 1, got 0"):
        explain(WARM, 0)


@settings(max_examples=60)
@given(schedules)
def test_every_schedule_can_be_described(schedule):
    summary = summarize(schedule)
    values = [schedule(step) for step in range(min(summary.steps, 300))]
    assert summary.peak >= max(values) - 1e-12 * abs(max(values)) or not summary.exact
    assert all(0 < step < summary.steps and value == schedule(step) for step, value in summary.breakpoints)
    assert list(summary.breakpoints) == sorted(summary.breakpoints)
    assert explain(schedule).startswith(("It lasts ", "It never ends. "))


@pytest.mark.parametrize(
    ("text", "breakpoints"),
    [
        ("warmup(10) >> cosine()", [10]),
        ("step(30)", [30, 60, 90]),
        ('multistep(["50%", "75%"])', [50, 75]),
        ("sgdr(10, growth=2)", [10, 30, 70]),
        ("cyclic(20)", [20, 40, 60, 80]),
        ("shift(warmup(10), 5) >> cosine()", [5, 15]),
        ("stretch(warmup(10) >> constant(10), 40)", [20]),
        ("hold(warmup(10) >> cosine(), 20)", [20, 40, 60, 80]),
        ("shift(cyclic(1000), -10000000)", []),
        ("shift(cyclic(10), -1000000)", [10, 20, 30, 40, 50, 60, 70, 80, 90]),
        ("clip(warmup(10) >> cosine(), low=0.1) * 0.5", [10]),
        ("take(step(30), 70) + constant()", [30, 60, 70]),
        ("exponential(0.9)", []),
    ],
)
def test_where_a_schedule_changes_its_shape(text, breakpoints):
    assert [step for step, _ in summarize(parse(text).build(100), 100).breakpoints] == breakpoints
