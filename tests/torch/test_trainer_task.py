"""A trainer's loop as a task: begun anew for each seed, paused before each update, and nothing is left of it."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from trained import same

from ratesmith.finder import FinderError, find
from ratesmith.torch.trainer_task import Ready, TrainerTask

PIXELS, LABELS = (torch.tensor(array) for array in load_digits(return_X_y=True))
PIXELS = PIXELS.float() / 16
CE = nn.functional.cross_entropy


class Trainer:
    """A small trainer: it makes its optimizer, counts, keeps losses and a generator, and steps a scheduler."""

    def __init__(self, model, loader):
        self.model, self.loader, self.updates, self.losses = model, loader, 0, []
        self.noise = np.random.default_rng(1)

    def fit(self, before_update, after_update):
        optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 5)
        self.model.train()
        before_update(optimizer)
        while True:
            for inputs, targets in self.loader:
                optimizer.zero_grad()
                loss = CE(self.model(inputs + 0.01 * self.noise.random()), targets)
                loss.backward()
                optimizer.step()
                scheduler.step()
                self.updates += 1
                self.losses.append(loss.item())
                self.last = loss.item()
                after_update(self.last)


class OfTrainer(TrainerTask):
    def __init__(self, trainer, fail_at=None):
        super().__init__(trainer.model, [], [trainer], [trainer.loader])
        self.trainer, self.fail_at = trainer, fail_at

    def train(self, seed, loop):
        def before(optimizer):
            rates = self.lead([optimizer], True, loop)
            rates.set(loop.pause(Ready(rates, len(self.trainer.loader))))
            self.rates, self.optimizer = rates, optimizer

        def after(loss):
            if self.trainer.updates == self.fail_at:
                raise RuntimeError("late")
            self.rates.set(loop.pause(loss))

        self.trainer.fit(before, after)

    def measure(self):
        with torch.no_grad():
            return {"loss": CE(self.trainer.model(PIXELS[1000:]), LABELS[1000:])}


def trainer():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 10))
    generator = torch.Generator().manual_seed(3)
    loader = DataLoader(TensorDataset(PIXELS[:512], LABELS[:512]), 32, shuffle=True, generator=generator)
    return Trainer(model.eval(), loader)


def state(of):
    return {
        "weights": {name: value.clone() for name, value in of.model.state_dict().items()},
        "modes": [module.training for module in of.model.modules()],
        "trainer": (of.updates, list(of.losses), repr(of.noise.bit_generator.state), hasattr(of, "last")),
        "random": (torch.get_rng_state(), of.loader.generator.get_state()),
        "gradients": [weight.grad for weight in of.model.parameters()],
    }


def test_a_search_leaves_a_trainer_and_all_that_it_holds_as_they_were():
    mine = trainer()
    before, attributes = state(mine), dict(vars(mine))
    task = OfTrainer(mine)
    with task.kept():
        sweep = find(task)
        race = find(task, method="grid", steps=20, rates=[0.01, 0.1])
    assert 1e-3 < sweep.suggestion < 10
    assert sweep.base_lr == 0.1
    assert race.curves[0].losses[1] < race.curves[0].losses[0]
    assert same(state(mine), before)
    assert all(vars(mine)[name] is value for name, value in attributes.items())


def test_a_seed_begins_the_same_training_whatever_was_trained_between():
    task = OfTrainer(trainer())
    with task.kept():
        first, second, again = ([training.step(0.05) for _ in range(20)] for training in map(task.start, (0, 1, 0)))
        assert task.start(0).steps_per_epoch == 16
    assert first == again != second


def test_the_trainers_scheduler_does_not_move_the_rate_that_is_asked_for():
    task = OfTrainer(trainer())
    with task.kept():
        training = task.start(0)
        for _ in range(12):
            training.step(0.05)
        assert task.optimizer.param_groups[0]["lr"] == 0.05


def test_an_error_in_the_trainer_comes_out_and_leaves_nothing():
    mine = trainer()
    before, task = state(mine), OfTrainer(mine, fail_at=7)
    with task.kept(), pytest.raises(RuntimeError, match="late"):
        find(task)
    assert same(state(mine), before)


def test_an_optimizer_without_a_rate_is_told():
    task = OfTrainer(trainer())
    optimizer = torch.optim.SGD(task.model.parameters(), lr=0.1)
    del optimizer.param_groups[0]["lr"]
    with pytest.raises(FinderError, match="find: there must be an optimizer with a rate, got none"):
        task.lead([optimizer], False, None)
