"""A comparison's own runs are read as curves."""

import shutil
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from numpy_task import LogisticTask
from optimizer_task import ChangeableTask, make_momentum

from ratesmith.experiment import compare
from ratesmith.forecast import read_study
from ratesmith.strategy.contender import optimizer_of


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    return compare(
        LogisticTask(), ["cosine()"], folder=folder, steps=200, evaluate_every=20, seeds=2, rates=[0.01, 0.1]
    ), folder


def test_each_strategy_gives_a_curve_at_the_rate_that_it_was_judged_at(study):
    found, folder = study
    curves = {curve.name: curve for curve in read_study(folder)}
    assert set(curves) == {"constant()", "cosine()"}
    cosine = curves["cosine()"]
    judged = {row.strategy: row.base_lr for row in found.rows}
    assert {name: curve.peak for name, curve in curves.items()} == judged
    runs = found.runs_of("cosine()", cosine.peak, range(2000))
    assert list(cosine.steps) == list(range(20, 201, 20))
    means = [np.mean([run.curve[place].metrics["loss"] for run in runs]) for place in range(1, 11)]
    np.testing.assert_allclose(cosine.losses, means)
    np.testing.assert_allclose(cosine.rates, cosine.peak * (1 + np.cos(np.pi * np.arange(200) / 200)) / 2, atol=1e-6)


def test_another_rate_can_be_asked_for(study):
    found, folder = study
    for rate in found.rates:
        assert {curve.peak for curve in read_study(folder, base_lr=rate)} == {rate}
    rates = ", ".join(f"{rate:g}" for rate in found.rates)
    with pytest.raises(ValueError, match=f"there must be finished runs at base_lr, got 3.0 and runs at {rates}; name"):
        read_study(folder, base_lr=3.0)


def test_of_several_optimizers_the_one_that_ended_lowest_is_read(tmp_path):
    optimizers = {"heavy": make_momentum}
    options = {"steps": 200, "evaluate_every": 20, "seeds": 2, "rates": [0.01, 0.03], "optimizers": optimizers}
    found = compare(ChangeableTask(), ["cosine()", "heavy: cosine()", "heavy: linear()"], folder=tmp_path, **options)
    ends = {
        row.strategy: np.mean([run.metrics["loss"] for run in found.runs_of(row.chosen, row.base_lr, range(2000))])
        for row in found.rows
    }
    lowest = optimizer_of(min(ends, key=ends.__getitem__))
    same = {row.strategy for row in found.rows if optimizer_of(row.strategy) == lowest}
    assert {curve.name for curve in read_study(tmp_path)} == same
    names = [[curve.name for curve in read_study(tmp_path, base_lr=rate)] for rate in found.rates]
    assert all(len({optimizer_of(name) for name in at_rate}) == 1 for at_rate in names)
    assert len({optimizer_of(at_rate[0]) for at_rate in names}) == 2


def test_what_another_version_keeps_is_not_read(study, tmp_path):
    shutil.copy(study[1] / "study.sqlite", tmp_path)
    with closing(sqlite3.connect(tmp_path / "study.sqlite")) as connection:
        connection.execute("UPDATE study SET value = '99' WHERE key = 'schema'")
        connection.commit()
    with pytest.raises(ValueError, match=r"\(schema 99, this one has 3\)"):
        read_study(tmp_path)


def test_a_strategy_whose_rates_differ_from_seed_to_seed_gives_a_curve_for_each(tmp_path):
    compare(
        LogisticTask(),
        ["plateau(factor=0.5, patience=0, threshold=0.02)"],
        folder=tmp_path,
        steps=200,
        evaluate_every=10,
        seeds=3,
        rates=[0.1],
    )
    curves = read_study(tmp_path)
    assert "constant()" in {curve.name for curve in curves}
    plateaus = [curve for curve in curves if curve.name.startswith("plateau")]
    assert len(plateaus) > 1
    assert all(", seed " in curve.name for curve in plateaus)


def test_runs_that_were_hardly_measured_say_how_to_measure_more(tmp_path):
    compare(LogisticTask(), [], folder=tmp_path, steps=40, evaluate_every=10, seeds=1, rates=[0.1])
    with pytest.raises(
        ValueError, match=r"measured 5 times at least, got 4; compare again with a smaller evaluate_every="
    ):
        read_study(tmp_path)


def test_a_folder_of_no_comparison_is_said(tmp_path):
    with pytest.raises(ValueError, match=r"there is no study here; give the folder of one"):
        read_study(tmp_path)
    (tmp_path / "study.sqlite").write_text("nothing of the kind, and long enough to look like a file of some kind")
    with pytest.raises(ValueError, match=r"the study cannot be read \(file is not a database\)"):
        read_study(tmp_path)
