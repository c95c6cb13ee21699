"""A comparison says of which strategies the lengths do not mean what people think: before it trains, and after."""

import json
from pathlib import Path

import pytest
from comparing import TASK, small
from numpy_task import LogisticTask

from ratesmith.cli import run
from ratesmith.experiment import compare
from ratesmith.report import write_html

SCRIPT = str(Path(__file__).with_name("reporting_script.py"))
TOO_SHORT = (
    "step(3) drops every 3 of 120 updates. Plain numbers count updates; for epochs (4 of 30 updates) write "
    'step("3ep"). [RS213]'
)


def test_epochs_that_were_written_as_updates_are_said_in_notes_table_json_and_page(tmp_path, capsys):
    found = small(LogisticTask(), tmp_path, ["step(3)", "cosine()"], steps=120)
    assert f"compare: {TOO_SHORT}" in capsys.readouterr().err.splitlines()
    assert TOO_SHORT in found.note_lines()
    assert {row["strategy"]: "RS213" in row["codes"] for row in found.table()} == {
        "constant()": False,
        "cosine()": False,
        "step(3)": True,
    }
    data = json.loads(json.dumps(found.to_dict()))
    [note] = [note for note in data["notes"] if note["code"] == "RS213"]
    assert note == {"code": "RS213", "strategy": "step(3)", "text": TOO_SHORT.removesuffix(" [RS213]")}
    page = write_html(found, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "step(3) drops every 3 of 120 updates." in page
    assert "[RS213]" in page


def test_the_command_says_it_with_the_plan_and_at_the_end(tmp_path, capsys):
    options = ["--steps", "120", "--seeds", "2", "--rates", "0.1", "--workers", "0", "--out", str(tmp_path)]
    assert run(["compare", TASK, "--strategy", "step(3)", *options]) == 0
    out, err = capsys.readouterr()
    assert TOO_SHORT in err.splitlines()
    assert TOO_SHORT in out.splitlines()


@pytest.mark.parametrize("strategy", ['step("3ep")', "step(40)", 'warmup("5%") >> cosine()'])
def test_lengths_that_mean_what_they_say_raise_nothing(strategy, tmp_path, capsys):
    found = small(LogisticTask(), tmp_path, [strategy], steps=120)
    assert not any("RS21" in line for line in found.note_lines())
    assert "RS21" not in capsys.readouterr().err


def test_a_variant_that_was_not_chosen_is_said_before_the_training_alone(tmp_path, capsys):
    found = small(LogisticTask(), tmp_path, ["step(every=[2, 90])"], steps=120)
    assert found.rows[0].chosen == "step(every=90)" or found.rows[1].chosen == "step(every=90)"
    assert "step(every=2) drops every 2 of 120 updates." in capsys.readouterr().err
    assert not any("RS213" in line for line in found.note_lines())


def test_a_run_inside_its_warmup_is_trained_and_said(tmp_path, capsys):
    found = small(LogisticTask(), tmp_path, ["warmup(2000) >> cosine()"], steps=60)
    [line] = [line for line in found.note_lines() if "RS214" in line]
    assert line == (
        "warmup(2000) >> cosine() warms up for 2,000 updates, and the run has 60: it ends at a factor of 0.0295. "
        'A share follows the run: warmup("5%") >> cosine(). [RS214]'
    )
    clipped = [run for run in found.runs if "warmup" in run.trial.strategy]
    assert clipped
    for each in clipped:
        assert each.rates[-1] == (59, pytest.approx(each.trial.base_lr * 59 / 2000))


def test_a_script_that_does_not_tell_its_epoch_is_told_how(tmp_path):
    script = tmp_path / "train.py"
    text = Path(SCRIPT).read_text(encoding="utf-8").replace(", steps_per_epoch=10", "")
    script.write_text(text, encoding="utf-8")
    options = {"steps": 80, "rates": [0.1], "seeds": 1, "choice_seeds": 1}
    found = compare(str(script), ["step(3)"], folder=tmp_path / "study", **options)
    [line] = [line for line in found.note_lines() if "RS213" in line]
    assert line.endswith(
        'for epochs write step("3ep"), and give get_trial its steps_per_epoch=; for shares step("30%"). [RS213]'
    )
