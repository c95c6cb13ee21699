"""What is tried: listed options, the grid of rates, and where it is extended."""

import pytest

from ratesmith.experiment.grid import MOST_VARIANTS, default_rates, extension, variants, wanted_rates
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


def test_the_grid_and_its_extensions():
    assert default_rates(0.1) == (0.01, 0.0316, 0.1, 0.316, 1.0)
    assert default_rates(0.1, 3) == (0.0316, 0.1, 0.316)
    given = [0.01, 0.1, 1.0]
    assert extension(given, 0.1, given) == []
    assert extension(given, 0.01, given) == [0.001]
    assert extension(given, None, given) == [0.001]
    assert extension([1e-5, 1e-4, 1e-3, *given], 1e-5, given) == []
    assert extension([0.1], 0.1, [0.1]) == []
    assert wanted_rates([0.01, 0.1, 1.0, 10.0], [0.1, 1.0], 1.0, [0.01, 0.1, 1.0, 10.0]) == [10.0]
    assert wanted_rates([0.01, 0.1, 1.0], [0.1, 1.0], 0.1, given) == [0.01]
    assert wanted_rates(given, given, 1.0, given) == [10.0]
