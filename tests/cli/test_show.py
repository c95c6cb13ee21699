"""ratesmith show: the picture, then three lines of facts for each schedule, and no line too wide."""

import io
import json

import pytest

from ratesmith.cli import run
from ratesmith.strategy.registry import CONTROLLERS, RECIPES, sentence, sentences

LONG = '(warmup("10%", start=0.001, shape="cosine") >> constant("20%") >> polynomial(2, final=0.01)) * plateau()'


def shown(capsys, *arguments):
    assert run(["show", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def facts_of(capsys, notation, *options):
    rows = shown(capsys, notation, *(options or ("--steps", "1000")))
    return [row.strip() for row in rows[rows.index(notation) + 1 :]]


def test_there_are_three_lines_of_facts_and_no_table(capsys):
    assert facts_of(capsys, 'warmup("10%") >> cosine(final=0.1)') == [
        "Peak 1 at step 100 (10 %), falling from there.",
        "Last update 0.1, end 0.1.",
        "Mean 0.545; changes shape at step 100.",
    ]


@pytest.mark.parametrize(
    ("notation", "peak"),
    [
        ("linear()", "Peak 1 at the start, falling from there."),
        ("step(every=300)", "Peak 1 from the start to step 300 (30 %)."),
        ("wsd(warmup=100, decay=200)", "Peak 1 from step 100 (10 %) to step 800 (80 %)."),
        ("warmup(100) >> constant()", "Peak 1 from step 100 (10 %) to the end."),
        ("cyclic(100)", "Peak 1 at step 100 (10 %), and again up to step 900 (90 %)."),
        ("constant()", "It stays at 1."),
    ],
)
def test_the_peak_is_said_with_its_time(notation, peak, capsys):
    assert facts_of(capsys, notation)[0] == peak


def test_steps_are_given_in_epochs_too_where_these_are_known(capsys):
    facts = facts_of(capsys, "step(every=50)", "--epochs", "4", "--steps-per-epoch", "25")
    assert facts[0] == "Peak 1 from the start to step 50 (epoch 2, 50 %)."


def test_many_changes_are_counted_and_not_listed(capsys):
    assert facts_of(capsys, "step(every=100)")[2].endswith("at steps 100, 200, 300, 400, 500 and 4 more.")


def test_each_schedule_has_a_letter_in_the_picture_and_before_its_name(capsys):
    rows = shown(capsys, "cosine()", "linear()", "--steps", "100")
    assert "a  cosine()" in rows
    assert "b  linear()" in rows
    picture = "\n".join(row for row in rows if "|" in row)
    assert picture.count("a") > 2
    assert picture.count("b") > 2


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("table", [[], ["--table"]])
def test_no_line_is_wider_than_the_terminal(width, table, capsys, monkeypatch):
    monkeypatch.setattr("ratesmith.cli.common.WIDE", width)
    rows = shown(capsys, LONG, 'sgdr("25%")', "--steps", "100000", *table)
    assert max(map(len, rows)) <= width


@pytest.mark.parametrize("name", [*RECIPES, *CONTROLLERS])
def test_every_strategy_has_a_sentence_short_enough_to_read(name):
    assert sentence(name).endswith(".")
    assert len(sentence(name).split()) <= 25


@pytest.mark.parametrize("command", [[], ["show"]])
def test_the_help_gives_each_strategy_its_options_and_its_sentence(command, capsys):
    assert run([*command, "--help"]) == 0
    out = capsys.readouterr().out
    said = " ".join(out.split())
    for signature, text in sentences():
        assert f"{signature} {text}" in said
    examples = [row for row in out.splitlines() if "ratesmith show" in row]
    assert all(len(row) <= 80 for row in out.splitlines() if row not in examples)


def test_a_paste_without_dots_still_has_letters_and_facts(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(stream := io.BytesIO(), encoding="ascii"))
    assert run(["show", "cosine()", "linear()", "--steps", "100"]) == 0
    assert stream.getvalue().decode("ascii").count("a") > 2


EPOCHS = ("--epochs", "10", "--steps-per-epoch", "23")
TOO_SHORT = (
    "step(3) drops every 3 of 230 updates. Plain numbers count updates; for epochs (10 of 23 updates) write "
    'step("3ep"). [RS213]'
)


def test_epochs_that_were_written_as_updates_are_said_below_the_facts(capsys):
    text = " ".join(facts_of(capsys, "step(3)", *EPOCHS))
    assert text.endswith(TOO_SHORT)
    assert "RS213" not in " ".join(facts_of(capsys, 'step("3ep")', *EPOCHS))
    assert "RS213" in " ".join(shown(capsys, "step(3)", *EPOCHS, "--table"))


def test_without_the_epoch_it_is_said_how_to_give_it(capsys):
    text = " ".join(facts_of(capsys, "step(3)", "--steps", "230"))
    assert 'write step("3ep"), and give --steps-per-epoch; for shares step("30%"). [RS213]' in text


def test_a_run_inside_its_warmup_is_drawn_and_said(capsys):
    facts = facts_of(capsys, "warmup(2000) >> cosine()", "--steps", "100")
    assert facts[1] == "Last update 0.0495, end 0.05."
    text = " ".join(facts)
    assert text.endswith(
        "warmup(2000) >> cosine() warms up for 2,000 updates, and the run has 100: it ends at a factor of 0.0495. "
        'A share follows the run: warmup("5%") >> cosine(). [RS214]'
    )


def test_programs_find_it_in_the_json_and_elsewhere_on_stderr(capsys):
    data = json.loads("\n".join(shown(capsys, "step(3)", "cosine()", *EPOCHS, "--json")))
    assert [each["notes"] for each in data["schedules"]] == [[TOO_SHORT], []]
    for form in (["--csv"], ["--code", "python"]):
        assert run(["show", "step(3)", *EPOCHS, *form]) == 0
        out, err = capsys.readouterr()
        assert "RS213" not in out
        assert err == f"show: {TOO_SHORT}\n"
