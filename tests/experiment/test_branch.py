"""Training the trials of a bundle: when one is no longer training."""

import pytest
from numpy_task import Odd

from ratesmith.experiment import compare


def losing(first, later):
    """Return a task whose loss is `first` at the first update, `later` at the 41st, and half of `first` else."""

    def told(training, step):
        def one(lr):
            loss = {0: first, 40: later}.get(training.steps, first / 2)
            step(lr)
            return loss

        return one

    return Odd(step=told)


@pytest.mark.parametrize(
    ("first", "most"), [(10.0, 10_010.0), (-10.0, 9_990.0), (1.0, 1001.0), (1e-9, 1000.0), (0.0, 1000.0)]
)
def test_a_loss_has_exploded_a_thousand_times_the_first_ones_size_or_one_above_it(first, most, tmp_path):
    options = {"steps": 60, "seeds": 1, "rates": [0.1]}
    below, above = (
        compare(losing(first, most * share), [], folder=tmp_path / str(share), **options).runs
        for share in (0.999, 1.001)
    )
    assert {run.status for run in below} == {"done"}
    assert {(run.status, run.updates) for run in above} == {("diverged", 41)}
