"""Schedules in any of their forms, as the rate of every update."""

import numpy as np
import pytest

from ratesmith import parse
from ratesmith._checks import OptionError, options_of
from ratesmith.forecast import Curve
from ratesmith.logs.rates_per_update import length_of, rates_of, resampled, stretched


def test_every_form_of_a_schedule_gives_the_same_rates():
    built = parse("cosine(final=0.1)").build(300)
    forms = ["cosine(final=0.1)", parse("cosine(final=0.1)"), built, built(np.arange(300.0))]
    for form in forms:
        np.testing.assert_array_equal(rates_of(form, 1e-3, 300), 1e-3 * built(np.arange(300.0)))


def test_a_mistake_speaks_of_whoever_asked_and_of_its_options():
    with (
        pytest.raises(ValueError, match=r"^Run: length must be a whole number of at least 2, got 1"),
        options_of("Run", steps="length"),
    ):
        length_of(1)
    with pytest.raises(OptionError) as caught, options_of(r"read 'C:\runs\g<1>.csv'"):
        rates_of("linear()", -1.0, 10)
    assert str(caught.value).startswith(r"read 'C:\runs\g<1>.csv': base_lr must be a finite number of at least 0")
    assert caught.value.option == "base_lr"


@pytest.mark.parametrize("length", [50, 100, 1000])
def test_values_at_another_number_of_steps_keep_their_shape_and_mean(length):
    values = np.linspace(1, 0, 100)
    again = resampled(values, length)
    assert len(again) == length
    assert again.mean() == pytest.approx(values.mean(), abs=1e-9)
    assert (np.diff(again) <= 0).all()
    np.testing.assert_array_equal(resampled(values, 100), values)


def test_a_run_at_another_length_keeps_its_warmup():
    rates = np.concatenate([np.arange(1, 21) / 20, np.linspace(1, 0.1, 180)])
    curve = Curve("a", rates, [40, 80, 120, 160, 200], [5.0, 4.0, 3.0, 2.5, 2.4])
    longer = stretched(curve, 400)
    assert len(longer) == 400
    np.testing.assert_array_equal(longer[:20], rates[:20])
    assert longer[-1] == pytest.approx(0.1, abs=0.01)
