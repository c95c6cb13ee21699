"""The task of docs/jax.md keeps the laws, is found and compared, and trains as a plain loop of optax does."""

import shlex
import sys
from pathlib import Path

import pytest

import ratesmith
from ratesmith.cli import run
from ratesmith.task import load_task
from ratesmith.testing import check_task

pytest.importorskip("jax")
optax = pytest.importorskip("optax")

PAGE = (Path(__file__).parents[2] / "docs" / "jax.md").read_text(encoding="utf-8")
PROGRAM = PAGE.partition("```py\n")[2].partition("```")[0]
COMMANDS = PAGE.partition("```sh\n")[2].partition("```")[0].splitlines()


@pytest.fixture
def module(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("jax_task.py").write_text(PROGRAM)
    return load_task("jax_task.py:task")[1]


def test_the_task_keeps_the_laws_and_is_about_40_lines(module):
    check_task(module.task, steps=30)  # over the end of an epoch, too
    classes = PROGRAM[PROGRAM.index("class Training") :]
    assert len([line for line in classes.splitlines() if line.strip()]) <= 40


def test_it_trains_as_a_plain_loop_of_optax(module):
    import numpy as np

    training = module.task.start(3)
    losses = [training.step(0.01) for _ in range(15)]
    weights = module.task.start(3).state[0]
    optimizer = optax.adamw(0.01)
    state = optimizer.init(weights)
    orders = [np.random.default_rng((3, epoch)).permutation(384).reshape(12, 32) for epoch in range(2)]
    for batch, expected in zip(np.concatenate(orders), losses, strict=False):
        inputs, targets = module.INPUTS[batch], module.TARGETS[batch]
        value, gradients = module.jax.value_and_grad(module.loss)(weights, inputs, targets)
        assert float(value) == pytest.approx(expected, rel=1e-4)
        changes, state = optimizer.update(gradients, state, weights)
        weights = optax.apply_updates(weights, changes)


def test_its_rate_is_found(module, capsys):
    assert 1e-3 < ratesmith.find(module.task).suggestion < 1
    assert run(shlex.split(COMMANDS[0])[1:]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("lr=")


def test_strategies_are_compared_with_it(module, capsys):
    assert run([*shlex.split(COMMANDS[1])[1:], "--steps", "2ep", "--seeds", "2", "--rates", "0.01"]) == 0
    assert 'warmup("5%") >> cosine()' in capsys.readouterr().out
