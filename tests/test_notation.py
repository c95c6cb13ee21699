"""Strategies as text: read, written, built, and refused with the place."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratesmith import Exponential, Horizon, Milestones, Plateau, Ramp, Staircase
from ratesmith.notation import NotationError, parse

HORIZON = Horizon(200, steps_per_epoch=20)
SAMPLES = [
    "constant()",
    'step("30%")',
    'step(every="30%", gamma=0.1)',
    'multistep(milestones=["50%", 150], gamma=0.5)',
    "exponential(0.99)",
    "cosine(final=0.1)",
    "linear()",
    "polynomial(2)",
    "rex(final=0.1)",
    'inverse_time(rate=1.0, every="10%")',
    'inverse_sqrt("5%")',
    'wsd(warmup=10, decay="20%", shape="1-sqrt")',
    'sgdr("10%", length=2, height=0.5)',
    'one_cycle(peak="30%")',
    'warmup("5%", shape="cosine") >> cosine()',
    "plateau(factor=0.3, patience=1)",
    'step(every="30%") * plateau(patience=5)',
    '0.5 * (warmup("5%") >> cosine()) * plateau()',
    'custom("rule", every="1ep")',
    "warmup(3) >> (warmup(4) >> linear())",
]


@pytest.mark.parametrize("text", SAMPLES)
def test_what_is_written_reads_back_equal(text):
    strategy = parse(text)
    assert parse(str(strategy)) == strategy
    assert str(parse(f"  {text}  ".replace(", ", ",").replace("=", " = "))) == str(strategy)


@pytest.mark.parametrize("text", SAMPLES)
def test_every_sample_builds_a_controller(text):
    controller = parse(text).build(HORIZON, {"rule": lambda epoch: 0.9**epoch})
    assert controller.value(controller.init(), 100) >= 0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('step("30%")', Staircase(60, 0.1)),
        ('multistep(["50%", 150], gamma=0.5)', Milestones((100, 150), 0.5)),
        ('exponential(0.9, every="1ep")', Exponential(0.9, 20)),
        ('warmup("5%") >> cosine(final=0.1)', Ramp(0.0, 1.0, 10) >> Ramp(1.0, 0.1, 190, "cosine")),
        ("0.5 * linear()", 0.5 * Ramp(1.0, 0.0, 200)),
        ('plateau(factor=0.3, metric="accuracy", mode="max")', Plateau(0.3, metric="accuracy", mode="max")),
    ],
)
def test_notation_builds_the_value_it_names(text, value):
    assert parse(text).build(HORIZON) == value


def test_brackets_change_the_meaning_and_are_kept():
    tight, loose = parse('0.5 * warmup("5%") >> cosine()'), parse('0.5 * (warmup("5%") >> cosine())')
    assert tight != loose
    assert tight.build(HORIZON)(100) == pytest.approx(2 * loose.build(HORIZON)(100))


def test_a_schedule_and_a_plateau_multiply():
    both = parse("step(every=10, gamma=0.5) * plateau(factor=0.1, patience=0)").build(HORIZON)
    state = both.init()
    for loss in (1.0, 2.0):
        state = both.observe(state, 15, {"loss": loss})
    assert both.value(state, 15) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cosin()", "Notation: there is no strategy 'cosin'; did you mean cosine? (character 1 of cosin())"),
        ("warmup(5) >> cosin()", "Notation: there is no strategy 'cosin'; did you mean cosine? (character 14 of"),
        ("qqq()", "Notation: there is no strategy 'qqq'; known: constant, step, multistep,"),
        ("cosine", "Notation: a strategy is a name with options, such as cosine() or"),
        ("cosine(", "Notation: this is not notation ('(' was never closed)"),
        ("", "Notation: this is not notation"),
        ("cosine(finale=1)", "Notation: cosine: got an unexpected keyword argument 'finale'; it is cosine(final=0.0)"),
        ("step()", "Notation: step: missing a required argument: 'every'; it is step(every, gamma=0.1)"),
        ("step(30, 0.1, 5)", "Notation: step: too many positional arguments; it is step(every, gamma=0.1)"),
        ("step(every=open('x'))", "Notation: an option is a number, a text in quotes or a list of these"),
        ("cosine(final=-1e999)", "Notation: an option is a number, a text in quotes or a list of these"),
        ("step(every=x)", "Notation: an option is a number, a text in quotes or a list of these"),
        ("step(**x)", "Notation: an option is a number, a text in quotes or a list of these"),
        ("step(every=f'{x}')", "Notation: an option is a number, a text in quotes or a list of these"),
        ("multistep([[1]])", "Notation: an option is a number, a text in quotes or a list of these"),
        ("__import__('os').system('true')", "Notation: a strategy is a name with options"),
        ("().__class__", "Notation: a strategy is a name with options"),
        ("2 * 3", "Notation: a strategy is a name with options"),
        ("cosine() * (2 * 3)", "Notation: a strategy is a name with options"),
        ("step(every=1, every=2)", "Notation: step: each option is given once; drop one"),
        ("step(every=1" + "0" * 400 + ")", "Notation: an option is a number, a text in quotes or a list of these"),
        ('custom("\\ud800")', "Notation: an option is a number, a text in quotes or a list of these"),
        ('custom("é") >> cosin()', "Notation: there is no strategy 'cosin'; did you mean cosine? (character 16 of"),
        ("cosine() >>\n cosin()", "Notation: there is no strategy 'cosin'; did you mean cosine? (character 14 of"),
        ("cosine() + cosine()", "Notation: a strategy is a name with options"),
        ("2", "Notation: a strategy is a name with options"),
        ("2 >> cosine()", "Notation: a strategy is a name with options"),
        ("cosine() * " * 70 + "cosine()", "Notation: at most 64 parts may be nested"),
        ("(" * 300 + "cosine()" + ")" * 300, "Notation: this is not notation"),
        ("cosine()" + " " * 5000, "Notation: a strategy must be at most 4096 characters, got 5008"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_place(text, message):
    with pytest.raises(NotationError) as caught:
        parse(text)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('step(every="0%")', 'step(every="0%"): Staircase: every must be a whole number of at least 1, got 0'),
        ("step(every=0.3)", "step(every=0.3): Horizon: a length must be whole steps, '5%' or '2ep', got 0.3"),
        ("exponential(gamma=-1)", "exponential(gamma=-1): Exponential: gamma must be above 0, got -1"),
        ("multistep([150, 50])", "multistep([150, 50]): Milestones: milestones must rise, got 150 before 50"),
        ("constant() >> cosine()", "what stands before >> takes 200 of 200 steps, and nothing is left for what"),
        ("warmup(2000) >> cosine()", "what stands before >> takes 2000 of 200 steps"),
        ("cosine(final=-1)", "cosine: final must be a finite number from 0 to 1, got -1"),
        ("linear(final=1.5)", "linear: final must be a finite number from 0 to 1, got 1.5"),
        ("warmup(5, start=2)", "warmup: start must be a finite number from 0 to 1, got 2"),
        ("step(5) >> cosine()", "step(5) >> cosine(): Sequence: only the last part may be endless"),
        ("plateau() >> cosine()", "plateau() >> cosine(): only a schedule can stand before >>"),
        ("plateau(factor=1)", "plateau(factor=1): Plateau: factor must be below 1"),
        ('plateau(metric=["loss"])', "Plateau: metric must be a name, got ['loss']"),
        ('step("' + "9" * 500 + 'ep")', "Horizon: a length must be whole steps, '5%' or '2ep', got"),
        ('custom("rul")', "custom(\"rul\"): custom: there is no function 'rul'; did you mean 'rule'?"),
    ],
)
def test_options_that_cannot_hold_are_refused_when_the_horizon_is_known(text, message):
    with pytest.raises(NotationError) as caught:
        parse(text).build(HORIZON, {"rule": lambda step: 1.0})
    assert message in str(caught.value)


numbers = st.integers(0, 10**6) | st.floats(0.001, 1.0)
options = {
    "constant": st.just(""),
    "step": st.builds("every={}, gamma={}".format, st.integers(1, 500), st.floats(0.01, 2)),
    "multistep": st.builds("{}".format, st.lists(st.integers(0, 500), unique=True, max_size=4).map(sorted)),
    "exponential": st.builds("{}, every='{}ep'".format, st.floats(0.01, 2), st.integers(1, 9)),
    "cosine": st.builds("final={}".format, st.floats(0, 1)),
    "linear": st.builds("final = -{}".format, st.floats(0, 1)),  # refused when built: here it is only read
    "warmup": st.builds("'{}%', shape='cosine'".format, st.integers(0, 100)),
    "plateau": st.builds("patience={}, metric='{}'".format, st.integers(0, 9), st.sampled_from(["loss", "f1 é"])),
}
calls = st.one_of(*(given_options.map(f"{name}({{}})".format) for name, given_options in options.items()))
expressions = st.recursive(
    calls,
    lambda inner: st.one_of(
        st.builds("{} >> {}".format, inner, inner),
        st.builds("{} * {}".format, inner, inner),
        st.builds("({} >> {}) * {}".format, inner, inner, numbers),
        st.builds("{} * ({} * {})".format, numbers, inner, inner),
        st.builds("({})".format, inner),
    ),
    max_leaves=6,
)


@given(expressions)
def test_everything_the_grammar_allows_reads_back_to_the_same_text_and_the_same_value(text):
    strategy = parse(text)
    assert parse(strategy.text).text == strategy.text
    assert ast.dump(ast.parse(text, mode="eval")) == ast.dump(ast.parse(strategy.text, mode="eval"))


@given(st.text(max_size=60) | st.text(alphabet="cosine()[]{}=,.'\"*>- 0123456789abf", max_size=60))
def test_no_text_does_anything_but_parse_or_be_refused(text):
    try:
        strategy = parse(text)
    except NotationError as refused:
        assert "\n" not in str(refused)  # noqa: PT017  # most texts are refused; what is not is checked below
        return
    assert parse(str(strategy)) == strategy


def test_only_text_is_read():
    with pytest.raises(TypeError, match="Notation: a strategy must be text, got 3; write 'cosine\\(\\)'"):
        parse(3)
