"""The examples: each is a training of its own, and the task does what its loop would do."""

import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip("sklearn")

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

import digits
import small_gpt

from ratesmith.cli import run
from ratesmith.testing import check_task


def plain_gpt(steps):
    """Train the small GPT as its script would: nothing of Ratesmith's is in it."""
    torch.manual_seed(1337)
    model = small_gpt.GPT()
    optimizer = small_gpt.configure(model)
    return [small_gpt.plain_update(model, optimizer) for _ in range(steps)]


def test_the_small_gpt_trains_as_its_loop_bit_for_bit():
    training = small_gpt.task().start(1337)
    assert [training.step(1e-3) for _ in range(12)] == plain_gpt(12)


@pytest.mark.parametrize("task", [digits.task, small_gpt.task])
def test_every_task_keeps_the_laws(task):
    check_task(task())


def test_the_small_gpt_is_found_and_compared(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    file = f"{small_gpt.__file__}:task"
    assert run(["find", file, "--seeds", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("lr=")
    arguments = ["--steps", "20", "--rates", "0.001,0.003", "--seeds", "2", "--choice-seeds", "1", "--workers", "1"]
    assert run(["compare", file, "--strategy", "cosine()", *arguments, "--out", "study"]) == 0
    assert ", with lr=" in capsys.readouterr().out
