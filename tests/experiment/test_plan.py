"""The plan: budgets and sizes."""

import pytest

from ratesmith.experiment.plan import Budget, read_budget


@pytest.mark.parametrize(
    ("given", "budget"),
    [
        (None, None),
        (500, Budget(500, None)),
        ("500", Budget(500, None)),
        ("90s", Budget(None, 90.0)),
        ("2h", Budget(None, 7200.0)),
        ("1.5 min", Budget(None, 90.0)),
    ],
)
def test_a_budget_is_steps_or_a_time(given, budget):
    assert read_budget(given) == budget
