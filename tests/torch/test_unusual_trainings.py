"""Trainings that are odd in one way: wrapped optimizers, workers that stay, gradients that nobody clears, and such."""

import copy
import gc

import pytest
import torch
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, Dataset, DistributedSampler, IterableDataset, TensorDataset

from ratesmith.torch import TorchTask, find

INPUTS = torch.randn(48, 8, generator=torch.Generator().manual_seed(0))
TARGETS = (INPUTS.sum(1) > 0).long()
DATA = TensorDataset(INPUTS, TARGETS)
CE = nn.functional.cross_entropy


def net():
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 2))


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def loader(**options):
    return DataLoader(DATA, 8, **{"shuffle": True, **options})


def task(**options):
    whole = {"model": net, "optimizer": sgd, "loss": CE, "train": loader(), "validation": (INPUTS, TARGETS), **options}
    return TorchTask(**whole)


def trained(training, steps=9):
    return [training.step(training.base_lr) for _ in range(steps)]


def goes_on(task, steps=5):
    training = task.start(0)
    trained(training, steps)
    state = copy.deepcopy(training.state_dict())
    expected = trained(training, 8)
    other = task.start(1)
    trained(other, 2)
    other.load_state_dict(state)
    return trained(other, 8) == expected


@pytest.mark.parametrize("options", [{}, {"generator": torch.Generator()}])
def test_workers_that_stay_make_the_same_training_each_time(options):
    mine = task(train=loader(num_workers=1, persistent_workers=True, **options))
    assert trained(mine.start(0)) == trained(mine.start(0))


def test_a_training_goes_on_though_another_one_has_used_its_loader_since():
    given = loader(num_workers=1, persistent_workers=True, generator=torch.Generator())
    mine = task(train=given, model=lambda: nn.Linear(8, 2))  # without chance of its own
    first = trained(mine.start(0))
    training = mine.start(0)
    begun = trained(training, 3)
    trained(mine.start(1), 1)
    assert begun + trained(training, 6) == first


def test_one_loader_may_train_and_measure_with_workers_that_stay():
    both = loader(shuffle=False, num_workers=1, persistent_workers=True)
    training = task(train=both, validation=both).start(0)
    begun = trained(training, 2)
    training.evaluate()
    assert begun + trained(training, 7) == trained(task(train=both).start(0))


class Lookahead(torch.optim.Optimizer):
    """Wraps another optimizer, whose state is the real one, and keeps slow weights in a list."""

    def __init__(self, inner):
        self.inner, self.param_groups, self.defaults = inner, inner.param_groups, inner.defaults
        self.steps, self.slow, self.seen = 0, [p.detach().clone() for p in self._weights()], []
        self._optimizer_step_pre_hooks, self._optimizer_step_post_hooks = {}, {}

    @property
    def state(self):
        return self.inner.state

    def _weights(self):
        return [p for group in self.inner.param_groups for p in group["params"]]

    def step(self, closure=None):
        self.inner.step()
        self.steps += 1
        self.seen.append(self.steps)
        if self.steps % 3 == 0:
            for weight, slow in zip(self._weights(), self.slow, strict=True):
                slow.lerp_(weight.detach(), 0.5)
                weight.data.copy_(slow)


def test_find_leaves_a_wrapped_optimizer_and_its_lists_as_they_were():
    torch.manual_seed(0)
    model = net()
    optimizer = Lookahead(torch.optim.AdamW(model.parameters(), lr=0.01))
    for inputs, targets in loader():
        optimizer.zero_grad()
        CE(model(inputs), targets).backward()
        optimizer.step()
    before = copy.deepcopy((optimizer.inner.state_dict(), optimizer.slow, optimizer.seen, optimizer.steps))
    find(model, optimizer, CE, loader(), seeds=[0])
    after = (optimizer.inner.state_dict(), optimizer.slow, optimizer.seen, optimizer.steps)
    assert repr(after) == repr(before)


def test_what_is_given_as_an_optimizer_and_is_none_is_told():
    def with_scheduler(model):
        optimizer = sgd(model)
        return optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 3)

    with pytest.raises(TypeError, match="TorchTask: optimizer must be a torch Optimizer, got StepLR; give one"):
        task(optimizer=with_scheduler).start(0)
    with pytest.raises(ValueError, match="TorchTask: optimizer must be given once, got one twice; give it once"):
        task(optimizer=lambda model: [sgd(model)] * 2).start(0)


def test_a_measurement_that_fails_puts_a_shared_generator_back_at_once():
    shared = torch.Generator().manual_seed(3)
    calls = []

    def failing(output, target):
        calls.append(1)
        if len(calls) > 233:  # in the last measurement
            raise RuntimeError("late")
        return CE(output, target)

    torch.manual_seed(0)
    model, state = net(), shared.get_state()
    train, validation = loader(generator=shared), loader(generator=shared)
    options = {"validation": validation, "method": "grid", "steps": 40, "rates": [0.01, 0.03, 0.1, 0.3, 1.0]}
    with pytest.raises(RuntimeError, match="late") as kept:
        find(model, sgd(model), failing, train, **options)
    assert torch.equal(shared.get_state(), state)
    del kept
    gc.collect()
    assert torch.equal(shared.get_state(), state)


def test_gradients_that_no_optimizer_clears_are_saved_too():
    class TwoParts(nn.Module):
        def __init__(self):
            super().__init__()
            self.held, self.loose = nn.Linear(8, 2), nn.Linear(8, 2)

        def forward(self, x):
            return self.held(x) + self.loose(x)

    mine = task(model=TwoParts, optimizer=lambda model: sgd(model.held), clip_norm=0.1)
    assert goes_on(mine)


def test_parts_that_the_model_function_freezes_in_evaluation_stay_so():
    def frozen():
        model = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
        model[1].eval()
        return model

    training = task(model=frozen).start(0)
    before = training._loop.model[1].running_mean.clone()
    trained(training, 3)
    training.evaluate()
    trained(training, 3)
    assert torch.equal(training._loop.model[1].running_mean, before)


@pytest.mark.parametrize("where", ["sampler", "batch sampler", "dataset"])
def test_every_part_of_a_loader_that_counts_epochs_is_told_and_put_back(where):
    class Counting(Dataset):
        epoch = 0

        def set_epoch(self, epoch):
            self.epoch = epoch

        def __len__(self):
            return 48

        def __getitem__(self, index):
            return INPUTS[index] + self.epoch, TARGETS[index]

    sampler = DistributedSampler(DATA, num_replicas=2, rank=0)
    holder, given = {
        "sampler": (sampler, DataLoader(DATA, 8, sampler=sampler)),
        "batch sampler": (sampler, DataLoader(DATA, batch_sampler=BatchSampler(sampler, 8, drop_last=False))),
        "dataset": (data := Counting(), DataLoader(data, 8)),
    }[where]
    holder.set_epoch(5)
    torch.manual_seed(0)
    model = net()
    find(model, sgd(model), CE, given, seeds=[0])
    assert holder.epoch == 5
    training = task(train=given).start(0)
    seen = []
    for _ in range(3):
        seen.append(holder.epoch)
        trained(training, training.steps_per_epoch)
    assert holder.epoch == 2


class Merging(nn.Linear):
    """As a low-rank adapter: merged for evaluation, and taken apart for training."""

    def __init__(self):
        super().__init__(8, 2)
        self.extra, self.merged = nn.Parameter(torch.full((2, 8), 0.1)), False

    def train(self, mode=True):
        super().train(mode)
        if mode == self.merged:
            self.weight.data += self.extra.data if not mode else -self.extra.data
            self.merged = not mode
        return self

    def forward(self, x):
        return super().forward(x) + (0 if self.merged else x @ self.extra.T)


def test_a_model_that_does_more_when_it_is_put_into_training_is_put_back_by_it():
    training = task(model=Merging).start(0)
    training.evaluate()
    assert not training._loop.model.merged
    assert training._loop.model.training


def test_a_batch_without_a_single_token_counts_for_nothing():
    targets = TARGETS.clone()
    targets[24:] = -100
    batches = list(zip(INPUTS.split(8), targets.split(8), strict=True))
    training = task(validation=batches, loss_weight="tokens").start(0)
    model = training._loop.model.eval()
    with torch.no_grad():
        expected = CE(model(INPUTS[:24]), TARGETS[:24]).item()
    assert training.evaluate()["loss"] == pytest.approx(expected, rel=1e-6)


class Stateful(nn.Module):
    """Counts its passes, keeps what it saw, and makes an attribute when it first needs one."""

    def __init__(self):
        super().__init__()
        self.layer, self.passes, self.hidden, self.kept = nn.Linear(8, 2), 0, None, []

    def forward(self, x):
        self.passes += 1
        self.hidden, self.made = x.mean(0), True
        self.kept.append(self.passes)
        return self.layer(x)


def test_every_search_begins_with_the_models_own_attributes_and_leaves_them():
    torch.manual_seed(0)
    model, first = Stateful(), []
    model.register_forward_pre_hook(lambda module, _: first.append(module.passes))
    find(model, sgd(model), CE, loader(), seeds=[0, 1])
    assert first.count(0) >= 2  # each order of the data begins anew
    assert (model.passes, model.hidden, model.kept, hasattr(model, "made")) == (0, None, [], False)


def test_a_loader_that_uses_its_memory_again_is_measured_right():
    class Reusing:
        def __iter__(self):
            inputs, targets = torch.empty(8, 8), torch.empty(8, dtype=torch.long)
            for x, y in zip(INPUTS.split(8), TARGETS.split(8), strict=True):
                yield inputs.copy_(x), targets.copy_(y)

    metrics = {"accuracy": lambda output, target: (output.argmax(1) == target).float().mean()}
    plain = task(metrics=metrics).start(0).evaluate()
    again = task(metrics=metrics, validation=Reusing()).start(0).evaluate()
    assert again == pytest.approx(plain, rel=1e-6)


def test_an_endless_loader_is_measured_on_as_many_batches_as_are_asked_for():
    class Endless(IterableDataset):
        def __iter__(self):
            while True:
                yield INPUTS[0], TARGETS[0]

    mine = task(
        train=DataLoader(Endless(), 4), validation=DataLoader(Endless(), 4), validation_batches=3, steps_per_epoch=5
    )
    assert mine.start(0).evaluate()["loss"] > 0


def test_a_state_brings_its_fold():
    mine = task(train=(INPUTS, TARGETS), validation=None, folds=4)
    one, other = mine.start(3), mine.start(0)
    trained(one, 3)
    state, measured, expected = copy.deepcopy(one.state_dict()), one.evaluate(), trained(one)
    other.load_state_dict(state)
    assert other.evaluate() == measured
    assert trained(other) == expected


@pytest.mark.parametrize("seed", [2**53, torch.tensor(3).item(), 2**45 + 1])
def test_large_seeds_are_seeds(seed):
    mine = task(train=(INPUTS, TARGETS))
    assert trained(mine.start(seed), 2) == trained(mine.start(seed), 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": net()}, "model must be a function that returns a new model, got Sequential; write lambda: Net()"),
        (
            {"optimizer": torch.optim.SGD},
            "optimizer must be a function of the model that returns its optimizer",
        ),
        ({"optimizer": sgd(net())}, "optimizer must be a function of the model that returns its optimizer"),
        (
            {"scaler": torch.amp.GradScaler("cpu")},
            "scaler must be a function that returns a new scaler",
        ),
        ({"loss": nn.CrossEntropyLoss}, "loss must be a function, got CrossEntropyLoss; give an instance, as nn.Cross"),
        ({"pretrained": net()}, "pretrained must be True, False or None, got Sequential("),
        ({"loss": "mse"}, "loss must be a function, got str; give a function"),
        ({"forward": "x"}, "forward must be a function, got str; give a function"),
        (
            {"autocast": torch.autocast("cpu")},
            "autocast must be a function that returns a context, got autoc",
        ),
        (
            {"metrics": [CE]},
            "metrics must be a dict of functions, or of objects with update and compute, got",
        ),
        ({"metrics": {"f1": "f1"}}, "metrics must be a dict of functions, or of objects with update and compute"),
        (
            {"train": (INPUTS.tolist(), TARGETS.tolist())},
            "train must be tensors, arrays or tables, got a tuple of list; give these",
        ),
        (
            {"folds": 60, "train": (INPUTS, TARGETS), "validation": None},
            "folds must be at most the number of samples",
        ),
    ],
)
def test_parts_of_the_wrong_kind_are_told_before_anything_is_trained(options, message):
    with pytest.raises((TypeError, ValueError)) as caught:
        task(**options)
    assert str(caught.value).startswith(f"TorchTask: {message}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"loss": lambda output, target: CE(output, target).detach()},
            "loss must depend on weights that are trained, got one that does not; see detach",
        ),
        (
            {"train": [{"x": INPUTS, "y": TARGETS}]},
            "the model must take what a batch holds, got Sequential.forward() got an unexpected keyword argument 'x'; "
            "give forward=, a function of model and batch",
        ),
        ({"optimizer": lambda model: []}, "optimizer must have a parameter group, got none"),
    ],
)
def test_what_shows_only_in_the_first_update_is_told_in_one_line(options, message):
    with pytest.raises((TypeError, ValueError)) as caught:
        trained(task(**options).start(0), 1)
    assert str(caught.value).startswith(f"TorchTask: {message}")


def test_a_function_that_yields_batches_is_no_function_that_returns_one():
    def batches():
        yield INPUTS, TARGETS

    with pytest.raises(TypeError, match="TorchTask: train must be a function that returns one batch, got one"):
        task(train=batches, steps_per_epoch=3)
