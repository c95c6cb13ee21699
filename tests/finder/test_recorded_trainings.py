"""The ways to find on the trainings that were recorded: as good as the page says, also on those that chose nothing."""

import itertools
import statistics
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

FOLDER = Path(__file__).parents[2] / "benchmarks" / "find"


@pytest.fixture(scope="module")
def judge():
    sys.path.insert(0, str(FOLDER))
    try:
        import judge

        yield judge
    finally:
        sys.path.remove(str(FOLDER))


@pytest.mark.parametrize(
    ("way", "names", "mean", "within"),
    [
        ("find (the default)", "choose", 1.10, 0.85),
        ("find (the default)", "unseen", 1.10, 0.85),
        ("race, the length given", "choose", 1.05, 0.9),
        ("race, the length given", "unseen", 1.07, 0.9),
    ],
)
def test_a_way_to_find_is_as_good_as_the_page_says(judge, way, names, mean, within):
    cells = itertools.product(judge.SETS[names], judge.OPTIMIZERS, judge.SEEDS)
    answers = [judge.judged(judge.WAYS[way], judge.Cell(*cell)) for cell in cells]
    ratios = [answer.ratio for answer in answers]
    assert statistics.geometric_mean(ratios) < mean
    assert statistics.mean(ratio <= 1.2 for ratio in ratios) > within
    assert 0.7 < statistics.mean(answer.held for answer in answers) < 0.9


def test_what_is_said_of_erring_and_of_a_warm_up_is_what_the_trainings_show(judge):
    from ratesmith.finder.result import ERRING, WARMING

    _, half, twice, _, warm = judge.facts()
    assert half.startswith("0.5 of the best rate: 1.09,")
    assert "half of the best rate cost 9 %" in ERRING
    assert twice.startswith("2 of the best rate: 1.35,")
    assert "twice the best rate 35 %" in ERRING
    assert "largest 23%, above 5 % in 4 of 36" in warm
    assert "4 of 36 gained over 5 %, and none more than 23 %" in WARMING
