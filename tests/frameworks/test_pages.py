"""The programs of docs/trainers.md run with their real packages: by hand, as trials, and until they are stopped."""

import json
import math
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from ratesmith import Horizon, parse
from ratesmith.script_process import Script, ScriptProcess

PAGE = (Path(__file__).parents[2] / "docs" / "trainers.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL))
BLOCKS = {name: re.findall(r"^```py\n(.*?)^```$", text, re.MULTILINE | re.DOTALL) for name, text in SECTIONS.items()}
PROGRAMS = {name: blocks[0] for name, blocks in BLOCKS.items() if blocks}
FINDS = {name: blocks[1] for name, blocks in BLOCKS.items() if blocks[1:]}
ENVIRONMENT = {"KERAS_BACKEND": "torch", "CUDA_VISIBLE_DEVICES": "", "PYTHONWARNINGS": "ignore"}
STRATEGIES = ["warmup(4) >> cosine()", "constant() * plateau(patience=0, threshold=0.9)"]
"""The second is a controller that cuts at each measurement after the first, whatever the loss."""

RECORD = """
import atexit as _atexit, pathlib as _pathlib
_rates = []
_atexit.register(lambda: _pathlib.Path({file!r}).write_text(" ".join(map(str, _rates))))
"""
RECORDED_BY = {
    "torch": """
from torch.optim.optimizer import register_optimizer_step_pre_hook as _hook
_hook(lambda optimizer, *_: _rates.append(float(optimizer.param_groups[0]["lr"])))
""",
    "keras": """
import keras as _keras
_apply = _keras.optimizers.Optimizer.apply
def _recorded(self, *given, **named):
    _rates.append(float(self.learning_rate))
    return _apply(self, *given, **named)
_keras.optimizers.Optimizer.apply = _recorded
""",
    "jax": """
import jax as _jax, optax as _optax
_adamw = _optax.adamw
def _recorded(rate):
    def at(step):
        _jax.debug.callback(lambda value: _rates.append(float(value)), rate(step), ordered=True)
        return rate(step)
    return _adamw(at)
_optax.adamw = _recorded
""",
}
"""What writes down the rate of every update of a program, without changing a line of it."""


def needs(program):
    """Return what the program trains with; skip the test if it is not installed."""
    packages = re.findall(r"^(?:import|from) (\w+)", program, flags=re.MULTILINE)
    for package in packages:
        pytest.importorskip(package)
    return next(name for name in ("keras", "jax", "torch") if name in packages)


@dataclass
class Trained:
    """What a program that was started as a trial has done."""

    status: int
    reports: list
    rates: list


def trained(program, folder, asked, stop_at=None):
    """Return what a program does that is started as a trial."""
    kind, file = needs(program), folder / "train.py"
    file.write_text(RECORD.format(file=str(folder / "rates")) + RECORDED_BY[kind] + program)
    said, script = [], Script(str(file))
    with ScriptProcess(script, log=folder / "log", environment=ENVIRONMENT, folder=str(folder)) as process:
        for message in process.messages():
            said.append(message.content)
            if message.content["kind"] == "hello":
                message.answer({"do": "go", "trial": asked})
            elif message.content["kind"] == "report" and message.content["step"] == stop_at:
                message.answer({"do": "stop", "reason": "enough"})
            else:
                message.answer({"do": "go"})
        assert process.greeted, process.how_it_ended()
        reports = [content for content in said if content["kind"] == "report"]
        rates = [float(rate) for rate in (folder / "rates").read_text().split()]
        assert process.status == 0, process.how_it_ended()
        return Trained(process.status, reports, rates)


def expected_rates(asked, reports):
    """Return the rate of each update, by the schedule or by the controller that has heard these reports."""
    controller = parse(asked["schedule"]).build(Horizon(asked["steps"]))
    state, rates, heard = controller.init(), [], iter(reports)
    report = next(heard)
    for step in range(asked["steps"]):
        if report["step"] == step:
            state, report = controller.observe(state, step, report["metrics"]), next(heard)
        rates.append(asked["lr"] * controller.value(state, step))
    return rates


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_program_runs_by_hand(name, tmp_path):
    needs(PROGRAMS[name])
    command, environment = [sys.executable, "-c", PROGRAMS[name]], {**os.environ, **ENVIRONMENT}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("strategy", STRATEGIES, ids=["schedule", "controller"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_program_trains_as_a_trial_asks(name, strategy, tmp_path):
    if "JAX" in name and "plateau" in strategy:
        pytest.skip("an optax schedule listens to nothing")
    asked = {"lr": 0.002, "schedule": strategy, "steps": 24 if name == "skorch" else 22, "seed": 3}
    run = trained(PROGRAMS[name], tmp_path, asked)
    exact = needs(PROGRAMS[name]) == "torch"
    assert run.rates == pytest.approx(
        expected_rates(asked, run.reports), rel=0 if exact else 1e-6, abs=0 if exact else 1e-9
    )
    assert [report["step"] for report in run.reports].count(asked["steps"]) == 1
    assert run.reports[-1]["step"] == asked["steps"]
    assert all(math.isfinite(report["metrics"]["loss"]) for report in run.reports)
    losses = [loss for report in run.reports for loss in report["losses"]]
    assert len(losses) == asked["steps"]


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_program_ends_where_the_trial_is_stopped_and_its_seed_decides(name, tmp_path):
    runs = []
    for place, seed in enumerate((1, 1, 2)):
        folder = tmp_path / str(place)
        folder.mkdir()
        asked = {"lr": 0.002, "schedule": "linear()", "steps": 24, "seed": seed}
        first = {"Hugging Face Trainer": 12, "Keras 3": 4, "skorch": 4}.get(name, 4)
        runs.append(trained(PROGRAMS[name], folder, asked, stop_at=first))
        assert [report["step"] for report in runs[-1].reports] == [first]
        assert len(runs[-1].rates) == first
    first, again, other = (run.reports[0]["metrics"] for run in runs)
    assert first == again
    assert first != other


@pytest.mark.compared
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_program_is_compared_as_the_page_says(name, tmp_path):
    needs(PROGRAMS[name])
    (tmp_path / "train.py").write_text(PROGRAMS[name])
    [command] = re.findall(r"`(ratesmith compare train.py [^`]*)`", SECTIONS[name])
    given = shlex.split(command)[1:] + shlex.split("--rates 0.01 --seeds 2 --choice-seeds 1 --quiet --out runs/wave")
    environment = {**os.environ, **ENVIRONMENT}
    run = [sys.executable, "-m", "ratesmith", *given]
    ran = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    results = json.loads((tmp_path / "runs" / "wave" / "results.json").read_text(encoding="utf-8"))
    [steps] = map(int, re.findall(r"steps=(\d+), seed", PROGRAMS[name]))
    assert (results["missing_runs"], results["layout"]["steps"]) == (0, steps)
    assert sorted(row["strategy"] for row in results["rows"]) == ["constant()", "cosine()", 'wsd(decay="20%")']
    assert all((row["runs"], row["missing"], row["updates"]) == (2, 0, 2 * steps) for row in results["rows"])


@pytest.mark.compared
def test_runs_of_the_program_share_a_beginning_as_the_page_says(tmp_path):
    program = PROGRAMS["PyTorch"].replace("step % 4 == 0", "step % 8 == 0")
    program = program.replace("while (step", "trial.checkpoint(model, optimizer)\nwhile (step")
    assert "`trial.checkpoint(model, optimizer)` before the loop" in PAGE
    (tmp_path / "train.py").write_text(program)
    given = shlex.split(
        "compare train.py --strategy 'wsd(decay=\"20%\")' --rates 0.01 --seeds 2 --choice-seeds 1 --quiet"
    )
    run = [sys.executable, "-m", "ratesmith", *given, "--out", "runs/wave"]
    ran = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    results = json.loads((tmp_path / "runs" / "wave" / "results.json").read_text(encoding="utf-8"))
    assert results["costs"]["shared"] == 2 * 48  # of 64 steps, the ends of epochs before the decay


@pytest.mark.compared
@pytest.mark.parametrize("name", PROGRAMS)
def test_the_rate_of_the_program_is_found_as_the_page_says(name, tmp_path):
    needs(PROGRAMS[name])
    (tmp_path / "train.py").write_text(PROGRAMS[name])
    run, environment = [sys.executable, "-m", "ratesmith", "find", "train.py"], {**os.environ, **ENVIRONMENT}
    ran = subprocess.run(run, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert float(ran.stdout.splitlines()[-1].removeprefix("lr=")) > 0


@pytest.mark.parametrize("name", FINDS)
def test_a_rate_is_found_within_python(name, tmp_path):
    needs(PROGRAMS[name])
    made = re.sub(r"^(trainer\.(train|save_state)|lightning\.Trainer|model\.fit)\(.*\n", "", PROGRAMS[name], flags=re.M)
    assert made != PROGRAMS[name]
    command, environment = [sys.executable, "-c", made + FINDS[name]], {**os.environ, **ENVIRONMENT}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "Initial rate: " in ran.stdout


@pytest.mark.parametrize("name", PROGRAMS)
def test_few_lines_are_ours_and_the_commands_stand_beneath(name):
    ours = [
        line for line in PROGRAMS[name].splitlines() if re.search(r"ratesmith|trial\b|Trial|ScheduleLR|scheduler", line)
    ]
    assert 0 < len(ours) <= 14
    for command in ("ratesmith find train.py", "ratesmith compare train.py --strategy ", "ratesmith forecast runs/"):
        assert command in SECTIONS[name]


def test_the_page_has_a_program_for_every_framework():
    assert list(PROGRAMS) == [
        *("PyTorch", "Hugging Face Trainer", "Accelerate", "Lightning", "Ignite", "skorch", "Keras 3", "JAX with optax")
    ]
    assert list(FINDS) == ["Hugging Face Trainer", "Lightning", "Keras 3"]


def test_an_interval_in_the_wrong_place_is_warned_of_by_lightning_alone(tmp_path):
    pytest.importorskip("lightning")
    program = PROGRAMS["Lightning"].replace("callbacks=[TrialCallback(trial)], ", "max_steps=8, ")
    returned = "        return torch.optim.AdamW(self.parameters(), lr=trial.lr)\n"
    for scheduler, warned in (
        ('{"scheduler": scheduler, "interval": "step"}', False),
        ('scheduler, "interval": "step"', True),
    ):
        text = f"""        optimizer = torch.optim.AdamW(self.parameters(), lr=trial.lr)
        scheduler = ratesmith.torch.ScheduleLR(optimizer, "cosine()", horizon=8)
        return {{"optimizer": optimizer, "lr_scheduler": {scheduler}}}
"""
        changed = program.replace(returned, text).replace("import ratesmith\n", "import ratesmith.torch\n")
        assert changed.count("ScheduleLR") == 1
        ran = subprocess.run([sys.executable, "-c", changed], cwd=tmp_path, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr
        assert ("unsupported keys" in ran.stderr) == warned
