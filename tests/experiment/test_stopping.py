"""Who gets one more fresh seed, and that the whole procedure finds what is there and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from comparing import standing

from ratesmith.experiment.stopping import further, is_left_behind, is_out

CAP = 10


def runs(seed, gains, deviation=0.028, hardness=0.1):
    """Return ten losses of each strategy; paired differences vary by `deviation`, in logarithms."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, deviation / 2**0.5, (len(gains), CAP)) + rng.normal(0, hardness, CAP)
    return {f"s{place}": list(np.exp(row - gain)) for place, (row, gain) in enumerate(zip(noise, gains, strict=True))}


def after(values, count, **options):
    return standing({name: its_values[:count] for name, its_values in values.items()}, **options)


def settled(values, **options):
    """Give seeds one at a time until nobody gets more."""
    asked = dict.fromkeys(values, 3)
    while True:
        now = standing({name: its_values[: asked[name]] for name, its_values in values.items()}, **options)
        more = further(now)
        if not more:
            return now
        for name in more:
            asked[name] += 1


def test_what_is_shown_to_be_worse_or_is_plainly_behind_stops_at_three_seeds():
    counts = [settled(runs(seed, [0.0, 0.0, -0.2, -0.4])).asked for seed in range(30)]
    assert [asked["s3"] for asked in counts] == [3] * 30
    assert np.mean([asked["s2"] == 3 for asked in counts]) >= 0.5
    assert np.mean([asked["s2"] for asked in counts]) < 3.7
    assert {asked["s0"] for asked in counts} == {CAP}


def test_equal_strategies_are_not_dropped_however_noisy():
    for seed in range(60):
        now = after(runs(seed, [0.0] * 5, deviation=0.2), 3)
        assert not any(is_out(now, name, now.order[0]) for name in now.order[1:])


def test_to_be_plainly_behind_is_no_claim_and_a_margin_of_nothing_drops_nobody():
    values = {"s0": [1.0, 1.1, 1.2], "s1": [1.3, 1.45, 1.75], "s2": [0.99, 1.1, 1.23]}
    now = standing(values)
    assert is_out(now, "s1", now.order[0])
    assert now.difference("s1", now.order[0]).conclusion == "not told apart"
    plain = standing({name: [-2 * value for value in its] for name, its in values.items()}, mode="max", metric="reward")
    assert is_out(plain, "s1", plain.order[0])
    exact = replace(plain, question=replace(plain.question, margin=0.0))
    assert not is_out(exact, "s1", exact.order[0])
    assert not is_out(replace(now, asked={**now.asked, "s1": 4}), "s1", now.order[0])


def test_who_got_no_more_seeds_without_a_claim_is_left_behind():
    values = {"s0": [1.0, 1.1, 1.2], "s1": [1.3, 1.45, 1.75], "s2": [0.99, 1.1, 1.23], "s3": [900.0, 1010.0, 1080.0]}
    now = standing(values)
    assert now.difference("s3", now.order[0]).conclusion == "worse"
    assert [name for name in values if is_left_behind(now, name)] == ["s1"]
    assert not is_left_behind(standing(values, cap=3), "s1")  # it got all there are
    worst_first = {"s1": values["s1"], **values}
    assert not is_left_behind(standing(worst_first), "s1")  # the baseline goes on with whoever needs it


def test_the_baseline_is_never_dropped_while_the_leader_is_not_told_apart_from_it():
    values = {"s0": [1.3, 1.45, 1.75], "s1": [1.0, 1.1, 1.2], "s2": [0.99, 1.1, 1.23]}
    now = standing(values)
    assert is_out(now, "s0", now.order[0])
    assert "s0" in further(now)


def test_strategies_within_the_margin_of_each_other_are_settled():
    close = runs(0, [0.0, 0.0005, 0.001], deviation=0.0005)
    assert further(after(close, 5)) == ()
    assert after(close, 5).difference("s1", "s0").conclusion == "tie"
    assert further(after(close, 5, margin=0.0)) != ()


def test_who_is_told_apart_from_all_but_the_leader_goes_on_with_the_leader_alone():
    values = runs(0, [0.0, 0.3, 0.3], deviation=0.02)
    assert set(further(after(values, 5))) == {"s1", "s2"}


def test_who_ties_with_the_leader_goes_on_until_told_apart_from_the_baseline():
    values = runs(0, [0.0, 0.03], deviation=0.05)
    values["s2"] = [value * factor for value, factor in zip(values["s1"], [1.0001, 1.0002] * 5, strict=True)]
    assert after(values, 5).difference("s2", "s1").conclusion == "tie"
    assert set(further(after(values, 5))) == {"s0", "s1", "s2"}


def test_the_same_training_is_settled_at_three_seeds():
    values = runs(0, [0.0, 0.0])
    assert further(after({**values, "s1": values["s0"]}, 3)) == ()


def test_of_two_with_different_numbers_of_seeds_the_one_with_fewer_gets_the_next():
    values = runs(0, [0.0, 0.0])
    assert set(further(after(values, 5))) == {"s0", "s1"}
    assert further(standing({"s0": values["s0"][:5], "s1": values["s1"][:4]})) == ("s1",)


def test_nobody_gets_more_than_the_cap_and_nothing_is_asked_of_whoever_has_no_run():
    values = runs(0, [0.0, 0.0])
    assert further(after(values, CAP)) == ()
    assert further(after(values, 4, cap=4)) == ()
    assert further(standing({"s0": values["s0"][:3], "s1": []}, asked={"s0": 3, "s1": 3})) == ()
    assert further(standing({"s0": [], "s1": []}, asked={"s0": 3, "s1": 3})) == ()


def test_a_strategy_some_of_whose_runs_fail_goes_on_with_the_others_and_ends():
    values = runs(0, [0.0, 0.0])
    few = {"s0": values["s0"][:3], "s1": {2: values["s1"][2]}}
    assert further(standing(few, asked={"s0": 3, "s1": 3})) == ("s0", "s1")
    assert further(standing(few, asked={"s0": CAP, "s1": CAP})) == ()


def test_seeds_that_change_nothing_stop_after_three():
    values = runs(0, [0.0, 0.0])
    assert further(replace(after(values, 3), copied=True)) == ()
    assert further(after(values, 3)) != ()


def test_a_doubt_that_no_seed_takes_away_buys_none():
    values = runs(0, [0.0, 0.05], deviation=0.002)
    sure = after(values, 5)
    assert sure.difference("s1", "s0").conclusion == "better"
    doubted = after(values, 5, doubts={"s0": 0.2})
    assert doubted.difference("s1", "s0").conclusion == "not told apart"
    assert further(doubted) == ()
    assert further(after(values, 3, doubts={"s0": 0.045})) != ()  # here an exact mean would still decide


@pytest.mark.parametrize("paired", [True, False])
def test_a_true_difference_is_found_with_few_seeds_and_never_the_wrong_way(paired):
    hardness = 0.1 if paired else 0.0
    found = [settled(runs([1, s], [0.0, 0.05, 0, 0, 0], hardness=hardness), paired=paired) for s in range(60)]
    words = [now.difference("s1", "s0").conclusion for now in found]
    assert words.count("better") >= 48  # 95 % are expected
    assert "worse" not in words
    assert np.mean([list(now.asked.values()) for now in found]) < 8.2
    large = [settled(runs([2, s], [0.0, 0.2, 0, 0, 0], hardness=hardness), paired=paired) for s in range(60)]
    assert all(now.difference("s1", "s0").conclusion == "better" for now in large)
    assert np.mean([list(now.asked.values()) for now in large]) < 4.3


def test_equal_strategies_are_called_different_in_few_comparisons():
    found = [settled(runs([3, seed], [0.0] * 6)) for seed in range(60)]
    words = [
        {
            now.difference(name, other).conclusion
            for name in now.order
            for other in ("s0", now.order[0])
            if name != other
        }
        for now in found
    ]
    assert sum(bool(its_words & {"better", "worse"}) for its_words in words) <= 6  # 2 are expected
    assert all(set(now.asked.values()) == {CAP} for now, its in zip(found, words, strict=True) if len(its) == 1)
