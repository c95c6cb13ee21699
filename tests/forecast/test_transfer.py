"""Transfer: the convex bound against double loops and closed forms."""

import numpy as np
import pytest

from ratesmith.forecast import refined, transfer_rate
from ratesmith.forecast.transfer import best_rate, bound


def bound_by_loops(w, g):
    """Theorem 1 as it is written, in O(steps x steps)."""
    steps = len(w)
    a = 1 / (2 * sum(w))
    b = sum(w[t] ** 2 * g[t] ** 2 for t in range(steps)) / (2 * sum(w))
    for k in range(steps - 1):
        inner = sum(w[t] ** 2 * g[t] ** 2 for t in range(k, steps)) / sum(w[k:])
        b += 0.5 * w[k] / sum(w[k + 1 :]) * inner
    return a, b


@pytest.mark.parametrize("seed", range(3))
def test_the_bound_agrees_with_double_loops(seed):
    draw = np.random.default_rng(seed)
    weights, norms = draw.random(60) + 0.01, draw.random(60) + 0.5
    assert bound(weights, norms) == pytest.approx(bound_by_loops(weights, norms))


def test_linear_decay_is_better_than_a_constant_rate_by_the_logarithm():
    steps = 1000
    flat, falling = bound(np.ones(steps)), bound(np.linspace(1, 1 / steps, steps))
    harmonic = sum(1 / k for k in range(1, steps))
    assert flat[1] == pytest.approx(0.5 + 0.5 * harmonic)  # the known bound of the last iterate
    assert falling[0] * falling[1] < 0.5 * flat[0] * flat[1]


def test_the_factor_is_that_of_the_shapes_and_turns_around():
    there, back = (transfer_rate(*pair, 10_000) for pair in (("linear()", "cosine()"), ("cosine()", "linear()")))
    assert there.factor * back.factor == pytest.approx(1)
    assert transfer_rate("linear()", "linear()", 500).factor == 1
    assert there.low < there.factor < there.high


def test_a_scale_of_the_factors_goes_into_the_rate():
    half = transfer_rate([1.0] * 50, [0.5] * 50)
    assert half.factor == pytest.approx(2.0)


def test_a_longer_run_asks_for_a_lower_rate_and_less_than_the_bound_says():
    found = transfer_rate("cosine()", "cosine()", 15_000, 50_000)
    assert found.horizon == pytest.approx((15 / 50) ** 0.5, rel=0.02)
    assert found.horizon < found.factor < 1
    assert found.low < 0.8 < found.high  # real sweeps
    assert "damped" in found.explain()


def test_from_ten_to_ninety_percent_cooldown_real_sweeps_say_2_1():
    found = transfer_rate('wsd(decay="10%")', 'wsd(decay="90%")', 50_000)
    assert found.low < 2.1 < found.high
    assert found.factor == pytest.approx(2.0, abs=0.05)


class Counted(np.ndarray):
    """An array that counts the numbers that are read in computing with it."""

    read = 0

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        plain = [each.view(np.ndarray) if isinstance(each, Counted) else each for each in inputs]
        found = getattr(ufunc, method)(*plain, **options)
        Counted.read += sum(map(np.size, inputs))
        return found.view(Counted) if isinstance(found, np.ndarray) else found

    def __getitem__(self, place):
        found = super().__getitem__(place)
        Counted.read += np.size(found)
        return found


def test_ten_times_the_steps_take_ten_times_the_work():
    counts = []
    for steps in (1000, 10_000):
        Counted.read = 0
        best_rate(np.linspace(1, 0, steps).view(Counted))
        counts.append(Counted.read)
    assert 10_000 < counts[1] < 11 * counts[0]


def test_steps_must_be_known():
    with pytest.raises(ValueError, match=r"transfer_rate: steps must be given for cosine\(\); say how long it trains"):
        transfer_rate("cosine()", "linear()")


def test_a_mistake_names_the_schedule_and_the_length_that_are_wrong():
    with pytest.raises(ValueError, match=r"^transfer_rate: new_steps must be a whole number of at least 2, got 1"):
        transfer_rate("cosine()", "linear()", 100, 1)
    with pytest.raises(ValueError, match=r"^transfer_rate: steps must be a whole number of at least 2, got 1"):
        transfer_rate("cosine()", "linear()", 1, 100)
    with pytest.raises(TypeError, match=r"^transfer_rate: new_schedule must be a one-dimensional array of numbers"):
        transfer_rate("cosine()", object(), 100)


def test_equal_gradients_ask_for_linear_decay_and_large_first_ones_for_a_warmup():
    assert refined(np.ones(101)) == pytest.approx(np.linspace(1, 0, 101))
    norms = np.concatenate([np.linspace(10, 1, 10), np.ones(90)])
    assert np.argmax(refined(norms)) == 9


@pytest.mark.parametrize("norms", [[1.0], [1.0, 0.0, 2.0], [1.0, float("nan")]])
def test_norms_that_are_none_are_refused(norms):
    with pytest.raises(ValueError, match="refined: norms must be at least two finite numbers above 0, got"):
        refined(norms)
