"""Names of other libraries: each leads to ours in one line, whatever options it has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratesmith import Horizon, NotationError, parse
from ratesmith.strategy.other_names import OTHER_NAMES, UNREAD, answer_to, equivalent
from ratesmith.strategy.registry import PUBLISHED

PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-5, 10**30)
    | st.floats()
    | st.text(max_size=5)
    | st.just(UNREAD)
    | st.binary(max_size=2)
)
VALUES = PLAIN | st.lists(PLAIN, max_size=3) | st.dictionaries(st.integers(0, 90), st.floats(0, 2), max_size=3)


def refused(text):
    with pytest.raises(NotationError) as caught:
        parse(text)
    return str(caught.value).splitlines()


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_each_name_is_answered_with_notation_that_can_be_built(name):
    here = equivalent(name, (), {})
    controller = parse(here.notation).build(Horizon(100, steps_per_epoch=10), {"rule": lambda step: 1.0})
    assert controller.value(controller.init(), 50) >= 0
    if here.by_epoch:
        parse(here.by_epoch).build(Horizon(100, steps_per_epoch=10))
    assert refused(name)[0] == refused(f"{name}()")[0] == f"Notation: {answer_to(name)}"


def test_no_name_of_another_library_is_one_of_ours():
    assert not set(OTHER_NAMES) & set(PUBLISHED)


@given(
    st.sampled_from(sorted(OTHER_NAMES)),
    st.lists(VALUES, max_size=7),
    st.dictionaries(st.sampled_from(["gamma", "T_max", "step_size", "mode", "final"]), VALUES, max_size=2),
)
def test_whatever_the_options_are_the_answer_is_notation(name, values, options):
    here = equivalent(name, values, options)
    parse(here.notation)
    if here.by_epoch:
        parse(here.by_epoch)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (
            "CosineAnnealingLR(T_max=50)",
            "PyTorch's name; here: cosine() over 50 steps, or 50 epochs if it is stepped once an epoch",
        ),
        (
            "CosineAnnealingLR(optimizer, 50, eta_min=1e-5)",
            "PyTorch's name; here, for instance: cosine(final=0.01) over 50 steps, or 50 epochs if it is "
            "stepped once an epoch; final is eta_min as a share of the initial rate",
        ),
        (
            "StepLR(step_size=3, gamma=0.1)",
            'PyTorch\'s name; here: step("3ep", gamma=0.1) if it is stepped once an epoch, else step(3, gamma=0.1)',
        ),
        (
            "torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[30, 80])",
            'PyTorch\'s name; here: multistep(["30ep", "80ep"], gamma=0.1) if it is stepped once an epoch, else '
            "multistep([30, 80], gamma=0.1)",
        ),
        ("ReduceLROnPlateau(optimizer, 'min', patience=3)", "PyTorch's and Keras' name; here: plateau(patience=3)"),
        ("ReduceLROnPlateau('val_loss', 0.5)", "PyTorch's and Keras' name; here: plateau()"),
        (
            "LambdaLR(optimizer, lambda epoch: 0.9 ** epoch)",
            'PyTorch\'s name; here, for instance: custom("rule"); rule is a function of the step in your file',
        ),
        (
            "SequentialLR(o, [LinearLR(o), CosineAnnealingLR(o, 3)], [4])",
            "PyTorch's name; here, for instance: warmup(5) >> cosine(); parts are joined with >>",
        ),
        (
            "OneCycleLR(optimizer, max_lr=0.1, total_steps=100)",
            "PyTorch's name; here: one_cycle() over 100 steps; the initial rate is max_lr, and PyTorch's peak comes a "
            "step earlier",
        ),
        ("PolynomialDecay(0.1, 1000, 0.01)", "Keras' name; here: polynomial(1, final=0.1) over 1000 steps"),
        (
            "PiecewiseConstantDecay([10, 20], [0.1, 0.05, 0.01])",
            "Keras' name; here: piecewise_constant([11, 21], [1, 0.5, 0.1]); the initial rate is the largest of the "
            "values",
        ),
        ("piecewise_constant_schedule(1.0, {30: 0.1, 80: 0.1})", "optax' name; here: multistep([30, 80], gamma=0.1)"),
        (
            "optax.warmup_cosine_decay_schedule(0.0, 0.1, 50, 1000, 0.01)",
            "optax' name; here: warmup(50) >> cosine(final=0.1) over 1000 steps; the initial rate is peak_value",
        ),
        (
            "cosine_with_restarts",
            'Transformers\' name; here, for instance: warmup("5%") >> cosine_restarts(1)',
        ),
        (
            "get_linear_schedule_with_warmup(optimizer, 10, 100)",
            "Transformers' name; here: warmup(10) >> linear() over 100 steps",
        ),
        (
            "StepLR(step_size='x')",
            'PyTorch\'s name; here, for instance: step("30%", gamma=0.1)',
        ),
    ],
)
def test_the_options_given_are_taken_over(text, answer):
    line, shown, caret = refused(text)
    assert line.partition(" is ")[2] == answer
    assert shown.strip().startswith(text[:50])
    assert caret == "  ^"


def test_the_caret_stands_under_the_name():
    assert refused("warmup(5) >> StepLR(3)")[2] == f"  {' ' * 13}^"


@pytest.mark.parametrize(
    ("text", "meant"),
    [("wsd", "wsd()"), ("step", "step(every, gamma=0.1)"), ("plateau", "plateau()"), ("cosine", "cosine()")],
)
def test_a_name_without_brackets_is_told_with_them(text, meant):
    assert refused(text)[0] == f"Notation: a strategy is a name with its options in brackets; did you mean {meant}?"
