"""What writes a function: names do not meet, long lists and values get lines of their own, and it ends somewhere."""

import pytest

from ratesmith import Milestones
from ratesmith.exporters import code, forms
from ratesmith.exporters.expressions import Expression
from ratesmith.exporters.writer import NotExactError, Time, Writer


def test_no_two_values_have_one_name():
    write = Writer(100)
    assert [write.fresh("part").text for _ in range(3)] == ["part", "part_2", "part_3"]
    assert write.fresh("step").text == "step_2"


def test_a_step_is_kept_within_a_curve_only_where_it_can_lie_outside():
    write, step = Writer(100), Expression("step")
    assert write.clamped(Time(step, low=0, high=9), 9).expression == step
    assert write.clamped(Time(step), 9).expression.text == "min(step, 9)"
    assert write.clamped(Time(step, offset=5, low=-5, high=4), 9).expression.text == "max(step - 5, 0)"
    assert write.clamped(Time(step, offset=5, low=-5), 9).expression.text == "min(max(step - 5, 0), 9)"
    assert write.left(Time(step, offset=5, low=0, high=9), 9).text == "14 - step"
    assert write.left(Time(step, offset=5, low=0), 9).text == "max(14 - step, 0)"
    assert write.left(Time(step, offset=-20), 9).text == "max(-11 - step, 0)"


def test_many_milestones_become_a_list_and_very_many_are_not_said():
    many = f"multistep({list(range(1, 101))}, gamma=0.99)"
    script = {}
    exec(code(many, 1.0, 200), script)
    assert script["learning_rate"](100) == pytest.approx(0.99**100)
    assert max(map(len, code(many, 1.0, 200).splitlines())) <= 120
    assert "python" not in forms(Milestones(tuple(range(5000, 8000)), 0.99), 200)


def test_a_function_that_would_be_too_long_is_not_said():
    write = Writer(100)
    with pytest.raises(NotExactError, match="too long"):
        write.listed(write.fresh("values"), ["0.123456789"] * 1000)
