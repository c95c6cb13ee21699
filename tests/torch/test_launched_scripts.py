"""A script of several processes, as torchrun starts them: the first reports, all hear the same, all stop together."""

import json
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from ratesmith.script_process import Script, ScriptProcess

SCRIPT = """
    import os
    import sys

    import torch
    from sklearn.datasets import load_digits
    from torch import nn
    from torch.nn.parallel import DistributedDataParallel

    import ratesmith
    from ratesmith.torch import ScheduleLR

    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    trial = ratesmith.get_trial(lr=0.1, schedule="cosine()", steps=40, seed=0)
    torch.manual_seed(trial.seed)
    x, y = (torch.tensor(array) for array in load_digits(return_X_y=True))
    x = x.float() / 16
    model = DistributedDataParallel(nn.Linear(64, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=trial.lr)
    ScheduleLR.from_trial(optimizer, trial)
    try:
        for step in range(1, trial.steps + 1):
            picked = torch.randint(1200, (32,))[rank::2]
            loss = nn.functional.cross_entropy(model(x[picked]), y[picked])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            trial.report_train(loss)
            if step % 10 == 0:
                with torch.no_grad():
                    measured = nn.functional.cross_entropy(model.module(x[1200:]), y[1200:])
                if rank == 0 or sys.argv[1] == "every":
                    trial.report(loss=measured, step=step)
    except ratesmith.TrialStopped as stopped:
        with open(f"{sys.argv[2]}/stopped", "a") as file:
            file.write(f"{rank} {trial.lr} {step} {stopped}\\n")
        raise
    torch.distributed.destroy_process_group()
"""
LAUNCH = f"{sys.executable} -m torch.distributed.run --standalone --nproc-per-node 2"


@pytest.fixture
def script(tmp_path):
    file = tmp_path / "train.py"
    file.write_text(textwrap.dedent(SCRIPT), encoding="utf-8")
    return file


def test_ranks_train_a_comparisons_runs_together(tmp_path, script):
    command = ["-m", "ratesmith", "compare", str(script), "--launch", LAUNCH, "--workers", "1", "--rates", "0.3"]
    few = ["--strategy", "linear()", "--seeds", "1", "--choice-seeds", "1", "--out", "study", "--"]
    done = subprocess.run(
        [sys.executable, *command, *few, "every", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "study" / "results.json").read_text(encoding="utf-8"))
    assert [row["seeds"] for row in results["rows"]] == [1, 1]


@pytest.mark.parametrize("ranks", ["every", "first"])
def test_ranks_stop_together_where_the_first_is_stopped(tmp_path, script, ranks):
    asked = {"lr": 0.3, "schedule": "linear()", "steps": 40, "seed": 3}
    launched = Script(str(script), (ranks, str(tmp_path)), LAUNCH)
    with ScriptProcess(launched, log=tmp_path / "log") as process:
        for message in process.messages():
            if message.content["kind"] == "hello":
                message.answer({"do": "go", "trial": asked})
            elif message.content.get("step") == 20:
                message.answer({"do": "stop", "reason": "the loss diverged"})
            else:
                message.answer({"do": "go"})
    lines = (tmp_path / "stopped").read_text(encoding="utf-8").splitlines()
    expected = ["0", "1"] if ranks == "every" else ["0"]
    assert sorted(lines) == [f"{rank} 0.3 20 the loss diverged" for rank in expected]


def test_ranks_that_have_not_reported_yet_are_ended_with_their_launcher(tmp_path, script):
    text = script.read_text(encoding="utf-8")
    early = f'import os, time; open("{tmp_path}/" + os.environ["RANK"], "w").write(str(os.getpid())); time.sleep(600)\n'
    script.write_text(early + text, encoding="utf-8")
    with ScriptProcess(Script(str(script), ("every", str(tmp_path)), LAUNCH), log=tmp_path / "log"):
        while not all((tmp_path / rank).is_file() and (tmp_path / rank).read_text() for rank in "01"):
            time.sleep(0.1)
    for rank in "01":
        assert not alive(int((tmp_path / rank).read_text(encoding="utf-8")))


def alive(pid):
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
