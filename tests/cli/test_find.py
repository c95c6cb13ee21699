"""What `ratesmith find` says before, while and after it trains: its cost, its doubts, and the rate of a group."""

import json
import re
from pathlib import Path

import pytest

from ratesmith.cli import run

TASK = f"{Path(__file__).parents[1] / 'numpy_task.py'}"
GROUPED = """
import torch
from ratesmith.torch import TorchTask

def optimizer(model):
    body, head = {"params": model[0].parameters(), NAMES[0]}, {"params": model[1].parameters(), "lr": 0.01, NAMES[1]}
    return torch.optim.SGD([body, head], lr=0.1)

def task():
    inputs = torch.randn(160, 6, generator=torch.Generator().manual_seed(0))
    data = inputs, (inputs.sum(1) > 0).long()
    model = lambda: torch.nn.Sequential(torch.nn.Linear(6, 6), torch.nn.Linear(6, 2))
    loss = torch.nn.functional.cross_entropy
    return TorchTask(model=model, optimizer=optimizer, loss=loss, train=data, validation=data, batch_size=16)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(capsys, *arguments):
    """Return what a search printed on stdout and on stderr."""
    assert run(["find", *arguments]) == 0
    return capsys.readouterr()


@pytest.mark.parametrize(
    ("options", "cost"),
    [
        ([], "about 400 updates: a sweep, and 3 trainings of 96"),
        (["--budget", "300"], "about 298 updates: a sweep, and 3 trainings of 62"),
        (["--steps", "2ep"], "about 292 updates: a sweep, and 3 trainings of 60"),
        (["--seeds", "2"], "about 688 updates: a sweep, and 3 trainings of 96"),
        (["--method", "sweep"], "a sweep of 3 orders, each of about 112 updates"),
        (["--rule", "steepest", "--seeds", "1"], "a sweep of 1 order of about 112 updates"),
        (["--method", "grid", "--steps", "20", "--rates", "0.1,1"], "2 trainings of 20 updates, 40 in all"),
    ],
)
def test_the_cost_is_told_in_one_line_on_stderr(options, cost, capsys):
    assert found(capsys, f"{TASK}:task", *options).err == f"find: {cost}\n"


def test_what_a_task_prints_by_itself_does_not_spoil_the_json(capsys, folder):
    text = GROUPED.replace("NAMES[0]", "'name': 'body'").replace("NAMES[1]", "'name': 'head'")
    (folder / "talks.py").write_text(
        "print('read')\n" + text.replace("    inputs =", "    print('made')\n    inputs =")
    )
    printed = found(capsys, "talks.py:task", "--json")
    assert json.loads(printed.out)["suggestion"] > 0
    assert "read" in printed.err
    assert "made" in printed.err


@pytest.mark.parametrize("budget", [208, 1000])
def test_a_budget_is_kept_to_by_a_noisy_sweep_too(budget, capsys, folder):
    found(capsys, f"{TASK}:task", "--budget", str(budget), "--out", str(folder))
    kept = json.loads((folder / "found.json").read_text())
    assert (kept["method"], kept["updates"] <= budget) == ("race", True)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("always_failing", f"{TASK}:always_failing, line "),
        ("flat", "find: .*The loss did not fall at any rate, so no rate is suggested: see that the model can "),
        ("not_finite", "sweep: the first loss must be finite, got nan; see that the model and its data"),
    ],
)
def test_what_trainings_alone_show_is_told_in_one_line_below_the_cost(name, message, capsys):
    assert run(["find", f"{TASK}:{name}"]) == 2
    out, err = capsys.readouterr()
    *cost, mistake = err.splitlines()
    assert (out, cost) == ("", ["find: about 400 updates: a sweep, and 3 trainings of 96"])
    assert re.match(f"ratesmith: {message}", mistake)


def grouped(folder, *names):
    """Return a task whose two groups have these names, written down in a file."""
    text = GROUPED
    for place in range(2):
        text = text.replace(f"NAMES[{place}]", f'"name": {names[place]!r}' if names else "")
    (folder / "grouped.py").write_text(text)
    return "grouped.py:task"


@pytest.mark.parametrize(("names", "asked"), [(("body", "head"), "head"), ((), "group 1")])
def test_the_rate_of_a_group_is_printed_by_its_name(names, asked, capsys, folder):
    out = found(capsys, grouped(folder, *names), "--group", asked, "--out", str(folder)).out
    kept = json.loads((folder / "found.json").read_text())
    rate = kept["suggestion"] / 10
    assert out.splitlines()[-1] == f"lr={rate:.2g}  # {asked}"
    first = names[0] if names else "group 0"
    assert f"By group: {first} {kept['suggestion']:.2g}, {asked} {rate:.2g}." in out
    page = (folder / "found.html").read_text(encoding="utf-8")
    assert f"<pre>lr={kept['suggestion']:.2g}  # {first}\nlr={rate:.2g}  # {asked}</pre>" in page


def test_a_group_that_there_is_not_is_one_line_that_names_those_that_there_are(capsys, folder):
    assert run(["find", grouped(folder, "body", "head"), "--group", "tail"]) == 2
    said = "ratesmith: find: --group must be the name of a parameter group, got 'tail'; known: body, head"
    assert capsys.readouterr().err.splitlines()[-1] == said
    assert run(["find", f"{TASK}:task", "--group", "tail"]) == 2
    said = "ratesmith: find: --group must be the name of a parameter group, got 'tail'; the optimizer has one"
    assert capsys.readouterr().err.splitlines()[-1] == said


@pytest.fixture
def script(folder):
    """A script whose epoch is longer than a short training; it measures after every epoch, or after its last step."""

    def write(measured):
        (folder / "train.py").write_text(
            "import random, ratesmith\n"
            "trial = ratesmith.get_trial(lr=0.1, steps=400, steps_per_epoch=200)\n"
            "order, weight = random.Random(trial.seed), 2.0\n"
            "for step in range(10 * trial.steps):\n"
            "    loss = weight**2 + 0.01\n"
            "    weight -= trial.lr * trial.factor(step) * 2 * (weight + order.gauss(0, 0.1))\n"
            "    trial.report_train(loss)\n"
            f"    if {measured}:\n"
            "        trial.report(loss=weight**2, step=step + 1)\n"
        )
        return "train.py"

    return write


def test_a_script_whose_epoch_is_longer_than_short_trainings_is_judged_by_its_training_losses(script, capsys, folder):
    out = found(capsys, script("(step + 1) % 200 == 0"), "--out", str(folder)).out
    kept = json.loads((folder / "found.json").read_text())
    assert kept["judged_by"] == "training"
    trainings = len(kept["curves"][-1]["rates"])
    assert kept["updates"] <= 2 * 112 + 97 + trainings * 96, "each training ends where it should have been measured"
    assert (
        "Nothing was measured on validation data: rates were judged by their training losses, which errs more.\n" in out
    )
    assert out.startswith("training loss after 96 steps\n")


def test_a_script_that_measures_at_its_last_step_is_judged_by_that(script, capsys, folder):
    out = found(capsys, script("step + 1 == trial.steps"), "--out", str(folder)).out
    kept = json.loads((folder / "found.json").read_text())
    assert kept["judged_by"] == "validation"
    assert "training losses" not in out
    assert out.startswith("validation loss after 96 steps\n")


def test_a_script_that_is_asked_for_a_race_must_measure_at_its_last_step(script, capsys):
    assert "400 steps" in found(capsys, script("(step + 1) % 200 == 0"), "--method", "race").out  # two whole epochs
    assert run(["find", script("(step + 1) % 140 == 0"), "--method", "race"]) == 2
    mistake = capsys.readouterr().err.splitlines()[-1]
    assert mistake.startswith("ratesmith: train.py: the last report must come at step 400, got step 280; train for ")
