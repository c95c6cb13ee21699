"""Nodes to values: each option read against the horizon, each mistake with its place."""

import math

import pytest
from notation_samples import HORIZON, SAMPLES
from strategies import custom_curve, custom_rule

from ratesmith import (
    Constant,
    Exponential,
    Horizon,
    InverseSqrt,
    Max,
    Milestones,
    Plateau,
    Ramp,
    Sequence,
    Staircase,
)
from ratesmith.strategy import NotationError, parse


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
        ("plateau() - 0.1", "only schedules and numbers can be subtracted; multiply with a controller instead"),
        ("max(plateau(), cosine())", "only schedules and numbers can be compared; multiply with a controller instead"),
        ("plateau() + cosine()", "only schedules and numbers can be added; multiply with a controller instead"),
        ("Ramp(0, 1, 5, shape=[1, 2])", "Ramp: shape must be a finite number, got [1, 2]"),
        ("custom([1, 2])", "custom: there is no function [1, 2]; write it in the task's file"),
        ("Sequence(5)", "Sequence: parts must be a list of schedules, got 5; give [a, b]"),
        ("Ramp(0, 1, 100000000000000000000)", "Ramp: steps must be at most 2**53, got more; give a smaller number"),
        ("ramp(-1, 1)", "ramp: start must be a finite number of at least 0, got -1"),
        ("noam(64, 5, scale=-1)", "noam: scale must be a finite number of at least 0, got -1"),
        (
            "piecewise_linear([0, 5], [-1, 1])",
            "piecewise_linear: each of factors must be a finite number of at least 0, got -1",
        ),
        ("Shift(5, 1)", "Shift: schedule must be a schedule, got 5; give a value such as Ramp"),
        ("shift(warmup(3), 1.5)", "shift: by must be whole steps, '5%', '2ep' or '3Mtok', got 1.5; write an int"),
        ("warmup(3) >> hold(5, 1)", "hold: schedule must be a schedule, got 5"),
        (
            'cosine(final="1e-3")',
            "got the text '1e-3'; write it without quotes (in YAML as 1.0e-3, since 1e-3 is text)",
        ),
        ('constant("3Gtok") >> cosine()', "takes 3000000 of 200 steps, and nothing is left for this; make it shorter"),
        (
            "warmup(5) >> cosine(final=-1)",
            "from 0 to 1, got -1; give such a number\n  warmup(5) >> cosine(final=-1)\n               ^",
        ),
        ('step(every="0%")', "step: every must be at least 1 step, got '0%'; give a longer one"),
        ("step(every=0.3)", "step: every must be whole steps, '5%', '2ep' or '3Mtok', got 0.3"),
        ("exponential(gamma=-1)", "exponential: gamma must be above 0, got -1"),
        ("multistep([150, 50])", "multistep: milestones must rise, got 150 before 50"),
        ("constant() >> cosine()", "what stands before >> takes 200 of 200 steps, and nothing is left for this"),
        ('warmup("100%") >> cosine()', "what stands before >> takes 200 of 200 steps"),
        ("warmup(50) >> constant(2000) >> cosine()", "what stands before >> takes 2050 of 200 steps"),
        ("cosine() >> warmup(2000) >> linear()", "what stands before >> takes 2200 of 200 steps"),
        ("repeat(ramp(1, 0, 5), growth=0.9999)", "got more with growth 0.9999; give one such as 0.9, or times"),
        ("Repeat(Ramp(1, 0, 5), growth=1.0001)", "got more with growth 1.0001; give one such as 1.1, or times"),
        ("sgdr(5, growth=-0.5)", "sgdr: growth must be above 0, got -0.5; give 0.5 for cycles half as long"),
        ("inverse_sqrt(5, power=0)", "inverse_sqrt: power must be above 0, got 0; give 0.5 for the root"),
        ("cosine(final=-1)", "cosine: final must be a finite number from 0 to 1, got -1"),
        ("linear(final=1.5)", "linear: final must be a finite number from 0 to 1, got 1.5"),
        ("warmup(5, start=2)", "warmup: start must be a finite number from 0 to 1, got 2"),
        ("step(5) >> cosine()", ">>: only the last part may be endless"),
        (
            "plateau() >> cosine()",
            "only schedules can stand around >>; multiply them with the controller, as in (a >> b) * plateau()",
        ),
        ("plateau(factor=1)", "plateau: factor must be below 1"),
        ('plateau(metric=["loss"])', "plateau: metric must be a name, got ['loss']"),
        ('step("' + "9" * 500 + 'ep")', "step: every must be whole steps, '5%', '2ep' or '3Mtok', got"),
        ('custom("rul")', "custom: there is no function 'rul'; did you mean 'rule'?"),
    ],
)
def test_options_that_cannot_hold_are_refused_when_the_horizon_is_known(text, message):
    with pytest.raises(NotationError) as caught:
        parse(text).build(HORIZON, {"rule": lambda step: 1.0})
    assert message in str(caught.value)


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
        ("1 - Ramp(1, 0, 9) / 4", 1 - Ramp(1.0, 0.0, 9) / 4),
        ("max(Ramp(1, 0, 9), 0.1, 0.2)", Max((Ramp(1.0, 0.0, 9), 0.2))),
        ("Sequence([Ramp(1, 0, 9)])", Sequence((Ramp(1.0, 0.0, 9),))),
        ("Repeat(Ramp(1, 0, 9), times=2, growth=2)", Ramp(1.0, 0.0, 9).repeat(2, growth=2)),
        ('Ramp(1, 0, 9, shape="custom_curve")', Ramp(1.0, 0.0, 9, custom_curve)),
    ],
)
def test_values_read_without_a_horizon(text, value):
    assert parse(text).build(functions={"custom_curve": custom_curve}) == value


def test_a_function_of_the_file_does_not_replace_a_shape_of_ours():
    assert parse('Ramp(1, 0, 4, shape="sqrt")').build(functions={"sqrt": math.exp}) == Ramp(1.0, 0.0, 4, "sqrt")
    assert parse("Ramp(1e20, 0, 5)").build()(0) == 1e20


def test_a_recipe_without_a_horizon_is_refused():
    with pytest.raises(NotationError, match="cosine: it needs the length of training; give a horizon, as in"):
        parse("Constant(steps=5) >> cosine()").build()


def test_lengths_in_tokens_and_samples_are_steps_where_the_horizon_knows():
    assert parse('warmup("3ktok") >> constant("0.4ksp")').build(HORIZON).steps == 53
    with pytest.raises(NotationError, match="'3ktok' needs tokens_per_step, which is not known; give tokens_per_step="):
        parse('warmup("3ktok")').build(200)


def test_only_what_stands_behind_others_asks_whether_they_left_anything():
    assert parse("cosine() >> Constant()").build(Horizon(9, used=9)) == Sequence((Constant(),))


@pytest.mark.parametrize(
    ("text", "built"),
    [
        ("warmup(2000) >> cosine()", "Take(Ramp(0.0, 1.0, 2000), 200)"),
        ("warmup(200) >> cosine()", "Ramp(0.0, 1.0, 200)"),
        ('warmup("20ep") >> linear() >> Constant(0.1)', "Take(Ramp(0.0, 1.0, 400), 200)"),
        ("shift(warmup(2000), -1) >> cosine()", "Take(Shift(Ramp(0.0, 1.0, 2000), -1), 200)"),
        ("warmup(150) >> warmup(100) >> cosine()", "Take(Ramp(0.0, 1.0, 150) >> Ramp(0.0, 1.0, 100), 200)"),
        ("warmup(150) >> (warmup(100) >> cosine())", "Ramp(0.0, 1.0, 150) >> Take(Ramp(0.0, 1.0, 100), 50)"),
        ("0.5 * (warmup(2000) >> cosine())", "0.5 * Take(Ramp(0.0, 1.0, 2000), 200)"),
        ("warmup(150) >> wsd(warmup=100)", "Ramp(0.0, 1.0, 150) >> Take(Ramp(0.0, 1.0, 100), 50)"),
        ("warmup(2000) >> constant(10000) >> linear()", "Take(Ramp(0.0, 1.0, 2000), 200)"),
        ("warmup(200) >> warmup(100, start=0.5) >> cosine()", "Ramp(0.0, 1.0, 200)"),
        ("warmup(300) >> (constant(50) >> linear())", "Take(Ramp(0.0, 1.0, 300), 200)"),
        ("warmup(300) >> hyperbolic(2000)", "Take(Ramp(0.0, 1.0, 300), 200)"),
        ('warmup(300) >> cooldown(InverseSqrt(100), "10%", final=0.01)', "Take(Ramp(0.0, 1.0, 300), 200)"),
        ("warmup(200, into=cosine()) >> constant() >> linear()", "Ramp(0.0, 1.0, 200)"),
    ],
)
def test_a_run_that_ends_inside_its_warmup_is_on_its_slope_and_nothing_of_the_decay_is_used(text, built):
    schedule = parse(text).build(HORIZON)
    assert str(schedule) == built
    assert parse(built).build() == schedule
    assert schedule(10**9) == schedule(200)


def test_a_clipped_warmup_has_the_slope_that_the_whole_run_has():
    whole, short = (parse("warmup(2000) >> cosine()").build(steps) for steps in (10_000, 100))
    assert [short(step) for step in range(100)] == [whole(step) for step in range(100)]
    assert short(99) == 99 / 2000


@pytest.mark.parametrize(
    ("text", "built"),
    [
        ("shift(warmup(250) >> cosine(), -100)", "Shift(Ramp(0.0, 1.0, 250), -100)"),
        ("shift(warmup(250) >> cosine(), -10)", "Shift(Take(Ramp(0.0, 1.0, 250), 210), -10)"),
        ("Shift(0.5 * wsd(warmup=250), by=-100)", "Shift(0.5 * Ramp(0.0, 1.0, 250), -100)"),
        ("shift(shift(warmup(250) >> cosine(), -5), -5)", "Shift(Shift(Take(Ramp(0.0, 1.0, 250), 210), -5), -5)"),
        ("shift(wsd(warmup=250), 10)", "Shift(Take(Ramp(0.0, 1.0, 250), 200), 10)"),
        ("shift(cosine(), -10)", 'Shift(Ramp(1.0, 0.0, 200, shape="cosine"), -10)'),
    ],
)
def test_a_warm_up_that_begins_ahead_is_clipped_where_training_ends(text, built):
    assert str(parse(text).build(HORIZON)) == built


def test_the_last_update_has_the_last_value_of_what_is_shifted_ahead_to_its_end():
    built = parse("warmup(99) >> shift(linear(final=0.1), -1)").build(100)
    assert [built(step) for step in (0, 98, 99, 100, 500)] == pytest.approx([0.0, 98 / 99, 0.1, 0.1, 0.1])
    assert parse(str(built)).build() == built


def test_shares_inside_an_extreme_are_shares_of_the_horizon():
    built = parse('warmup("10%") >> max(wsd(decay="50%"), 0.1)').build(100)
    assert (built(10), built(50), built(75), built(99)) == (1.0, 1.0, 0.5, 0.1)


def test_a_controller_can_be_halved():
    half = parse("plateau() / 2").build(100)
    assert half.value(half.init(), 0) == 0.5


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("step(30)", Staircase(30)),
        ("multistep([30, 60])", Milestones((30, 60))),
        ("exponential(0.9)", Exponential(0.9)),
        ("inverse_sqrt(200)", Ramp(0.0, 1.0, 200) >> InverseSqrt(200)),
        ("sgdr(10, growth=2)", Ramp(1.0, 0.0, 10, "cosine").repeat(growth=2)),
        ("cyclic(20, low=0)", 0.0 + (Ramp(0.0, 1.0, 20) >> Ramp(1.0, 0.0, 20)).repeat()),
        ("warmup(5) >> constant()", Ramp(0.0, 1.0, 5) >> Constant()),
        ("2 * step(30) * warmup(5)", 2 * Staircase(30) * Ramp(0.0, 1.0, 5)),
        ("max(step(30), 0.1)", Max((Staircase(30), 0.1))),
        ("hold(step(30), 7)", Staircase(30).hold(7)),
        ("warmup(5) >> take(step(30), 90) >> ramp(1, 0, 9)", None),
        ("cooldown(inverse_sqrt(200), 1000, at=5000)", None),
        ("noam(512, 4000)", None),
    ],
)
def test_what_depends_on_no_length_of_training_is_built_without_a_horizon(text, value):
    built = parse(text).build()
    assert [built(step) for step in range(300)] == [parse(text).build(10_000)(step) for step in range(300)]
    assert value is None or [built(step) for step in range(300)] == [value(step) for step in range(300)]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("step(30) * cosine()", "cosine"),
        ('warmup("5%") >> constant()', "warmup"),
        ("warmup(5) >> wsd()", "wsd"),
        ('step("30%")', "step"),
        ('multistep([30, "60%"])', "multistep"),
        ('sgdr("10%")', "sgdr"),
        ("cooldown(step(30), 10)", "cooldown"),
        ("ramp(0, 1)", "ramp"),
        ('spike_guard(recover="5%")', "spike_guard"),
    ],
)
def test_without_a_horizon_the_part_that_needs_one_is_named(text, part):
    with pytest.raises(NotationError) as refused:
        parse(text).build()
    needs = f"Notation: {part}: it needs the length of training; give a horizon, as in .build(1000), or steps="
    first, _, caret = str(refused.value).splitlines()
    assert first == needs
    assert caret.index("^") - 2 == text.index(part)


@pytest.mark.parametrize("horizon", [None, 1000])
@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ('step("2ep")', "steps_per_epoch"),
        ("hold(step(30))", "steps_per_epoch"),
        ('warmup("3Mtok") >> constant()', "tokens_per_step"),
        ('step("1ksp")', "samples_per_step"),
    ],
)
def test_a_unit_that_no_number_of_steps_helps_is_asked_for_at_once(text, unit, horizon):
    with pytest.raises(NotationError, match=f"needs {unit}, which is not known; give {unit}="):
        parse(text).build(horizon)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("stretch(ramp(1, 0, 51) >> ramp(1, 0, 459), 51)", (Ramp(1.0, 0.0, 51) >> Ramp(1.0, 0.0, 459)).stretch(51)),
        ("take(warmup(60) >> step(9), 51)", (Ramp(0.0, 1.0, 60) >> Staircase(9)).take(51)),
        ("shift(ramp(1, 0, 80) >> ramp(1, 0, 20), -60)", (Ramp(1.0, 0.0, 80) >> Ramp(1.0, 0.0, 20)).shift(-60)),
        ("warmup(60) >> shift(Ramp(1, 0, 10), 3)", Ramp(0.0, 1.0, 60) >> Ramp(1.0, 0.0, 10).shift(3)),
        ("warmup(60) >> (ramp(1, 0, 9) >> step(9))", Ramp(0.0, 1.0, 60) >> Ramp(1.0, 0.0, 9) >> Staircase(9)),
        ("warmup(51) >> sgdr(10)", Ramp(0.0, 1.0, 51) >> (Ramp(1.0, 0.0, 10, "cosine") >> Constant(1.0, 0)).repeat()),
    ],
)
def test_lengths_of_their_own_may_lie_behind_the_end_of_training(text, value):
    built = parse(text).build(51)
    assert [built(step) for step in range(120)] == [value(step) for step in range(120)]


def test_behind_the_end_only_what_depends_on_what_is_left_is_refused():
    with pytest.raises(NotationError, match=r"takes 60 of 51 steps, and nothing is left for this"):
        parse("ramp(1, 0, 60) >> hold(cosine(), 3)").build(51)
    for part in ("constant()", 'multistep(["50%"])', 'sgdr("10%")', 'take(step(9), "90%")'):
        with pytest.raises(NotationError, match=r"takes 60 of 51 steps, and nothing is left for this"):
            parse(f"ramp(1, 0, 60) >> {part}").build(51)
    with pytest.raises(NotationError, match=r"takes 60 of 51 steps, and nothing is left for this"):
        parse("ramp(1, 0, 60) >> (ramp(0, 1, 9) >> cosine())").build(51)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("warmup(2000) >> cosine(final=-1)", "cosine: final must be a finite number from 0 to 1, got -1"),
        ("warmup(2000) >> wsd(decay=0.1)", "wsd: decay must be whole steps"),
        ("warmup(2000) >> cosine() >> linear() * plateau()", "only schedules can stand around >>"),
        ("warmup(2000) >> wsd(decay=5000)", None),
        ('warmup(2000) >> multistep(["50%", "75%"])', None),
    ],
)
def test_what_a_short_run_leaves_out_must_hold_in_a_longer_one(text, message):
    if message is None:
        assert str(parse(text).build(HORIZON)) == "Take(Ramp(0.0, 1.0, 2000), 200)"
        return
    with pytest.raises(NotationError, match=message):
        parse(text).build(HORIZON)
