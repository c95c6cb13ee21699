"""Mistakes in a strategy's options: each message speaks of the name and of the option that the text has."""

import inspect
import json

import pytest

from ratesmith import Constant, Horizon, InverseSqrt, NotationError, Ramp, parse, recipes
from ratesmith.strategy.registry import PUBLISHED, parameters

HORIZON = Horizon(200, steps_per_epoch=20)
NEEDED = {
    "length": 10,
    "every": 10,
    "milestones": [10, 20],
    "factors": [1, 0.5, 0.1],
    "gamma": 0.5,
    "rate": 0.5,
    "start": 0.1,
    "end": 1.0,
    "up": 5,
    "first": 10,
    "cycles": 3,
    "function": "rule",
    "d_model": 64,
    "by": 3,
    "at": [10, 20],
    "steps": 9,
    "timescale": 5,
    "lower": -1.0,
    "upper": 1.0,
    "power": 2,
    "bound": 300,
    "k": 1.5,
}
"""A value for each option that has to be given."""
INNER = {"schedule": "Ramp(1.0, 0.0, 9)", "parts": "[Constant(1.0, 5), Constant(1.0)]"}
WRONG = [0, -1, 0.5, "x", "0%", "500%", "3Mtok", 1e200, True, [1, 2], "exponential", 1e30, 10**20]
"""Values of every kind: for each option some of them are wrong."""


def text_with(name, option, value):
    """Return a call of a name with what it needs, and one option as given."""
    given = []
    for parameter in parameters(name):
        if parameter.name == option:
            written = repr(value) if isinstance(value, bool) else json.dumps(value)
        elif parameter.default is not inspect.Parameter.empty:
            continue
        elif parameter.name == "factors" and name == "Product":
            written = INNER["parts"]
        elif parameter.name == "factors" and name == "piecewise_linear":
            written = "[1, 0.5]"
        else:
            written = INNER.get(parameter.name) or json.dumps(NEEDED[parameter.name])
        given.append(f"{parameter.name}={written}")
    return f"{name}({', '.join(given)})"


OPTIONS = [(name, option.name) for name in PUBLISHED for option in parameters(name)]


@pytest.mark.parametrize(("name", "option"), OPTIONS, ids=[f"{name}-{option}" for name, option in OPTIONS])
def test_a_wrong_value_is_said_of_the_name_and_of_an_option_in_the_text(name, option):
    options = [each.name for each in parameters(name)]
    refused = 0
    for value in WRONG:
        text = text_with(name, option, value)
        try:
            parse(text).build(HORIZON, {"rule": lambda step: 1.0})
        except NotationError as error:
            refused += 1
            said = str(error).splitlines()[0]
            # An exponential ramp names the end that is wrong, two bounds the lower one; a function is looked for first.
            either = value == "exponential" or option == "upper"
            of = [f"{name}: {each} " for each in (options if either else [option])]
            assert said.removeprefix("Notation: ").startswith((*of, f"{name}: there is no function ")), said
            assert "; " in said, said
            assert not set(said.replace(f"{name}:", "").split()) & {"Ramp:", "Repeat:", "Horizon:", "Take:"}, said
    assert refused, f"{name} takes every {option}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cyclic(up=0)", "cyclic: up must be at least 1 step, got 0; give a longer one"),
        ("sgdr(first='0%')", "sgdr: first must be at least 1 step, got '0%'; give a longer one"),
        ("sgdr(10, growth=0)", "sgdr: growth must be above 0, got 0; give 0.5 for cycles half as long"),
        ("warmup('x')", "warmup: length must be whole steps, '5%', '2ep' or '3Mtok', got 'x'; write one of these"),
        ("wsd(warmup='x')", "wsd: warmup must be whole steps, '5%', '2ep' or '3Mtok', got 'x'; write one of these"),
        ("wsd(decay=-1)", "wsd: decay must be a whole number of at least 0, got -1; give a larger number"),
        ("wsd(shape='exponential')", "wsd: final must be above 0 for an exponential ramp, got 0.0; give a small one"),
        ("wsd(shape='curvy')", "wsd: shape must be one of 'linear', 'cosine', 'sqrt', '1-sqrt', '1-square', 'rex'"),
        ("wsd(warmup='60%', decay='60%')", "wsd: warmup and decay must fit into 200 steps, got 120 and 120; make one"),
        ("trapezoidal(warmup='500%')", "trapezoidal: warmup must be a share of at most 100%, got '500%'; give '100%'"),
        ("inverse_sqrt(0)", "inverse_sqrt: length must be at least 1 step, got 0; give a longer one"),
        ("noam(512, 0)", "noam: length must be at least 1 step, got 0; give a longer one"),
        ("polynomial('cosine')", "polynomial: power must be a finite number, got 'cosine'; give a plain number"),
        ("multistep([50, 'x'])", "multistep: milestones must be whole steps, '5%', '2ep' or '3Mtok', got 'x'; write"),
        ("multistep([-1])", "multistep: milestones must be a whole number of at least 0, got -1; give a larger number"),
        ("piecewise_linear([0, 9], [1])", "piecewise_linear: factors must be one for each milestone, got 1 for 2"),
        ("cooldown(cosine(), 10, at='x')", "cooldown: at must be whole steps, '5%', '2ep' or '3Mtok', got 'x'; write"),
        ("hold(cosine(), '3Mtok')", "hold: every '3Mtok' needs tokens_per_step, which is not known; give tokens_per_"),
        ("take(cosine(), -1)", "take: length must be a whole number of at least 0, got -1; give a larger number"),
        ("stretch(Constant(1.0), 5)", "stretch: schedule must have an end, got Constant(); give it a length, as with"),
        ("repeat(cosine(), 0)", "repeat: times must be a whole number of at least 1, got 0; give a larger number"),
        ("closed(Constant(1.0))", "closed: schedule must end after at least 2 steps, got Constant(); give it such a"),
        ("spike_guard(recover='x')", "spike_guard: recover must be whole steps, '5%', '2ep' or '3Mtok', got 'x'; wri"),
        ("plateau(factor=1)", "plateau: factor must be below 1, got 1.0; give a factor such as 0.1"),
        ("Plateau(factor=1)", "Plateau: factor must be below 1, got 1.0; give a factor such as 0.1"),
        ("greedy(warmup='5%')", "greedy: warmup must be a whole number of at least 0, got '5%'; write a whole number"),
        ("Milestones(at=5)", "Milestones: at must be a list of steps, got 5; write [30, 80]"),
        ("step(5) >> cosine()", ">>: only the last part may be endless, got Staircase(5) before another part; give"),
    ],
)
def test_a_mistake_in_a_text_is_said_in_its_own_words(text, message):
    with pytest.raises(NotationError) as refused:
        parse(text).build(HORIZON)
    assert str(refused.value).startswith(f"Notation: {message}")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: recipes.cosine("x"), "cosine: horizon must be a whole number of at least 1, got 'x'; write a whole"),
        (lambda: recipes.trapezoidal(0), "trapezoidal: horizon must be a whole number of at least 1, got 0; give a"),
        (lambda: recipes.warmup(100, 0.05), "warmup: length must be whole steps, '5%', '2ep' or '3Mtok', got 0.05;"),
        (lambda: recipes.cyclic(100, up=0), "cyclic: up must be at least 1 step, got 0; give a longer one"),
        (lambda: recipes.cyclic(100, 5, gamma=0), "cyclic: gamma must be above 0, got 0; give a factor such as 0.1"),
        (lambda: recipes.cooldown(100, 5), "cooldown: schedule must be a schedule, got 5; give a value such as Ramp"),
        (
            lambda: recipes.cooldown(100, InverseSqrt(5), shape="exponential"),
            "cooldown: final must be above 0 for an exponential ramp, got 0.0; give a small one such as 1e-3",
        ),
        (lambda: Ramp(0.0, 1.0, "5%"), "Ramp: steps must be a whole number of at least 0, got '5%'; write a whole nu"),
        (lambda: Constant(1.0).closed(), "closed: schedule must end after at least 2 steps, got Constant(); give it"),
    ],
)
def test_a_mistake_in_python_is_said_of_the_recipe_and_its_option(build, message):
    with pytest.raises((ValueError, TypeError)) as refused:
        build()
    assert str(refused.value).startswith(message)
