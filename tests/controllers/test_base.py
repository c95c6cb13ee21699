"""What all controllers share: multiplied they stay apart, finite, and as few as they can be."""

import pytest

from ratesmith import Constant, Milestones, Plateau, Ramp
from ratesmith.controllers import Chained, restore


def test_schedules_that_come_to_stand_side_by_side_become_one_product():
    both = Ramp(1.0, 0.0, 10) * (Constant(0.5) * Plateau())
    assert both.parts == (Ramp(1.0, 0.0, 10) * Constant(0.5), Plateau())


def test_a_product_of_the_largest_values_is_finite():
    most = Constant(1e150)
    many = Chained((most, Plateau(), most, Plateau(), most, Plateau(), most))
    assert many.value(many.init(), 0) == 1e150
    less = -1.0 * Constant(1e150) * Plateau() * most * Plateau() * most
    assert less.value(less.init(), 0) == -1e150


def test_the_breakpoints_of_a_product_are_those_of_its_schedules():
    many = Milestones((5, 9)) * Plateau() * Ramp(1.0, 0.0, 7)
    assert many.breakpoints(0, 20) == [5, 7, 9]
    assert many.breakpoints(5, 7) == [7]


@pytest.mark.parametrize("parts", [1, 3])
def test_the_state_of_a_product_has_a_part_for_each_controller(parts):
    both = Plateau() * Plateau(0.5)
    with pytest.raises(ValueError, match=f"^restore: the state must have 2 parts, got {parts}; load the right one"):
        restore(both, [list(Plateau().init())] * parts)
