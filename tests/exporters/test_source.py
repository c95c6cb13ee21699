"""What is to be said: text, strategy and value alike, with the rate and length that it is said for."""

import pytest

from ratesmith import Constant, Custom, Horizon, Plateau, Product, Ramp, Sequence, parse
from ratesmith._checks import OptionError
from ratesmith.exporters import code, forms
from ratesmith.exporters.source import Source, opened


def test_text_strategy_and_value_are_said_alike():
    text = 'warmup("10%") >> cosine()'
    built = parse(text).build(50)
    assert code(text, 0.1, 50) == code(parse(text), 0.1, 50) == code(built, 0.1, Horizon(50))
    assert forms(text, 50) == forms(built, 50)


def test_a_function_of_the_users_is_not_called():
    asked = []
    assert forms(Custom(asked.append), 50) == ("ratesmith",)
    assert asked == []
    assert forms(Custom(lambda count: 1.0) * Plateau(), 50) == ("ratesmith",)


def test_a_number_before_a_schedule_becomes_part_of_the_rate():
    schedule, rate = Source.of(0.5 * Ramp(1.0, 0.0, 10), 0.1, 10).without_scale()
    assert (schedule, rate) == (Ramp(1.0, 0.0, 10), 0.05)
    schedule, rate = Source.of(-0.5 * Ramp(1.0, 0.0, 10), 0.1, 10).without_scale()
    assert (schedule, rate) == (-0.5 * Ramp(1.0, 0.0, 10), 0.1)


def test_one_part_alone_is_opened():
    inner = Ramp(1.0, 0.0, 10)
    assert opened(Sequence((Constant(1.0, 0), inner))) == inner
    assert opened(Product((inner,))) == inner
    assert opened(Product((inner,), scale=2.0)) == Product((inner,), scale=2.0)


@pytest.mark.parametrize(("rate", "horizon"), [(-1.0, 10), (float("nan"), 10), ("x", 10), (0.1, 0)])
def test_a_rate_or_length_that_is_none_is_refused(rate, horizon):
    with pytest.raises(OptionError):
        code("cosine()", rate, horizon)
