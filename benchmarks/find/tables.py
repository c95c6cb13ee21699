"""Tables: malign or benign cells, the course of a disease, and how long people live."""

import csv
import gzip
import importlib.util
import math
from functools import cache
from pathlib import Path

import torch
from parts import Pairs, mlp, split, standardised, supervised
from sklearn.datasets import load_breast_cancer, load_diabetes
from torch.nn import functional as F

from ratesmith.torch import TorchTask


def cancer(optimizer: str) -> TorchTask:
    """Malign or benign from 30 measures of 569 cells, by a perceptron."""
    return supervised(optimizer, lambda: mlp(30, 64, 2), standardised(*split(*load_breast_cancer(return_X_y=True))))


def diabetes(optimizer: str) -> TorchTask:
    """A regression: the disease's progress from 10 measures of 442 patients, by a perceptron."""
    measures, progress = load_diabetes(return_X_y=True)
    return supervised(
        optimizer, lambda: mlp(10, 16, 1), regression(*split(measures, progress, classes=False)), F.mse_loss
    )


def regression(train: Pairs, validation: Pairs) -> tuple[Pairs, Pairs]:
    """Standardise the inputs and the targets by those for training."""
    train, validation = standardised(train, validation)
    mean, deviation = train[1].mean(), train[1].std()
    return (
        (train[0], ((train[1] - mean) / deviation).float()[:, None]),
        (validation[0], ((validation[1] - mean) / deviation).float()[:, None]),
    )


@cache
def countries() -> tuple[Pairs, Pairs]:
    """Years of life in 142 countries and 12 years: from the year, people, income (logarithms) and continent.

    Source: Gapminder, as plotly ships it.
    """
    package = importlib.util.find_spec("plotly")
    assert package is not None
    assert package.origin is not None
    file = Path(package.origin).parent / "package_data" / "datasets" / "gapminder.csv.gz"
    with gzip.open(file, "rt", newline="") as opened:
        rows = list(csv.DictReader(opened))
    continents = sorted({row["continent"] for row in rows})
    inputs = [
        [
            *(float(row["year"]), math.log(float(row["pop"])), math.log(float(row["gdpPercap"]))),
            *(float(row["continent"] == continent) for continent in continents),
        ]
        for row in rows
    ]
    return regression(*split(inputs, torch.tensor([float(row["lifeExp"]) for row in rows]), classes=False))


def lives(optimizer: str) -> TorchTask:
    """A regression on a table of 1,704 rows: years of life, by a perceptron; a longer training than the others."""
    return supervised(optimizer, lambda: mlp(8, 64, 1), countries(), F.mse_loss)
