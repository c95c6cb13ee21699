"""What is tried: listed options, the grid of rates, and where it is extended."""

import itertools
import math

import pytest

from ratesmith.experiment.grid import MOST_VARIANTS, lattice, lattice_of, variants
from ratesmith.strategy import parse


def test_listed_options_are_a_small_grid():
    assert variants('wsd(warmup=["0%", "5%"], decay=["10%", "20%"])') == (
        'wsd(warmup="0%", decay="10%")',
        'wsd(warmup="0%", decay="20%")',
        'wsd(warmup="5%", decay="10%")',
        'wsd(warmup="5%", decay="20%")',
    )
    assert variants("cosine()") == ("cosine()",)
    assert variants('step(["10%", "30%"], gamma=[0.1, 0.5])')[1] == 'step("10%", gamma=0.5)'
    assert variants("plateau(patience=[1, 2, 1])") == ("plateau(patience=1)", "plateau(patience=2)")
    assert variants('warmup(["1%", "5%"]) >> (cosine(final=[0, 0.1]) * plateau())')[3] == (
        'warmup("5%") >> cosine(final=0.1) * plateau()'
    )


def test_an_option_that_is_a_list_is_listed_as_lists():
    text = 'multistep(milestones=[["50%"], ["25%", "75%"]])'
    assert variants(text) == ('multistep(milestones=["50%"])', 'multistep(milestones=["25%", "75%"])')
    assert variants('multistep(["50%", "75%"])') == ('multistep(["50%", "75%"])',)
    for each in variants(text):
        assert parse(each).build(100)


def test_too_many_variants_and_none_are_refused():
    many = ", ".join(map(str, range(20)))
    with pytest.raises(ValueError, match=f"a strategy may have at most {MOST_VARIANTS} variants"):
        variants(f"wsd(decay=[{many}], warmup=[{many}])")
    with pytest.raises(ValueError, match="an option must be listed with at least one value"):
        variants("wsd(decay=[])")


def test_the_lattice_is_a_fifth_of_a_decade_wide_and_ends_with_the_numbers():
    rates = lattice(0.1)
    steps = [math.log10(b / a) for a, b in itertools.pairwise(rates)]
    assert steps == pytest.approx([0.2] * 20, abs=0.005)
    assert len(lattice(2e-29)) < 21  # what is lower than the lowest rate is left out


@pytest.mark.parametrize("given", [[0.3, 0.3001], [1e-29, 1e-28], [0.001, 0.5, 0.01], [1.0, 2.0, 3.0, 4.0, 5.0]])
def test_given_rates_are_among_those_that_may_be_tried_and_all_else_is_near(given):
    rates = lattice_of(given)
    assert list(rates) == sorted(set(rates))
    assert set(given) <= set(rates)
    assert min(given) / 11 < rates[0]
    assert rates[-1] < max(given) * 11
    inner = [rate for rate in rates if min(given) <= rate <= max(given)]
    assert all(b / a < 10**0.31 for a, b in itertools.pairwise(inner))


def test_one_given_rate_is_that_rate():
    assert lattice_of([0.02]) == (0.02,)
