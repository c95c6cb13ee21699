"""A script of several processes, as torchrun starts them: the first reports, all hear the same, all stop together."""

import json
import subprocess
import sys
import textwrap

import pytest

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
                if trial.lr > 5:
                    measured = measured * float("nan")
                if rank == 0 or sys.argv[1] == "every":
                    trial.report(loss=measured, step=step)
    except ratesmith.TrialStopped as stopped:
        with open(f"{sys.argv[2]}/stopped", "a") as file:
            file.write(f"{rank} {trial.lr} {step} {stopped}\\n")
        raise
    torch.distributed.destroy_process_group()
"""
LAUNCH = f"{sys.executable} -m torch.distributed.run --nproc-per-node 2 --master-port 0"


@pytest.mark.parametrize("ranks", ["every", "first"])
def test_ranks_train_a_run_together_and_stop_together(tmp_path, ranks):
    (tmp_path / "train.py").write_text(textwrap.dedent(SCRIPT), encoding="utf-8")
    command = ["-m", "ratesmith", "compare", "train.py", "--launch", LAUNCH, "--workers", "1", "--rates", "0.3,10"]
    few = ["--strategy", "linear()", "--seeds", "1", "--choice-seeds", "1", "--out", "study", "--"]
    done = subprocess.run(
        [sys.executable, *command, *few, ranks, str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "study" / "results.json").read_text(encoding="utf-8"))
    assert [row["base_lr"] for row in results["rows"]] == [0.3, 0.3]
    stopped = [line.split(maxsplit=3) for line in (tmp_path / "stopped").read_text(encoding="utf-8").splitlines()]
    diverged = [line for line in stopped if line[1] == "10.0"]
    expected = {"0", "1"} if ranks == "every" else {"0"}
    assert {rank for rank, *_ in diverged} == expected
    assert {step for _, _, step, _ in diverged} == {"10"}
    assert all("loss nan" in reason for *_, reason in diverged)
