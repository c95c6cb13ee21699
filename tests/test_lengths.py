"""Lengths that do not mean what people think: who is warned, what of, and who is not."""

import pytest
from notation_samples import HORIZON, SAMPLES

from ratesmith import Custom, Horizon, Plateau, Schedule, Staircase, parse, recipes
from ratesmith.lengths import ends_in_warmup, length_notes, length_warnings

SHORT = Horizon(230, steps_per_epoch=23)  # 10 epochs of a small data set
CIFAR = Horizon(200 * 391, steps_per_epoch=391)
IMAGENET = Horizon(90 * 1251, steps_per_epoch=1251)
FINE_TUNING = Horizon(300, steps_per_epoch=100)
MANY_EPOCHS = Horizon(20_000, steps_per_epoch=5)
LANGUAGE = Horizon(100_000)
LONG = Horizon(1_000_000, tokens_per_step=500_000)
RULES = {
    "halving": lambda count: 0.5**count,
    "fast": lambda count: 0.9**count,
    "by_epoch": lambda epoch: 0.95**epoch,
    "inverse": lambda count: 1 / (1 + 1e-3 * count),
    "cosine_rule": lambda count: max(0.0, 1 - count / 200),
}

WRONG = [
    # what was written, for which run, and what to write
    ("step(3)", SHORT, 'step("3ep")'),
    ("step(every=3, gamma=0.5)", SHORT, 'step(every="3ep", gamma=0.5)'),
    ("multistep([5, 8])", SHORT, 'multistep(["5ep", "8ep"])'),
    ("exponential(0.9)", SHORT, 'exponential(0.9, every="1ep")'),
    ("natural_exponential(0.1)", SHORT, 'natural_exponential(0.1, every="1ep")'),
    ("inverse_time(1.0)", SHORT, 'inverse_time(1.0, every="1ep")'),
    ("piecewise_constant([5, 8], [1, 0.1, 0.01])", SHORT, 'piecewise_constant(["5ep", "8ep"], [1, 0.1, 0.01])'),
    ("piecewise_linear([0, 5, 8], [0, 1, 0.1])", SHORT, 'piecewise_linear([0, "5ep", "8ep"], [0, 1, 0.1])'),
    ("ramp(1, 0.01, 8)", SHORT, 'ramp(1, 0.01, "8ep")'),
    ("stretch(cosine(), 10)", SHORT, 'stretch(cosine(), "10ep")'),
    ("hold(cosine(), 1)", SHORT, 'hold(cosine(), "1ep")'),
    ("hold(warmup(20) >> cosine(), every=1)", SHORT, 'hold(warmup(20) >> cosine(), every="1ep")'),
    ("sgdr(5)", SHORT, 'sgdr("5ep")'),
    ("sgdr(5, warmup=1)", SHORT, 'sgdr("5ep", warmup="1ep")'),
    ("sgdr(5, height=0.5)", SHORT, 'sgdr("5ep", height=0.5)'),
    ("cyclic(3)", SHORT, 'cyclic("3ep")'),
    ("cyclic(2, 3)", SHORT, 'cyclic("2ep", "3ep")'),
    ('cyclic(4, mode="triangular2")', SHORT, 'cyclic("4ep", mode="triangular2")'),
    ('custom("by_epoch")', CIFAR, 'custom("by_epoch", every="1ep")'),
    ('custom("fast")', SHORT, 'custom("fast", every="1ep")'),
    ('custom("halving")', SHORT, 'custom("halving", every="1ep")'),
    # inside others
    ("warmup(20) >> step(3)", SHORT, 'warmup(20) >> step("3ep")'),
    ("0.5 * (warmup(20) >> exponential(0.9))", SHORT, '0.5 * (warmup(20) >> exponential(0.9, every="1ep"))'),
    ("step(3) * plateau(patience=2)", SHORT, 'step("3ep") * plateau(patience=2)'),
    ("0.1 + 0.9 * exponential(0.9)", SHORT, '0.1 + 0.9 * exponential(0.9, every="1ep")'),
    ("clip(exponential(0.9), low=0.01)", SHORT, 'clip(exponential(0.9, every="1ep"), low=0.01)'),
    ('take(step(2), "50%") >> cosine()', SHORT, 'take(step("2ep"), "50%") >> cosine()'),
    ("step(3) * multistep([5, 8])", SHORT, 'step("3ep") * multistep(["5ep", "8ep"])'),
    ('stretch(take(step(1), 100), "100%")', SHORT, 'stretch(take(step("1ep"), 100), "100%")'),
    ("warmup(3, into=step(3))", SHORT, 'warmup(3, into=step("3ep"))'),
    ("warmup(3, into=multistep([5, 8]))", SHORT, 'warmup(3, into=multistep(["5ep", "8ep"]))'),
    ("Product([step(3), cosine()])", SHORT, 'Product([step("3ep"), cosine()])'),
    ("Sequence([Ramp(0, 1, 5), Staircase(3)])", SHORT, 'Sequence([Ramp(0, 1, 5), step("3ep")])'),
    ("Max([Staircase(3), Constant(0.01)])", SHORT, 'Max([step("3ep"), Constant(0.01)])'),
    ("max(step(3), 0.1)", SHORT, 'max(step("3ep"), 0.1)'),
    ("clip(exponential(0.9), low=0.1)", SHORT, 'clip(exponential(0.9, every="1ep"), low=0.1)'),
    # longer runs
    ("step(30)", IMAGENET, 'step("30ep")'),
    ("multistep([30, 60, 80])", IMAGENET, 'multistep(["30ep", "60ep", "80ep"])'),
    ("multistep([100, 150], gamma=0.2)", CIFAR, 'multistep(["100ep", "150ep"], gamma=0.2)'),
    ("step(1, gamma=0.97)", IMAGENET, 'step("1ep", gamma=0.97)'),
    ("exponential(0.98)", CIFAR, 'exponential(0.98, every="1ep")'),
    ("sgdr(10)", CIFAR, 'sgdr("10ep")'),
    ("exponential(0.9)", FINE_TUNING, 'exponential(0.9, every="1ep")'),
    # as values, which say what they were made of
    ("Staircase(3)", SHORT, 'step("3ep")'),
    ("Milestones([5, 8])", SHORT, 'multistep(["5ep", "8ep"])'),
    ("Exponential(0.9)", SHORT, 'exponential(0.9, every="1ep")'),
    ('Ramp(1, 0, 8, "cosine")', SHORT, 'ramp(1, 0, "8ep", shape="cosine")'),
    ("Staircase(6, stairs=2)", SHORT, 'step("6ep")'),
    # numbers that are no epochs of this run
    ("step(11)", SHORT, 'step("30%")'),
    ("multistep([300, 400])", IMAGENET, 'multistep(["60%", "80%"])'),
    ("exponential(0.999)", LONG, 'exponential(0.999, every="1ep")'),
    ("sgdr(10)", LANGUAGE, 'sgdr("10ep")'),
    ("step(30)", Horizon(1000), 'step("30ep")'),
    ("step(2000)", LANGUAGE, 'step("30%")'),
    ("sgdr(2000)", LONG, 'sgdr("25%")'),
    ("clip(sgdr(5), low=0.1)", LANGUAGE, 'clip(sgdr("5ep"), low=0.1)'),
    ("step(3)", Horizon(200, steps_per_epoch=1), 'step("30%")'),
    ("inverse_time(1)", LANGUAGE, 'inverse_time(1, every="1ep")'),
    # whose epochs would be over too soon as well
    ("step(3)", Horizon(3000, steps_per_epoch=23), 'step("30%")'),
    ("warmup(50) >> exponential(0.9)", MANY_EPOCHS, 'warmup(50) >> exponential(0.9, every="10%")'),
    ("step(2) * cosine()", MANY_EPOCHS, 'step("30%") * cosine()'),
    ("stretch(take(ramp(1, 0.01, 19), 30), 51)", MANY_EPOCHS, 'stretch(take(ramp(1, 0.01, 19), 30), "50%")'),
]
RIGHT = [
    ("constant()", SHORT),
    ("cosine()", SHORT),
    ("linear(final=0.1)", SHORT),
    ("polynomial(2)", SHORT),
    ("polynomial(0.9)", CIFAR),
    ("rex()", SHORT),
    ("tanh()", SHORT),
    ('step("3ep")', SHORT),
    ('step("30%")', SHORT),
    ("step(69)", SHORT),
    ('multistep(["5ep", "8ep"])', SHORT),
    ("multistep([115, 184])", SHORT),
    ('exponential(0.9, every="1ep")', SHORT),
    ("exponential(0.99)", SHORT),
    ("exponential(0.97)", FINE_TUNING),
    ("natural_exponential(0.01)", SHORT),
    ('inverse_time(1.0, every="1ep")', SHORT),
    ("inverse_time(0.1)", SHORT),
    ("inverse_time(1e-4)", LONG),
    ("inverse_time(0.5, every=1000)", LANGUAGE),
    ('hold(cosine(), "1ep")', SHORT),
    ("hold(inverse_time(0.3, every=100), 100)", Horizon(10_000)),
    ("hold(cosine(), 10)", CIFAR),
    ('sgdr("10%", growth=2)', SHORT),
    ("sgdr(10, growth=2)", SHORT),
    ("sgdr(391)", CIFAR),
    ("sgdr(3910, growth=2)", CIFAR),
    ("cosine_restarts(5)", SHORT),
    ("cosine_restarts(50)", LANGUAGE),
    ("cyclic(20)", Horizon(1000, steps_per_epoch=100)),
    ("cyclic(20)", Horizon(1000)),
    ("cyclic(2000, low=0.2)", LONG),
    ('cyclic(2000, mode="triangular2")', Horizon(40_000)),
    ("one_cycle()", SHORT),
    ("one_cycle(peak=10)", SHORT),
    ("one_cycle(peak=5, phases=3)", SHORT),
    ("warmup(5) >> cosine()", SHORT),
    ("warmup(100) >> cosine()", LANGUAGE),
    ("warmup(2000) >> cosine(final=0.1)", LONG),
    ("warmup(2000) >> linear()", Horizon(20_000)),
    ("warmup(2000) >> cosine()", Horizon(2001)),
    ("warmup(10) >> linear()", FINE_TUNING),
    ('warmup("5%") >> linear()', FINE_TUNING),
    ("warmup(6) >> constant()", FINE_TUNING),
    ("warmup(2000) >> constant()", LONG),
    ("Ramp(0, 1, 5) >> cosine()", SHORT),
    ("ramp(0.1, 1, 5) >> linear()", SHORT),
    ("inverse_sqrt(4000)", LANGUAGE),
    ("inverse_sqrt(100)", LONG),
    ("noam(512, 4000)", LANGUAGE),
    ("noam(d_model=512, length=4000)", LONG),
    ('wsd(warmup="1%", decay="20%")', LONG),
    ('wsd(warmup=2000, decay="2%")', LONG),
    ("wsd(warmup=2000, decay=20000)", LONG),
    ("wsd(warmup=100, decay=500)", LANGUAGE),
    ("trapezoidal()", SHORT),
    ('knee(warmup="5%", explore="40%")', SHORT),
    ("knee(warmup=2000, explore=50000)", LANGUAGE),
    ("constant(95000) >> ramp(1, 0, 5000)", LANGUAGE),
    ("constant(99000) >> ramp(1, 0, 1000)", LANGUAGE),
    ('constant("80%") >> exponential(0.9999)', LANGUAGE),
    ('constant("80%") >> 2 * ramp(1, 0.5, shape="exponential") + Constant(-1.0)', LANGUAGE),
    ('cooldown(inverse_sqrt("5%"), "20%", shape="1-sqrt")', LANGUAGE),
    ("cooldown(inverse_sqrt(200), 1000, at=5000)", Horizon(6000)),
    ("exponential(0.99999)", LONG),
    ("exponential(0.9999)", Horizon(50_000)),
    ("step(37530)", IMAGENET),
    ("step(30000)", IMAGENET),
    ('step("30ep")', IMAGENET),
    ("step(1000, gamma=0.97)", LANGUAGE),
    ("step(3000, gamma=0.97)", IMAGENET),
    ("multistep([31200, 46800])", CIFAR),
    ("multistep([800000, 900000], gamma=0.316)", LONG),
    ("clip(exponential(0.3, every=100), low=0.2)", Horizon(1000)),
    ("repeat(stretch(cosine(final=0.1), 50))", Horizon(500)),
    ('repeat(stretch(cosine(), "10%"), height=0.5)', SHORT),
    ('stretch(take(step(3), 10), "100%")', SHORT),
    ("piecewise_constant([11, 21], [1, 0.5, 0.1])", Horizon(100)),
    ("piecewise_constant([100], [0.1, 1.0])", LANGUAGE),
    ("piecewise_linear([0, 2000], [0, 1])", LONG),
    ('piecewise_linear([0, "10%", "100%"], [0, 1, 0.1])', LONG),
    ("plateau(patience=3)", SHORT),
    ("cosine() * plateau(patience=1) * spike_guard(recover=2)", SHORT),
    ("greedy(patience=2)", SHORT),
    ('custom("by_epoch", every="1ep")', CIFAR),
    ('custom("inverse")', CIFAR),
    ('custom("cosine_rule")', Horizon(200)),
    ('custom("cosine_rule")', Horizon(300)),
    ("take(exponential(0.9), 100) >> cosine()", Horizon(1000)),
    ("sgdr(2000)", LANGUAGE),
    ('inverse_sqrt("100%")', SHORT),
    ('ramp(1e-6, 1, shape="exponential")', LANGUAGE),
    ("exponential(1.05)", Horizon(500)),
    ('custom("fast", every=391)', CIFAR),
    # so short that a few updates are much of them
    ("step(1)", Horizon(20)),
    ("step(2)", Horizon(10, steps_per_epoch=2)),
    ("exponential(0.5)", Horizon(30)),
    ("exponential(0.9)", Horizon(100, steps_per_epoch=10)),
    ("step(10)", Horizon(100)),
    ("multistep([30, 80])", Horizon(100)),
    # whole epochs, in updates
    ('inverse_time(1, every="1ep")', CIFAR),
    ("inverse_time(1, every=391)", CIFAR),
    ("warmup(391) >> inverse_time(0.1, every=391)", CIFAR),
    ("step(469, gamma=0.5)", Horizon(9384, steps_per_epoch=469)),
    ("step(391, gamma=0.97)", CIFAR),
    ("exponential(0.97, every=391)", CIFAR),
    ("Exponential(0.97, 391)", CIFAR),
    ("multistep([1955, 3910])", CIFAR),
    ("ramp(1, 0.1, 3910) >> constant()", CIFAR),
    ("exponential(0.9)", Horizon(200, steps_per_epoch=1)),
    # cycles that are about as long as an epoch, or many without an epoch
    ("cyclic(195)", CIFAR),
    ("cyclic(196)", CIFAR),
    ("cyclic(400, low=0.1)", CIFAR),
    ("cyclic(50, low=0.3)", LANGUAGE),
    # ever more slowly
    ("inverse_time(0.01)", LANGUAGE),
    ("warmup(500) >> inverse_time(0.001)", LONG),
]
KEEP_A_RATE = """
clip(exponential(0.999), low=0.1)
clip(exponential(0.999), low=0.1) * plateau()
clip(step(1000), low=0.1) * linear()
warmup(1000) >> clip(exponential(0.99), low=0.2)
Clip(Exponential(0.999), low=0.1)
max(exponential(0.999), 0.1)
warmup(1000) >> max(exponential(0.999), 0.1)
max(exponential(0.999), 0.1 * linear())
max(exponential(0.999), cosine())
Max([exponential(0.999), cosine()])
max(cosine(final=0.01), inverse_sqrt(1000))
min(linear(), 0.3)
0.1 + 0.9 * exponential(0.999)
(0.1 + 0.9 * exponential(0.999)) * cosine()
0.5 * exponential(0.999) + 0.5 * cosine()
Sum([exponential(0.999), cosine()])
1 - exponential(0.99)
warmup(1000) >> 0.5 + 0.5 * exponential(0.999)
constant(50000) >> ramp(1, 0.1, 1000)
Sequence([constant(99000), ramp(1, 0, 1000)])
cosine() * ramp(1, 0.5, 1000)
Product([cosine(), ramp(1, 0.3, 2000)])
ramp(1, 0.99, 10)
ramp(1, 0.9, 100) >> cosine()
ramp(1, 0.5, 1000) >> cosine()
multistep([500], gamma=0.5) * cosine()
multistep([100, 1000], gamma=0.8) * cosine()
piecewise_constant([1000], [1, 0.7]) * cosine()
piecewise_constant([1000, 2000], [0.1, 1, 0.5])
piecewise_linear([0, 1000, 4000], [0, 1, 0.3])
cyclic(2000, mode="triangular2")
sgdr(1000, growth=2)
sgdr(2000, final=0.1)
repeat(stretch(linear(), 2000))
repeat(take(exponential(0.999), 5000))
shift(exponential(0.999), 95000)
shift(step(1000), 97000)
shift(ramp(1, 0, 3000), 90000)
take(exponential(0.999), 2000)
take(step(1000), 3000) >> cosine()
take(exponential(0.999), 5000) >> linear()
hold(exponential(0.9999), 500)
warmup(2000, into=cosine())
warmup(100, into=step(30000))
warmup(2000, into=inverse_sqrt(2000))
noam(512, 4000) * cosine()
(constant(90000) >> ramp(1, 0, 10000)) * plateau()
"""
"""Quick decays that are meant: something of the rate stays, or little of the run is left."""


@pytest.mark.parametrize(("text", "run", "remedy"), WRONG)
def test_epochs_that_were_written_as_updates_are_said_with_what_to_write(text, run, remedy):
    [note] = length_notes(text, run, RULES)
    assert (note.code, note.remedy) == ("RS213", remedy)
    assert remedy in str(note)
    assert f"of {run.steps:,}" in str(note)
    assert str(note).endswith("[RS213]")


@pytest.mark.parametrize(("text", "run", "remedy"), WRONG)
def test_what_is_to_be_written_is_notation_that_raises_nothing_itself(text, run, remedy):
    with_epochs = Horizon(run.steps, run.steps_per_epoch or max(1, run.steps // 100))
    assert parse(remedy).build(with_epochs, RULES) is not None
    assert length_notes(remedy, with_epochs, RULES) == []


@pytest.mark.parametrize(("text", "run"), RIGHT)
def test_what_is_meant_as_it_is_written_raises_nothing(text, run):
    assert parse(text).build(run, RULES) is not None
    assert length_notes(text, run, RULES) == []


@pytest.mark.parametrize("text", KEEP_A_RATE.strip().splitlines())
def test_a_quick_decay_that_leaves_something_raises_nothing(text):
    assert parse(text).build(LANGUAGE) is not None
    assert length_notes(text, LANGUAGE) == []


def test_a_number_too_large_for_an_epoch_is_made_a_share_alone():
    [note] = length_notes("step(2000)", LANGUAGE)
    assert str(note).endswith('Plain numbers count updates; for shares of the run write step("30%"). [RS213]')


def test_where_nothing_would_be_right_no_line_is_given():
    [note] = length_notes("step(2, gamma=0.0001) * polynomial(60)", LANGUAGE)
    assert note.remedy == ""
    assert str(note).endswith("Give it a slower decay. [RS213]")


def test_the_samples_of_notation_raise_nothing():
    assert [text for text in SAMPLES if length_notes(text, HORIZON, {"rule": RULES["by_epoch"]})] == []


def test_the_sentence_has_the_numbers_of_the_run():
    assert str(length_notes("step(3)", SHORT)[0]) == (
        "step(3) drops every 3 of 230 updates. Plain numbers count updates; for epochs (10 of 23 updates) write "
        'step("3ep"). [RS213]'
    )


def test_where_the_epoch_is_not_known_it_says_how_to_give_it():
    [note] = length_notes("multistep([5, 8])", 1000)
    assert note.spelled({"steps_per_epoch": "--steps-per-epoch"}) == (
        "multistep([5, 8]) has its last change after 8 of 1,000 updates. Plain numbers count updates; for epochs write "
        'multistep(["5ep", "8ep"]), and give --steps-per-epoch; for shares multistep(["50%", "80%"]). [RS213]'
    )


def test_a_curve_that_is_all_but_gone_is_said_whatever_made_it():
    [note] = length_notes("polynomial(60)", 1000)
    assert str(note) == (
        "polynomial(60) is below 1 % of its peak from update 74 of 1,000 on. Give it a slower decay. [RS213]"
    )


@pytest.mark.parametrize("run", [40, 100, 1000, 100_000, 10_000_000])
def test_a_step_is_short_from_a_twentieth_of_the_run_downwards(run):
    assert length_notes(f"step({-(-run // 20)})", run) == []
    if run > 40:
        assert len(length_notes(f"step({-(-run // 20) - 1})", run)) == 1


def test_values_are_read_by_the_run_that_they_were_built_for():
    assert [note.remedy for note in length_notes(recipes.step(230, 3), None)] == ['step("3ep")']
    assert [note.remedy for note in length_notes(parse("step(3)").build(SHORT), None)] == ['step("3ep")']
    assert length_notes(recipes.cosine(230), None) == length_notes(Staircase(3), None) == []
    assert len(length_notes(Staircase(3) * Plateau(), 230)) == 1
    assert len(length_notes(recipes.cosine(20), 1000)) == 1


def test_a_built_value_keeps_the_epoch_of_its_run():
    assert length_notes(parse("sgdr(391)").build(CIFAR), None) == length_notes("sgdr(391)", CIFAR) == []
    for built in (parse("step(3)").build(SHORT), recipes.step(SHORT, 3)):
        assert [note.remedy for note in length_notes(built, None)] == ['step("3ep")']
        assert "(10 of 23 updates)" in str(length_notes(built, None)[0])


class Own(Schedule):
    """A schedule of the user's, which has no notation."""

    steps = None

    def at(self, t, xp):
        return t * 0 + 1.0


def test_what_has_no_notation_and_what_cannot_be_built_is_passed_over():
    assert length_notes(Own(), 1000) == []
    assert length_notes(Custom(RULES["halving"]), 20) == []
    assert length_notes('custom("of_another_file")', 1000) == []
    assert length_notes("wsd(decay=2000)", 1000) == []
    assert length_notes("step(3)", None) == []


def test_a_rule_that_raises_is_not_what_is_said_here():
    assert length_notes('custom("fails")', 1000, {"fails": lambda count: 1 / 0}) == []


WARMUPS = [
    ("warmup(2000) >> cosine()", 100, 99 / 2000, 'warmup("5%") >> cosine()'),
    ("warmup(100) >> linear()", 100, 0.99, 'warmup("5%") >> linear()'),
    ("warmup(2000) >> wsd()", 100, 99 / 2000, 'warmup("5%") >> wsd()'),
    ("0.5 * (warmup(200) >> cosine())", 100, 0.5 * 99 / 200, '0.5 * (warmup("5%") >> cosine())'),
    ("wsd(warmup=2000, decay=10000)", 100, 99 / 2000, 'wsd(warmup="5%", decay="20%")'),
    ("trapezoidal(warmup=200, decay=50)", 100, 99 / 200, 'trapezoidal(warmup="5%", decay=50)'),
    ("knee(warmup=200)", 100, 99 / 200, 'knee(warmup="5%")'),
    ('one_cycle(peak=200, shape="linear", start=0)', 100, 0.495, 'one_cycle(peak="30%", shape="linear", start=0)'),
    ("inverse_sqrt(4000)", 100, 99 / 4000, 'inverse_sqrt("5%")'),
    ("(warmup(200) >> cosine()) * plateau()", 100, 99 / 200, '(warmup("5%") >> cosine()) * plateau()'),
    ("Ramp(0, 1, 200) >> Ramp(1, 0, 800)", 100, 99 / 200, 'ramp(0, 1, "5%") >> Ramp(1, 0, 800)'),
    ("warmup(200)", 100, 99 / 200, 'warmup("5%")'),
    ("warmup(200) * warmup(300)", 100, 99 / 200 * 99 / 300, 'warmup("5%") * warmup("5%")'),
    (
        "warmup(10) * sgdr(26, height=0.5, warmup=3)",
        2,
        1 / 10 * 1 / 3,
        'warmup("5%") * sgdr(26, height=0.5, warmup="5%")',
    ),
    ('warmup("5%") >> warmup(2000) >> cosine()', 100, 94 / 2000, 'warmup("5%") >> warmup("5%") >> cosine()'),
    ("take(warmup(100) >> cosine(), 30)", 20, 0.19, 'take(warmup("5%") >> cosine(), 30)'),
    ("shift(warmup(100) >> cosine(), 20)", 110, 0.89, 'shift(warmup("5%") >> cosine(), 20)'),
]


@pytest.mark.parametrize(("text", "steps", "last", "remedy"), WARMUPS)
def test_a_run_no_longer_than_its_warmup_is_said_with_where_it_ends(text, steps, last, remedy):
    [note] = length_notes(text, steps)
    assert (note.code, note.remedy) == ("RS214", remedy)
    assert f"the run has {steps}: it ends at a factor of {last:.3g}. " in str(note)
    assert ends_in_warmup(text, steps)
    built = parse(text).build(steps)
    assert built.value(built.init(), steps - 1) == pytest.approx(last)
    assert length_notes(remedy, steps) == []


def test_where_a_shorter_warmup_is_not_enough_no_line_is_given():
    [note] = length_notes("warmup(2000) >> step(3)", 1000)
    assert note.remedy == ""
    assert str(note).endswith("Give the warm-up fewer updates, or train longer. [RS214]")


OVER_IN_TIME = [
    "warmup(100)",
    "ramp(0, 1)",
    "warmup(99) >> cosine()",
    'warmup("5%") >> cosine()',
    "take(warmup(200) >> cosine(), 30) >> constant()",
    "shift(warmup(120) >> cosine(), -50)",
    "warmup(99, into=cosine())",
]


@pytest.mark.parametrize("text", OVER_IN_TIME)
def test_a_warmup_that_the_run_has_room_for_is_not_said(text):
    assert not ends_in_warmup(text, 100)


def test_a_warmup_into_a_decay_must_leave_room_for_it():
    assert ends_in_warmup("warmup(100, into=cosine())", 100)


def test_a_warmup_in_epochs_is_read_as_steps():
    assert ends_in_warmup('warmup("5ep") >> cosine()', Horizon(100, steps_per_epoch=20))
    assert not ends_in_warmup('warmup("5ep") >> cosine()', Horizon(101, steps_per_epoch=20))


def test_schedule_lr_says_how_its_horizon_knows_the_epoch():
    [line] = length_warnings(["step(3)"], 230)
    assert line == (
        "ScheduleLR: step(3) drops every 3 of 230 updates. Plain numbers count updates; for epochs write "
        'step("3ep"), and give horizon=Horizon(230, steps_per_epoch=...); for shares step("30%"). [RS213]'
    )
