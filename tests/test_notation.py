"""Strategies as text: read, written, built, and refused with the place."""

import ast
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import custom_curve, custom_rule, schedules

from ratesmith import (
    Constant,
    Custom,
    Exponential,
    Greedy,
    Horizon,
    Milestones,
    Plateau,
    Ramp,
    Sequence,
    SpikeGuard,
    Staircase,
    from_data,
    to_data,
)
from ratesmith.notation import NotationError, Strategy, parse

HORIZON = Horizon(200, steps_per_epoch=20, tokens_per_step=1000, samples_per_step=8)
COSIN = "Notation: there is no strategy 'cosin'; did you mean 'cosine'?"
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
    'sgdr("10%", growth=2, height=0.5)',
    'one_cycle(peak="30%")',
    'warmup("5%", shape="cosine") >> cosine()',
    "plateau(factor=0.3, patience=1)",
    'step(every="30%") * plateau(patience=5)',
    '0.5 * (warmup("5%") >> cosine()) * plateau()',
    'custom("rule", every="1ep")',
    "warmup(3) >> (warmup(4) >> linear())",
    'piecewise_constant(milestones=["50%", 150], factors=[1, 0.5, 0.2])',
    'piecewise_linear([0, "10%", "100%"], factors=[0, 1, 0.1])',
    "natural_exponential(rate=0.01)",
    "noam(d_model=64, length=20)",
    "tanh(-4, final=0.1)",
    'ramp(0.1, 1, "10%", shape="log") >> constant("50%") >> ramp(1, 0)',
    "trapezoidal()",
    'knee(warmup="5%", explore="40%")',
    'one_cycle(peak="30%", phases=3)',
    'cooldown(inverse_sqrt("5%"), "20%", shape="1-sqrt")',
    'cyclic("5%", low=0.2, mode="triangular2")',
    "sgdr(20, growth=2, height=0.5, final=0.1, warmup=5)",
    "cosine_restarts(cycles=3)",
    'hold(warmup("10%") >> cosine())',
    'repeat(stretch(cosine(), "10%"), height=0.5)',
    "shift(warmup(10), -1) >> closed(cosine())",
    'clip(take(exponential(0.9), "50%"), low=0.01)',
    "0.1 + 0.9 * cosine() * (rex() + linear())",
    "Ramp(0, 1, 5) >> cosine()",
    'greedy(factor=0.9, patience=1) * warmup("5%")',
    'cosine() * 0.5 * spike_guard(recover="10%") * plateau(smooth=3, on_worsening=True)',
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
        ("cosin()", "Notation: there is no strategy 'cosin'; did you mean 'cosine'?\n  cosin()\n  ^"),
        (
            "warmup(5) >> cosin()",
            "Notation: there is no strategy 'cosin'; did you mean 'cosine'?\n  warmup(5) >> cosin()\n               ^",
        ),
        ("qqq()", "Notation: there is no strategy 'qqq'; known: constant, step, multistep,"),
        ("cosine", "Notation: a strategy is a name with options, such as cosine() or"),
        ("cosine(", "Notation: this is not notation ('(' was never closed)"),
        ("", "Notation: this is not notation"),
        (
            "cosine(finale=1)",
            "Notation: cosine has no option 'finale'; did you mean 'final'?\n  cosine(finale=1)\n         ^",
        ),
        ("cosine(q=1)", "Notation: cosine has no option 'q'; it is cosine(final=0.0)"),
        ("step()", "Notation: step: missing a required argument: 'every'; it is step(every, gamma=0.1)"),
        ("step(30, 0.1, 5)", "Notation: step: too many positional arguments; it is step(every, gamma=0.1)"),
        ("step(every=open('x'))", "Notation: there is no strategy 'open'; known: constant,"),
        ("cosine(final=-1e999)", "Notation: an option is a number, a text in quotes, a schedule or a list of these"),
        ("step(every=x)", "Notation: an option is a number, a text in quotes, a schedule or a list of these"),
        ("step(**x)", "Notation: an option is a number, a text in quotes, a schedule or a list of these"),
        ("step(every=f'{x}')", "Notation: an option is a number, a text in quotes, a schedule or a list of these"),
        ("multistep([[[1]]])", "Notation: an option is a number, a text in quotes, a schedule or a list of these"),
        ("__import__('os').system('true')", "Notation: a strategy is a name with options"),
        ("().__class__", "Notation: a strategy is a name with options"),
        ("2 * 3", "Notation: a strategy is a name with options"),
        ("cosine() * (2 * 3)", "Notation: a strategy is a name with options"),
        ("step(every=1, every=2)", "Notation: step: each option is given once; drop one"),
        (
            "step(every=1" + "0" * 400 + ")",
            "Notation: an option is a number, a text in quotes, a schedule or a list of these",
        ),
        ('custom("\\ud800")', "Notation: an option is a number, a text in quotes, a schedule or a list of these"),
        ('custom("é") >> cosin()', f'{COSIN}\n  custom("é") >> cosin()\n                 ^'),
        ('custom("率") >> cosin()', f'{COSIN}\n  custom("率") >> cosin()\n                  ^'),
        ("cosine() >>\n cosin()", f"{COSIN}\n  cosine() >>  cosin()\n               ^"),
        (
            "constant() * " * 9 + "cosin() * rex()",
            f"{COSIN}\n  ...ant() * " + "constant() * " * 4 + "cosin() * rex()\n  ",
        ),
        ("cosine() - cosine()", "Notation: only >>, * and + join schedules; write a difference as a + -1 * b"),
        ("-cosine()", "Notation: only >>, * and + join schedules; write a difference as a + -1 * b"),
        ("warmup(5%)", 'Notation: this is not notation (invalid syntax); write a share in quotes, as "5%"'),
        ("cosine(lambda: 1)", "Notation: an option is a number, a text in quotes, a schedule or a list of these"),
        ("hold(cosin(), 5)", f"{COSIN}\n  hold(cosin(), 5)\n       ^"),
        ("Sequence([cosin()])", f"{COSIN}\n  Sequence([cosin()])\n            ^"),
        ("2", "Notation: a strategy is a name with options"),
        ("2 >> cosine()", "Notation: a strategy is a name with options"),
        ("hold(" * 64 + "cosine()" + ", 1)" * 64, "Notation: at most 64 parts may be nested"),
        ("(" * 300 + "cosine()" + ")" * 300, "Notation: this is not notation"),
        ("cosine()" + " " * 5000, "Notation: a strategy must be at most 4096 characters, got 5008"),
    ],
)
def test_a_mistake_is_one_line_with_a_caret_under_the_place(text, message):
    with pytest.raises(NotationError) as caught:
        parse(text)
    assert str(caught.value).startswith(message)
    assert len(str(caught.value).split("\n")) in (1, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("plateau() + cosine()", "only schedules and numbers can be added; multiply with a controller instead"),
        ("Ramp(0, 1, 5, shape=[1, 2])", "Ramp: shape must be a finite number, got [1, 2]"),
        ("custom([1, 2])", "custom: there is no function [1, 2]; write it in the task's file"),
        ("Sequence(5)", "Sequence: parts must be a list of schedules, got 5; give [a, b]"),
        ("Ramp(0, 1, 100000000000000000000)", "Ramp: steps must be at most 2**62, got more; give a smaller number"),
        ("ramp(-1, 1)", "ramp: start must be a finite number of at least 0, got -1"),
        ("noam(64, 5, scale=-1)", "noam: scale must be a finite number of at least 0, got -1"),
        (
            "piecewise_linear([0, 5], [-1, 1])",
            "piecewise_linear: a factor must be a finite number of at least 0, got -1",
        ),
        ("Shift(5, 1)", "Shift: schedule must be a schedule, got 5; give a value such as Ramp"),
        ("shift(warmup(3), 1.5)", "Shift: by must be a whole number"),
        ("warmup(3) >> hold(5, 1)", "hold: schedule must be a schedule, got 5"),
        (
            'cosine(final="1e-3")',
            "got the text '1e-3'; write it without quotes (in YAML as 1.0e-3, since 1e-3 is text)",
        ),
        ('warmup("3Gtok") >> cosine()', "takes 3000000 of 200 steps, and nothing is left for this; make it shorter"),
        (
            "warmup(5) >> cosine(final=-1)",
            "from 0 to 1, got -1; give such a number\n  warmup(5) >> cosine(final=-1)\n               ^",
        ),
        ('step(every="0%")', "Staircase: every must be a whole number of at least 1, got 0"),
        ("step(every=0.3)", "Horizon: a length must be whole steps, '5%', '2ep' or '3Mtok', got 0.3"),
        ("exponential(gamma=-1)", "Exponential: gamma must be above 0, got -1"),
        ("multistep([150, 50])", "Milestones: milestones must rise, got 150 before 50"),
        ("constant() >> cosine()", "what stands before >> takes 200 of 200 steps, and nothing is left for this"),
        ("warmup(2000) >> cosine()", "what stands before >> takes 2000 of 200 steps"),
        ("cosine(final=-1)", "cosine: final must be a finite number from 0 to 1, got -1"),
        ("linear(final=1.5)", "linear: final must be a finite number from 0 to 1, got 1.5"),
        ("warmup(5, start=2)", "warmup: start must be a finite number from 0 to 1, got 2"),
        ("step(5) >> cosine()", "Sequence: only the last part may be endless"),
        (
            "plateau() >> cosine()",
            "only schedules can stand around >>; multiply them with the controller, as in (a >> b) * plateau()",
        ),
        ("plateau(factor=1)", "Plateau: factor must be below 1"),
        ('plateau(metric=["loss"])', "Plateau: metric must be a name, got ['loss']"),
        ('step("' + "9" * 500 + 'ep")', "Horizon: a length must be whole steps, '5%', '2ep' or '3Mtok', got"),
        ('custom("rul")', "custom: there is no function 'rul'; did you mean 'rule'?"),
    ],
)
def test_options_that_cannot_hold_are_refused_when_the_horizon_is_known(text, message):
    with pytest.raises(NotationError) as caught:
        parse(text).build(HORIZON, {"rule": lambda step: 1.0})
    assert message in str(caught.value)


@given(schedules)
def test_a_schedule_as_text_and_as_data_reads_back_to_an_equal_value(schedule):
    functions = {"custom_rule": custom_rule}
    assert Strategy(str(schedule)).build(functions=functions) == schedule
    data = json.loads(json.dumps(to_data(schedule)))
    assert from_data(data).build(functions=functions) == schedule


def test_what_is_built_says_itself_as_values_that_need_no_horizon():
    for text in SAMPLES:
        built = parse(text).build(HORIZON, {"rule": custom_rule})
        assert parse(str(built)).build(functions={"custom_rule": custom_rule}) == built, text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Constant()", Constant()),
        ("Constant(factor=0.5, steps=3) >> Ramp(1, 0, 9)", Constant(0.5, 3) >> Ramp(1.0, 0.0, 9)),
        ("-0.5 * Ramp(1, 0, 9)", -0.5 * Ramp(1.0, 0.0, 9)),
        ("0.1 + 0.9 * Ramp(1, 0, 9)", 0.1 + 0.9 * Ramp(1.0, 0.0, 9)),
        ("Sequence([Ramp(1, 0, 9)])", Sequence((Ramp(1.0, 0.0, 9),))),
        ("Repeat(Ramp(1, 0, 9), times=2, growth=2)", Ramp(1.0, 0.0, 9).repeat(2, growth=2)),
        ('Ramp(1, 0, 9, shape="custom_curve")', Ramp(1.0, 0.0, 9, custom_curve)),
    ],
)
def test_values_read_without_a_horizon(text, value):
    assert parse(text).build(functions={"custom_curve": custom_curve}) == value


def test_a_file_in_windows_lines_is_read():
    assert parse("warmup(10)\r\n>> cosine()\r\n") == parse("warmup(10) >> cosine()")
    assert parse('custom("#1")').text == 'custom("#1")'


def test_a_function_of_the_file_does_not_replace_a_shape_of_ours():
    assert parse('Ramp(1, 0, 4, shape="sqrt")').build(functions={"sqrt": math.exp}) == Ramp(1.0, 0.0, 4, "sqrt")
    assert parse("Ramp(1e20, 0, 5)").build()(0) == 1e20


def test_controllers_multiplied_read_back_equal():
    ramp = Ramp(1.0, 0.0, 9)
    for both in (
        Plateau() * (0.5 * ramp),
        0.5 * ramp * Plateau() * ramp * ramp,
        Plateau() * 0.5 * ramp,
        (ramp + 0.1) * (Plateau() * SpikeGuard()),
        (ramp >> ramp) * Greedy() * 2.0 * Plateau(metric="f 1 é"),
    ):
        assert parse(str(both)).build() == both
        assert from_data(to_data(both)).build() == both


def test_every_depth_that_a_schedule_may_have_survives_as_data():
    deep, listed = Ramp(1.0, 0.0, 9), Ramp(1.0, 0.0, 9)
    for _ in range(63):
        deep = deep.shift(1)
    for _ in range(31):
        listed = Sequence((listed,)).take(5)
    for schedule in (deep, listed):
        assert from_data(to_data(schedule)).build() == parse(str(schedule)).build() == schedule


def test_a_lambda_has_no_name_to_be_written_by():
    with pytest.raises(ValueError, match="Data: a function must have a name to be written, got a lambda in"):
        to_data(Custom(lambda step: 1.0))


def test_a_recipe_without_a_horizon_is_refused():
    with pytest.raises(NotationError, match="cosine: it needs the length of training; give a horizon, as in"):
        parse("Constant(steps=5) >> cosine()").build()


def test_lengths_in_tokens_and_samples_are_steps_where_the_horizon_knows():
    assert parse('warmup("3ktok") >> constant("0.4ksp")').build(HORIZON).steps == 53
    with pytest.raises(
        NotationError, match=r"'3ktok' needs tokens_per_step, which is not known; give it \(--tokens-per"
    ):
        parse('warmup("3ktok")').build(200)


def test_a_schedule_with_ten_thousand_parts_reads_back_from_data():
    long = Sequence(tuple(Constant(float(step % 7), 2) for step in range(10_000)))
    assert from_data(to_data(long)).build() == long
    stairs = Milestones(tuple(range(10_000)))
    assert from_data(to_data(stairs)).build() == stairs


def _nested(depth):
    data = []
    for _ in range(depth):
        data = [data]
    return data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (_nested(100_000), "Data: it must be a table with the key 'ratesmith', got [[[[[["),
        ({"ratesmith": _nested(900)}, "Data: ratesmith must be 1, the version of the format, got [[[[[["),
        ({"ratesmith": 1, "name": _nested(900)}, "Data: data.name must be a published name, got [[[[[["),
        ({"ratesmith": 1, "name": "rex", "final": _nested(900)}, "Data: at most 64 parts may lie inside each other"),
        (
            {"ratesmith": 1, "name": "rex", "final": 10**5000},
            "Data: data.final must be a finite number, a text, a list",
        ),
        ([], "Data: it must be a table with the key 'ratesmith', got []; see to_data"),
        ({"name": "cosine"}, "Data: it must be a table with the key 'ratesmith', got {'name': 'cosine'}"),
        ({"ratesmith": 2, "name": "cosine"}, "Data: ratesmith must be 1, the version of the format, got 2; read it"),
        ({"ratesmith": True, "name": "cosine"}, "Data: ratesmith must be 1, the version of the format, got True"),
        (
            {"ratesmith": 1, "name": "cosin"},
            "Data: data.name must be a published name, got 'cosin'; did you mean 'cosine'",
        ),
        ({"ratesmith": 1}, "Data: data.name must be a published name, got None; write a name"),
        (
            {"ratesmith": 1, "name": "cosine", "finale": 1},
            "Data: data has an unknown key 'finale'; did you mean 'final'?",
        ),
        ({"ratesmith": 1, "name": ">>", "parts": []}, "Data: data.parts must be a list of at least two, got []"),
        (
            {"ratesmith": 1, "name": ">>", "parts": [{"name": "rex"}, {"name": "rex", "q": 1}]},
            "Data: data.parts[1] has an unknown key 'q'; its keys are: final",
        ),
        ({"ratesmith": 1, "name": "rex", "final": None}, "Data: data.final must be a finite number, a text, a list or"),
        ({"ratesmith": 1, "name": "rex", "final": float("nan")}, "Data: data.final must be a finite number, a text,"),
        ({"ratesmith": 1, "name": "step"}, "Notation: step: missing a required argument: 'every'"),
    ],
)
def test_data_that_is_not_ours_is_refused_with_the_place(data, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the message is compared below
        from_data(data)
    assert str(caught.value).startswith(message)


def test_data_nested_without_end_is_refused():
    data = {"ratesmith": 1, "name": "hold", "schedule": {"name": "rex"}}
    for _ in range(500):
        data["schedule"] = {"name": "hold", "schedule": data["schedule"]}
    with pytest.raises(
        ValueError, match=r"Data: at most 64 parts may lie inside each other, got more at data\.schedule"
    ):
        from_data(data)


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
        assert str(refused).startswith("Notation: ")  # noqa: PT017  # most are refused; what is not is checked below
        return
    assert parse(str(strategy)) == strategy


def test_only_text_is_read():
    with pytest.raises(TypeError, match="Notation: a strategy must be text, got 3; write 'cosine\\(\\)'"):
        parse(3)
