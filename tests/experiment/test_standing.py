"""Where strategies stand: their order, their differences, and what doubts of a rate do to them."""

import statistics

import numpy as np
import pytest
from comparing import judged, standing
from hypothesis import given
from hypothesis import strategies as st

from ratesmith.experiment.intervals import Sample, level

HARD = np.array([1.0, 3.0, 1.5, 2.0, 2.5, 1.2])
WOBBLE = np.array([0.01, -0.01, 0.02, -0.02, 0.015, -0.015])


def losses(*gains):
    """Return the losses of a baseline and of strategies that are so much lower, in logarithms, seed by seed."""
    names = ["baseline", *(f"s{place}" for place in range(1, len(gains) + 1))]
    turns = [np.roll(WOBBLE, place) for place in range(len(names))]
    return {name: list(HARD * np.exp(turn - gain)) for name, turn, gain in zip(names, turns, (0, *gains), strict=True)}


def test_a_strategy_with_few_seeds_is_ranked_as_if_it_had_all():
    given = losses(0.3, 0.1)
    easy = {seed: given["s2"][seed] for seed in (0, 2, 5)}
    now = standing({**given, "s2": easy})
    assert statistics.geometric_mean(easy.values()) < statistics.geometric_mean(given["s1"])
    assert now.order == ["s1", "s2", "baseline"]
    assert now.means["s2"] == pytest.approx(standing(given).means["s2"], abs=0.02)


def test_a_strategy_that_was_stopped_early_is_not_missing_and_one_whose_run_failed_stands_last():
    now = standing({**losses(0.3, 0.1), "s1": dict(enumerate(losses(0.3)["s1"][:3]))})
    assert now.order[0] == "s1"
    assert standing(now.finals, asked={**now.asked, "s1": 4}).order[-1] == "s1"


def test_the_difference_is_that_of_the_shared_seeds_at_the_level_of_all_strategies_and_looks():
    given = losses(0.1, 0.2, 0.3)
    now = standing({**given, "s1": given["s1"][:4]})
    found, sample = now.difference("s1", "s3"), Sample.paired(np.log(given["s1"][:4]), np.log(given["s3"][:4]))
    assert found.pairs == 4
    assert (found.low, found.high) == pytest.approx(sample.interval(level(8, 3), now.least_variance))
    assert found.mean == pytest.approx(0.2, abs=0.05)


def test_the_least_variance_is_the_median_over_all_pairs_but_those_of_the_same_training():
    given = losses(0.1, 0.2)
    logs = {name: np.log(values) for name, values in given.items()}
    pairs = [("baseline", "s1"), ("baseline", "s2"), ("s1", "s2")]
    wanted = statistics.median(np.var(logs[a] - logs[b], ddof=1) for a, b in pairs)
    assert standing(given).least_variance == pytest.approx(wanted)
    copied = standing({**given, "s1": given["baseline"]})
    assert copied.least_variance == pytest.approx(np.var(logs["baseline"] - logs["s2"], ddof=1))
    assert copied.difference("s1", "baseline")[1:4] == (0.0, 0.0, "tie")
    assert standing({"baseline": [1.0, 2.0]}).least_variance == 0.0


@pytest.mark.parametrize("paired", [True, False])
def test_a_doubt_of_a_rate_lets_its_strategy_be_better_by_so_much(paired):
    given = losses(0.3)
    plain = standing(given, paired=paired).difference("s1", "baseline")
    doubted = standing(given, paired=paired, doubts={"s1": 0.02, "baseline": 0.5}).difference("s1", "baseline")
    assert (doubted.low, doubted.high) == pytest.approx((plain.low - 0.02, plain.high + 0.5))
    assert doubted.mean == plain.mean
    assert doubted.conclusion == "not told apart"
    turned = {name: [-value for value in values] for name, values in given.items()}
    plain = standing(turned, mode="max", paired=paired).difference("s1", "baseline")
    doubted = standing(turned, mode="max", paired=paired, doubts={"s1": 0.02, "baseline": 0.5})
    found = doubted.difference("s1", "baseline")
    assert (found.low, found.high) == pytest.approx((plain.low - 0.5, plain.high + 0.02))


def test_a_claim_of_runs_that_are_not_paired_takes_more_as_pairs_share_what_makes_a_seed_hard():
    given = losses(0.2)
    assert standing(given).difference("s1", "baseline").conclusion == "better"
    assert standing(given, paired=False).difference("s1", "baseline").conclusion == "not told apart"


@given(st.lists(st.floats(0.0, 1.0), min_size=8, max_size=8))
def test_a_difference_of_shares_stays_between_minus_1_and_1(shares):
    values = {"baseline": shares[:4], "s1": shares[4:]}
    found = standing(values, mode="max", metric="accuracy").difference("s1", "baseline")
    assert -1.0 <= found.low <= found.high <= 1.0
    assert not found.relative


def test_a_metric_that_is_better_large_is_judged_as_its_negative_is():
    given = {name: [-value for value in values] for name, values in losses(0.3, -0.3).items()}
    turned = {name: [-value for value in values] for name, values in given.items()}
    now, other = standing(given), standing(turned, mode="max", metric="reward")
    assert now.order == other.order
    for name in ("s1", "s2"):
        assert now.difference(name, "baseline").conclusion == other.difference(name, "baseline").conclusion
        assert now.difference(name, "baseline").mean == pytest.approx(-other.difference(name, "baseline").mean)


def test_seeds_that_change_nothing_count_as_one():
    found = judged({"constant()": [1.0] * 5, "cosine()": [0.5] * 5})
    assert found.rows[0].difference.pairs == 1
    assert found.rows[0].difference.conclusion == "not told apart"
    assert found.rows[0].missing == 0
