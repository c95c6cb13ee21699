"""Training a branch: what trials share is made once, bit for bit as if each had been trained alone."""

import itertools
import math
import random
import sys

import numpy as np
import pytest
import torch
from numpy_task import Counting, LogisticTask
from torch import nn

from ratesmith.experiment import Run, RunLayout, Trial, compare, worker
from ratesmith.experiment.branch_trainer import BranchTrainer
from ratesmith.experiment.open_run import measure
from ratesmith.experiment.run_context import RunContext
from ratesmith.experiment.sharing import Branch, Checkpoint, Fork, Rates, arrange
from ratesmith.horizon import Horizon
from ratesmith.strategy import parse
from ratesmith.torch import TorchTask

NAMED = [
    "constant()",
    'step(every="30%")',
    *(f'multistep(milestones=["{place}%"])' for place in (40, 60, 80)),
    *(f'wsd(decay="{share}%")' for share in (10, 20, 40)),
    *(f'constant("{start}%") >> linear()' for start in (50, 70, 90)),
    "plateau(factor=0.3, patience=1)",
]
"""The set that the goal is stated for: at most 0.55 of the steps of training each alone."""


def noisy_task():
    """Dropout, batch normalisation, momentum and Adam's moments: all that a state has to hold."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(160, 6, generator=generator)
    targets = (inputs[:, 0] * inputs[:, 1] > 0).long()
    return TorchTask(
        model=lambda: nn.Sequential(nn.Linear(6, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.3), nn.Linear(12, 2)),
        optimizer=lambda model: torch.optim.AdamW(model.parameters(), lr=0.01),
        loss=nn.functional.cross_entropy,
        train=(inputs[:120], targets[:120]),
        validation=(inputs[120:], targets[120:]),
        batch_size=16,
    )


def outcome(run):
    """Return all that training decides."""
    return run.status, run.updates, run.metrics, run.curve, run.rates, run.events, run.message


def alone(task, trial, layout):
    """Train one trial in the plainest loop, with none of the shared code."""
    training = task.start(trial.seed)
    controller = parse(trial.strategy).build(Horizon(layout.steps, training.steps_per_epoch))
    at = [
        step * layout.steps // trial.steps for step in range(trial.steps + 1)
    ]  # a shorter run is the whole one, stretched
    state, curve, losses = controller.init(), [(0, None, measure(training))], []
    for step in range(trial.steps):
        losses.append(training.step(trial.base_lr * controller.value(state, at[step])))
        if (step + 1) % layout.every(trial.steps) == 0 or step + 1 == trial.steps:
            metrics = measure(training)
            curve.append((step + 1, math.fsum(losses) / len(losses), metrics))
            losses = []
            state = controller.observe(state, at[step + 1], metrics)
    return tuple(curve)


@pytest.mark.parametrize(("task", "rate"), [(LogisticTask(), 3.0), (noisy_task(), 0.05)], ids=["numpy", "torch"])
def test_shared_training_is_that_of_each_alone_bit_for_bit(task, rate, tmp_path):
    found = compare(task, NAMED, folder=tmp_path, steps=60, rates=[rate], seeds=2, evaluate_every=5)
    assert len(found.runs) == 2 * len(NAMED)
    for run in found.runs:
        assert tuple(map(tuple, run.curve)) == alone(task, run.trial, found.layout), run.trial
    assert any(run.shared for run in found.runs)
    plateau = next(run for run in found.runs if run.trial.strategy == NAMED[-1])
    assert 0 < plateau.shared < 60
    assert plateau.shared == plateau.events[0][0]  # until its first cut it is the constant rate


def test_the_named_set_takes_at_most_55_percent_of_the_steps(tmp_path):
    found = compare(LogisticTask(), NAMED, folder=tmp_path, steps=300, rates=[1.0], seeds=2, evaluate_every=10)
    costs = found.costs
    assert costs.planned == 300 * len(found.runs) == 300 * 2 * len(NAMED)
    assert costs.run + costs.shared == costs.planned
    assert costs.run <= 0.55 * costs.planned


def test_the_steps_that_are_counted_are_those_that_were_made(tmp_path):
    task = Counting()
    strategies = [*NAMED, 'wsd(decay=["15%", "30%"])', "cosine()"]
    found = compare(task, strategies, folder=tmp_path, steps=60, rates=[0.1, 0.3], seeds=2, rungs=[0.5])
    looked = 2 + 31 + 31 + 5  # one update in two trainings, an epoch and one more in two, five that are timed
    assert found.costs.run == task.made - looked


def test_a_task_whose_state_does_not_go_on_exactly_shares_nothing_and_says_so(tmp_path):
    class Forgets(LogisticTask):
        def load(self, path):
            return {**super().load(path), "steps": 0}

    found = compare(Forgets(), NAMED, folder=tmp_path, steps=60, rates=[0.05], seeds=1)
    assert found.costs.shared == 0
    assert (
        found.notes[0]
        .text()
        .startswith("The task's state, saved and loaded, does not go on bit for bit: nothing was shared")
    )


def test_runs_of_different_lengths_share_what_is_the_same(tmp_path):
    """The horizons of wsd: one trunk, from which each length parts where its decay begins."""
    task, layout = LogisticTask(), RunLayout(60, 10, 30)
    rates = Rates(60, 30, {})
    trials = tuple(Trial('wsd(decay="20%")', 0.1, 0, steps) for steps in (30, 45, 60))
    arranged = arrange(trials, rates)
    assert len(arranged.branches) == 1
    runs, made = trained(task, arranged.branches, rates, layout, tmp_path)
    assert made == arranged.run < arranged.planned == 135
    for trial in trials:
        assert tuple(map(tuple, runs[trial].curve)) == alone(task, trial, layout)


def trained(task, branches, rates, layout, folder, checkpoint=math.inf):
    """Train bundles to their end, and count the updates."""
    runs, made, waiting = {}, 0, list(branches)

    def keep(training, name):
        return worker.keep_state(task, training, folder, name)

    while waiting:
        branch = waiting.pop()
        training = task.start(branch.trials[0].seed)
        if branch.step:
            training.load_state_dict(worker.read_state(task, branch))
        trainer = BranchTrainer(branch, training, rates, layout, keep)
        for part in trainer.train(checkpoint):
            if isinstance(part, Run):
                runs[part.trial] = part
            elif isinstance(part, Fork):
                waiting.append(part.branch)
        made += trainer.step - branch.step
    return runs, made


@pytest.mark.parametrize("seed", range(5))
def test_going_on_from_any_checkpoint_gives_the_same_runs(seed, tmp_path):
    task, layout, rates = noisy_task(), RunLayout(40, 6, 7), Rates(40, 7, {})
    trials = tuple(Trial(name, 0.02, 3, 40) for name in NAMED)
    branches = arrange(trials, rates).branches
    whole, _ = trained(task, branches, rates, layout, tmp_path)
    noise, runs, waiting = random.Random(seed), {}, list(branches)
    while waiting:  # every job is dropped at random, and taken up from its last checkpoint
        branch = waiting.pop()
        training = task.start(branch.trials[0].seed)
        if branch.step:
            training.load_state_dict(worker.read_state(task, branch))
        left = set(branch.trials)
        trainer = BranchTrainer(
            branch, training, rates, layout, lambda t, name: worker.keep_state(task, t, tmp_path, name)
        )
        for part in trainer.train(0.0):
            if isinstance(part, Run):
                runs[part.trial] = part
                left.discard(part.trial)
            elif isinstance(part, Fork):
                waiting.append(part.branch)
                left -= set(part.branch.trials)
            elif isinstance(part, Checkpoint):
                branch = part.branch
                if noise.random() < 0.1:
                    waiting.append(branch.only(left))
                    break
    assert {trial: outcome(run) for trial, run in runs.items()} == {t: outcome(run) for t, run in whole.items()}


def test_a_branch_gives_the_same_runs_in_any_order(tmp_path):
    task, layout, rates = LogisticTask(), RunLayout(30, 10, 30), Rates(30, 30, {})
    trials = [Trial(name, 0.3, 0, 30) for name in NAMED[:5]]
    found = []
    for order in itertools.islice(itertools.permutations(trials), 0, 120, 17):
        runs, made = trained(task, [Branch(tuple(order))], rates, layout, tmp_path)
        found.append(({trial: outcome(run) for trial, run in runs.items()}, made))
    assert all(one == found[0] for one in found)


class Epochs(LogisticTask):
    """Now and then it draws a shift of its loss from a generator that its state leaves out; `saved`, not the shift."""

    def __init__(self, every, saved):
        super().__init__()
        self.every, self.saved = every, saved

    def start(self, seed):
        training = super().start(seed)
        step, noise = training.step, np.random.default_rng(seed)
        shift = [0.0]

        def noisy(lr):
            if training.steps % self.every == 0 and (self.saved or training.steps):
                shift[0] = noise.normal()
            return step(lr) + shift[0]

        save, load = training.state_dict, training.load_state_dict
        training.step = noisy
        training.state_dict = lambda: {**save(), "shift": shift[0] if self.saved else 0.0}
        training.load_state_dict = lambda state: shift.__setitem__(0, state["shift"]) or load(state)
        return training


def test_a_state_that_is_exact_only_until_the_epoch_ends_is_noticed_at_once(tmp_path):
    found = compare(Epochs(20, saved=True), NAMED, folder=tmp_path, steps=60, rates=[0.1], seeds=1)
    assert found.costs.shared == 0
    assert "nothing was sh" in found.notes[0].text()


@pytest.mark.parametrize("travels", [False, True])
def test_a_state_that_proves_inexact_later_is_noticed_by_the_first_loss_after_it(tmp_path, travels, monkeypatch):
    if travels:  # as to the nodes of a cluster, which see no file of this machine
        monkeypatch.setattr(
            sys.modules["ratesmith.experiment.compare"],
            "RunContext",
            lambda **context: RunContext(**{**context, "folder": None}),
        )
    task = Epochs(70, saved=False)  # later than a look at the task goes
    strategies = ['step(every="50%")', 'wsd(decay="20%")']
    found = compare(task, strategies, folder=tmp_path, steps=200, rates=[0.1], seeds=1, evaluate_every=25)
    assert found.notes[0].text().startswith("The verdict rests on")
    for run in found.runs:
        assert tuple(map(tuple, run.curve)) == alone(task, run.trial, found.layout), run.trial
    assert found.costs.shared == 0
