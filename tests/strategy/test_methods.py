"""The methods of a schedule as notation writes them: each is the method, its length read as a recipe reads one."""

import pytest

from ratesmith import Horizon, NotationError, Ramp, parse
from ratesmith.strategy.methods import SCHEDULE_METHODS
from ratesmith.strategy.registry import options_text


def test_every_method_of_a_schedule_in_notation_is_one_in_python():
    schedule = Ramp(0.0, 1.0, 10) >> Ramp(1.0, 0.0, 90)
    horizon = Horizon(200, steps_per_epoch=20)
    for text, expected in {
        'hold({}, "25%")': schedule.hold(50),
        'hold({}, "33.3%")': schedule.hold(333, 5),
        "hold({})": schedule.hold(20),
        "repeat({}, 3, height=0.5)": schedule.repeat(3, height=0.5),
        "shift({}, -3)": schedule.shift(-3),
        'shift({}, "5%")': schedule.shift(10),
        'stretch({}, "1ep")': schedule.stretch(20),
        'take({}, length="5%")': schedule.take(10),
        "clip({}, low=0.1)": schedule.clip(0.1),
        "closed({})": schedule.closed(),
    }.items():
        assert parse(text.format(schedule)).build(horizon) == expected, text
    assert set(SCHEDULE_METHODS) == {"hold", "repeat", "shift", "stretch", "take", "clip", "closed"}


def test_their_options_are_those_of_the_methods_with_lengths():
    assert {name: options_text(name) for name in SCHEDULE_METHODS} == {
        "hold": '(schedule, every="1ep")',
        "repeat": "(schedule, times=None, height=1.0, growth=1.0)",
        "shift": "(schedule, by)",
        "stretch": "(schedule, length)",
        "take": "(schedule, length)",
        "clip": "(schedule, low=-1e+150, high=1e+150)",
        "closed": "(schedule)",
    }


def test_the_stairs_of_a_hold_are_not_for_notation_which_has_shares():
    with pytest.raises(NotationError, match="hold has no option 'stairs'"):
        parse("hold(cosine(), 5, stairs=2)")
