"""A small log as a file, and what is read from it."""

import numpy as np
import pytest

from ratesmith import Horizon, parse
from ratesmith.logs import read

STEPS = np.arange(10, 410, 10)
SCHEDULE = parse("warmup(20) >> linear(final=0.1)").build(Horizon(400))
RATES = 1e-3 * SCHEDULE(STEPS - 1)
LOSSES = 2 + 5 / np.sqrt(STEPS)


def write(path, names, *columns):
    """Write columns as CSV; None and NaN are empty cells."""
    rows = [["" if cell is None or cell != cell else str(cell) for cell in row] for row in zip(*columns, strict=True)]
    path.write_text("\n".join(",".join(row) for row in [names, *rows]) + "\n")
    return path


def csv(tmp_path, *more, names=("step", "lr", "val_loss"), steps=STEPS, rates=RATES, losses=LOSSES):
    return write(tmp_path / "run.csv", [*names], steps, rates, losses, *more)


def same(curve, steps=STEPS, losses=LOSSES):
    assert list(curve.steps) == list(steps)
    np.testing.assert_allclose(curve.losses, losses)


def fails(file, message, **options):
    with pytest.raises(ValueError, match=r"^read ") as caught:
        read(file, **options)
    assert str(caught.value).startswith(f"read {file.name!r}: {message}"), caught.value
    assert "\n" not in str(caught.value)
