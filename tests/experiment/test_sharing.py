"""Which trials share a beginning, and for how long: known before anything is trained."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ratesmith.experiment import Trial
from ratesmith.experiment.sharing import LEAST_SHARED, Rates, arrange, steps_of_tree


@given(st.lists(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=6), min_size=1, max_size=7))
def test_the_steps_of_a_tree_are_its_different_beginnings(tables):
    beginnings = {tuple(table[:length]) for table in tables for length in range(1, len(table) + 1)}
    assert steps_of_tree([np.array(table) for table in tables]) == len(beginnings)


def test_a_short_beginning_is_not_shared_and_other_seeds_and_rates_are_apart():
    rates = Rates(80, 10, {})
    warm = [Trial("warmup(40) >> constant()", rate, 0, 80) for rate in (0.1, 0.2)]  # the same rate, 0, at step 0 alone
    assert len(arrange(warm, rates).branches) == 2
    both = [Trial(name, 0.1, seed, 80) for seed in (0, 1) for name in ("constant()", 'step(every="50%")')]
    assert [len(branch.trials) for branch in arrange(both, rates).branches] == [2, 2]
    assert LEAST_SHARED == 8


def test_equal_rates_under_other_names_are_one_training():
    rates = Rates(80, 10, {})
    trials = [Trial("constant()", 0.1, 0, 50), Trial("0.5 * constant()", 0.2, 0, 50), Trial("constant(50)", 0.1, 0, 50)]
    arranged = arrange(trials[:1] + trials[2:], rates)
    assert (arranged.planned, arranged.run) == (100, 50)


def test_a_shorter_run_is_the_whole_one_stretched_whatever_its_lengths_are_given_in():
    rates = Rates(60, 10, {})
    for name in ("multistep([45])", 'multistep(["4.5ep"])', 'multistep(["75%"])'):
        assert list(rates.of(Trial(name, 1.0, 0, 20))) == [1.0] * 15 + [0.1] * 5
    whole, short = (list(rates.of(Trial("warmup(20) >> cosine()", 1.0, 0, steps))) for steps in (60, 30))
    assert short == whole[::2]
