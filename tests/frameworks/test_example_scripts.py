"""The scripts of examples/scripts: each pair trains the same by hand, differs in few lines, and is compared."""

import difflib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ratesmith import Horizon, parse

SCRIPTS = Path(__file__).parents[2] / "examples" / "scripts"
STEPS = {"digits_loop": 352, "docs_nanogpt": 120, "docs_trainer": 90, "digits_lightning": 112}
EXACT = ["digits_loop", "docs_nanogpt"]
"""Those whose own schedule is the same arithmetic; the trainers compute the same function in another order."""
ENVIRONMENT = {"CUDA_VISIBLE_DEVICES": "", "PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}
PRINTED = re.compile(r"^step (\d+): loss ([^\s,]+)", re.MULTILINE)
MOST_CHANGED_LINES = 5


def text_of(name):
    return (SCRIPTS / f"{name}.py").read_text(encoding="utf-8")


def needs(name):
    """Skip the test if what the script imports is not installed."""
    for package in re.findall(r"^(?:import|from) (\w+)", text_of(name), flags=re.MULTILINE):
        pytest.importorskip(package)


def printed(name, folder, *arguments):
    """Return the losses that a script prints by hand, by the step; as it writes them."""
    command = [sys.executable, str(SCRIPTS / f"{name}.py"), *arguments]
    ran = subprocess.run(command, cwd=folder, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return dict(PRINTED.findall(ran.stdout))


def ratesmith(folder, *arguments):
    command = [sys.executable, "-m", "ratesmith", *arguments]
    ran = subprocess.run(command, cwd=folder, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def changed_lines(plain, compared):
    """Return how many lines were added, changed or removed; of a changed passage the longer side counts."""
    lines = [[line for line in text.splitlines() if line.strip()] for text in (plain, compared)]
    changes = difflib.SequenceMatcher(None, *lines, autojunk=False).get_opcodes()
    return sum(max(end - start, last - first) for kind, start, end, first, last in changes if kind != "equal")


def test_the_lines_that_differ_are_counted():
    assert changed_lines("a\nb\nc", "a\nb\nc") == 0
    assert changed_lines("a\nb\nc", "a\nx\n\ny\nc\nd") == 3
    assert changed_lines("a\nb\nc", "c") == 2


@pytest.mark.parametrize("name", STEPS)
def test_few_lines_make_a_script_one_that_is_compared(name):
    assert 0 < changed_lines(text_of(name), text_of(f"{name}_compared")) <= MOST_CHANGED_LINES
    assert "ratesmith" not in text_of(name)
    assert text_of(name).count("\n") < 80


@pytest.mark.parametrize("name", STEPS)
def test_both_scripts_of_a_pair_train_the_same_by_hand(name, tmp_path):
    needs(name)
    plain, compared = printed(name, tmp_path), printed(f"{name}_compared", tmp_path)
    assert list(plain)[-1] == str(STEPS[name])
    if name in EXACT:
        assert compared == plain
    else:
        assert list(compared) == list(plain)
        losses = [float(loss) for loss in plain.values()]
        assert [float(loss) for loss in compared.values()] == pytest.approx(losses, rel=1e-4)


def test_the_rule_of_the_nanogpt_script_is_a_warmup_and_a_cosine():
    [rule] = re.findall(r"^def get_lr.*?(?=\n\n)", text_of("docs_nanogpt"), flags=re.MULTILINE | re.DOTALL)
    names = {"warmup_iters": 12, "max_iters": STEPS["docs_nanogpt"]}
    exec("import math\n" + rule, names)
    schedule = parse(f"warmup(12, start={1 / 13!r}) >> cosine(final=0.1)").build(Horizon(names["max_iters"]))
    steps = range(names["max_iters"])
    assert [schedule(step) for step in steps] == pytest.approx([names["get_lr"](step) for step in steps], rel=1e-12)


@pytest.mark.compared
@pytest.mark.parametrize("name", STEPS)
def test_the_script_is_compared(name, tmp_path):
    needs(name)
    own = {"docs_nanogpt": 'custom("mine")'}.get(name, "cosine()")
    strategies = ["--strategy", own, "--strategy", 'wsd(decay="20%")']
    small = ["--rates", "0.01", "--seeds", "2", "--choice-seeds", "1", "--quiet", "--out", "study"]
    script = str(SCRIPTS / f"{name}_compared.py")
    assert ", with lr=" in ratesmith(tmp_path, "compare", script, *strategies, *small)
    results = json.loads((tmp_path / "study" / "results.json").read_text(encoding="utf-8"))
    assert (results["missing_runs"], results["layout"]["steps"]) == (0, STEPS[name])
    assert sorted(row["strategy"] for row in results["rows"]) == sorted(["constant()", own, 'wsd(decay="20%")'])
    assert all((row["runs"], row["missing"]) == (2, 0) for row in results["rows"])


@pytest.mark.compared
@pytest.mark.parametrize("name", [name for name in STEPS if name != "digits_loop"])
def test_a_rate_of_the_script_is_found(name, tmp_path):
    needs(name)
    shown = ratesmith(tmp_path, "find", str(SCRIPTS / f"{name}_compared.py"))
    assert float(shown.splitlines()[-1].removeprefix("lr=")) > 0


def test_a_sixth_line_lets_find_sweep_the_tutorial(tmp_path):
    needs("digits_loop")
    text = text_of("digits_loop_compared").replace(
        "        optimizer.step()\n", "        optimizer.step()\n        trial.report_train(loss)\n"
    )
    (tmp_path / "train.py").write_text(text, encoding="utf-8")
    assert changed_lines(text_of("digits_loop"), text) == MOST_CHANGED_LINES + 1
    assert float(ratesmith(tmp_path, "find", "train.py").splitlines()[-1].removeprefix("lr=")) > 0


# With Optuna


def test_optunas_trials_are_the_training_by_hand_and_its_best_is_trained_again(tmp_path):
    needs("with_optuna")
    import optuna

    command = [sys.executable, str(SCRIPTS / "with_optuna.py")]
    searched = subprocess.run([*command, "search"], cwd=tmp_path, capture_output=True, text=True)
    assert searched.returncode == 0, searched.stderr
    study = optuna.load_study(storage=f"sqlite:///{tmp_path / 'optuna.db'}", study_name="digits")
    assert len(study.trials) == 12
    trained = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert trained.stdout == f"loss {study.best_value!r} with {study.best_params}\n", trained.stderr


@pytest.mark.compared
def test_strategies_are_compared_with_what_optuna_has_found(tmp_path):
    needs("with_optuna")
    shutil.copy(SCRIPTS / "with_optuna.py", tmp_path / "train.py")
    searched = subprocess.run([sys.executable, "train.py", "search"], cwd=tmp_path, capture_output=True, text=True)
    best = searched.stdout.removeprefix("best: ").strip()
    page = (SCRIPTS.parents[1] / "docs" / "optuna.md").read_text(encoding="utf-8")
    [command] = re.findall(r"^ratesmith (compare .*)$", page, flags=re.MULTILINE)
    small = ["--rates", "0.1", "--seeds", "2", "--choice-seeds", "1", "--quiet"]
    ratesmith(tmp_path, *shlex.split(command), *small)
    study = tmp_path / "runs" / "after-optuna"
    results = json.loads((study / "results.json").read_text(encoding="utf-8"))
    assert (results["missing_runs"], len(results["rows"])) == (0, 3)
    logs = [log.read_text(encoding="utf-8") for log in (study / "logs").glob("*.log")]
    assert logs
    assert all(best in log for log in logs)


def test_the_page_shows_the_script_as_it_is():
    page = (SCRIPTS.parents[1] / "docs" / "optuna.md").read_text(encoding="utf-8")
    shown = re.search(r"def objective.*?\n    \)\n", page, flags=re.DOTALL)[0]
    lines = [line for line in text_of("with_optuna").splitlines() if '"""' not in line]
    assert shown in "\n".join(lines) + "\n"
    [trial] = re.findall(r"trial = ratesmith.get_trial\(.*\)", page)
    assert trial in text_of("with_optuna")
