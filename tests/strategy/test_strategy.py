"""A strategy: its text, its controllers and functions, and whatever stands for one."""

import copy
import pickle

import pytest
from strategies import custom_curve, custom_rule

from ratesmith import Custom, Horizon, Plateau, Ramp
from ratesmith.strategy import Strategy, as_schedule, as_strategy, parse

COSINE = Ramp(1.0, 0.0, 50, "cosine")


def test_a_strategy_is_its_canonical_text_however_it_was_written():
    strategy = Strategy("cosine( final = 1e-1 )")
    assert strategy == parse("cosine(final=0.1)")
    assert repr(strategy) == "Strategy(text='cosine(final=0.1)')"
    assert hash(strategy) == hash(parse("cosine(final=0.1)"))


def test_a_strategy_survives_copies_and_pickles():
    strategy = parse('warmup("5%") >> cosine()')
    for copied in (copy.deepcopy(strategy), pickle.loads(pickle.dumps(strategy))):
        assert (copied, copied.root) == (strategy, strategy.root)
        assert copied.build(50) == strategy.build(50)


@pytest.mark.parametrize(
    ("text", "names", "metrics"),
    [
        ("cosine()", [], ()),
        ("plateau()", ["plateau"], ("loss",)),
        ("cosine() * Plateau(factor=0.3, patience=0, threshold=0.5)", ["Plateau"], ("loss",)),
        ('spike_guard() * (warmup(5) >> cosine()) * Greedy(metric="f1")', ["spike_guard", "Greedy"], ("f1", "loss")),
        ('plateau(0.3, 1, metric=["f1", "accuracy"])', ["plateau"], ("accuracy", "f1")),
        ('custom("plateau")', [], ()),
    ],
)
def test_controllers_and_what_they_hear_are_found_in_the_tree(text, names, metrics):
    strategy = parse(text)
    assert [call.name for call in strategy.controllers()] == names
    assert strategy.metrics() == metrics


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("cosine()", ()),
        ('custom("halving")', ("halving",)),
        ('custom(function="halving")', ("halving",)),
        ('Custom("halving", 5) * custom(function="another")', ("another", "halving")),
        ('warmup("5%", shape="mycurve") >> cosine()', ("mycurve",)),
        ('Ramp(1, 0, 9, "mycurve")', ("mycurve",)),
        ('warmup("5%", shape="cosine") >> ramp(0.1, 1, shape="exponential")', ()),
        ('hold(warmup(5, shape=["rex", "mycurve", 0.5]))', ("mycurve",)),
        ('plateau(metric="halving")', ()),
    ],
)
def test_the_functions_that_it_needs_are_found_in_the_tree(text, names):
    assert parse(text).functions() == names


@pytest.mark.parametrize("given", ["cosine()", parse("cosine()"), COSINE, "Ramp(1.0, 0.0, 50, shape='cosine')"])
def test_a_text_a_strategy_and_a_value_are_the_same_schedule(given):
    assert as_schedule(given, 50) == as_schedule(given, Horizon(50)) == COSINE


def test_a_controller_and_functions_of_ones_own_stand_for_a_schedule_too():
    both = COSINE * Plateau(patience=2)
    assert as_schedule(both) is both
    assert as_schedule(str(both)) == both
    functions = {"custom_rule": custom_rule, "custom_curve": custom_curve}
    assert as_schedule('custom("custom_rule")', 50, functions) == Custom(custom_rule)
    assert as_strategy(Ramp(1.0, 0.0, 9, custom_curve)).build(functions=functions) == Ramp(1.0, 0.0, 9, custom_curve)


def test_what_stands_for_no_schedule_is_refused_in_the_name_of_who_asks():
    for read in (as_schedule, as_strategy):
        with pytest.raises(TypeError, match="Verb: a schedule, controller or notation must be given, got 3; give one"):
            read(3, who="Verb")


@pytest.mark.parametrize("horizon", [0, 1.5, "10ep"])
def test_a_horizon_that_cannot_be_is_said_in_the_name_of_who_asks(horizon):
    with pytest.raises((ValueError, TypeError), match=r"^KerasSchedule: horizon must be a whole number of at least 1"):
        as_schedule("cosine()", horizon, who="KerasSchedule")
