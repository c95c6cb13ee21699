"""Finding a rate for a live model leaves no trace: training goes on as if nobody had looked."""

import copy
import random
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from ratesmith import Ramp
from ratesmith.finder import FinderError
from ratesmith.torch import ScheduleLR, find

INPUTS = torch.randn(64, 6, generator=torch.Generator().manual_seed(1))
TARGETS = (INPUTS.sum(1) > 0).long()


class StopError(Exception):
    pass


class Net(nn.Module):
    """Batch statistics, dropout, a frozen layer and a tied one; it can be told to fail at a forward pass."""

    def __init__(self, fail_at=None, error=StopError):
        super().__init__()
        self.first, self.norm, self.drop = nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Dropout(0.2)
        self.second, self.last = nn.Linear(6, 6), nn.Linear(6, 2)
        self.second.weight = self.first.weight
        self.last.bias.requires_grad_(False)
        self.passes, self.fail_at, self.error = 0, fail_at, error

    def forward(self, x):
        self.passes += 1
        if self.passes == self.fail_at:
            raise self.error
        return self.last(self.second(self.drop(torch.relu(self.norm(self.first(x))))))


OPTIMIZERS = {
    "sgd": lambda net: torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9),
    "adamw": lambda net: torch.optim.AdamW(net.parameters(), lr=torch.tensor(0.01)),
    "groups": lambda net: torch.optim.Adam(
        [{"params": [net.first.weight]}, {"params": net.last.parameters(), "lr": 0.001}], lr=0.01, amsgrad=True
    ),
}


class Work:
    """A training in full: model, optimizer, scaler, schedule that counts updates, and a shuffled loader."""

    def __init__(self, optimizer, **net):
        torch.manual_seed(0)
        random.seed(0)
        np.random.seed(0)
        self.net = Net(**net)
        self.optimizer = OPTIMIZERS[optimizer](self.net)
        self.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        self.scheduler = ScheduleLR(self.optimizer, Ramp(1.0, 0.0, 40), count_updates=True)
        generator = torch.Generator().manual_seed(7)
        self.loader = DataLoader(TensorDataset(INPUTS, TARGETS), 8, shuffle=True, generator=generator)

    def train(self, epochs):
        for _ in range(epochs):
            for inputs, targets in self.loader:
                loss = nn.functional.cross_entropy(
                    self.net(inputs + 0.01 * random.random() * np.random.rand()), targets
                )
                self.optimizer.zero_grad()
                self.scaler.scale(loss).backward()
                self.scaler.step(self.optimizer)
                self.scaler.update()

    def look(self, **options):
        return find(self.net, self.optimizer, nn.functional.cross_entropy, self.loader, scaler=self.scaler, **options)

    def state(self):
        return {
            "net": copy.deepcopy(self.net.state_dict()),
            "grads": [None if w.grad is None else w.grad.clone() for w in self.net.parameters()],
            "optimizer": copy.deepcopy(self.optimizer.state_dict()),
            "scaler": self.scaler.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "flags": [module.training for module in self.net.modules()],
            "random": (random.getstate(), repr(np.random.get_state()), torch.get_rng_state()),
            "order": self.loader.generator.get_state(),
        }


def same(one, other):
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


@pytest.mark.parametrize("trained", [0, 2])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_goes_on_as_if_nobody_had_looked(optimizer, trained):
    other = Work(optimizer)
    other.train(trained)
    other.net.drop.eval()
    other.train(2)
    expected = other.state()
    looked = Work(optimizer)  # seeds anew
    looked.train(trained)
    looked.net.drop.eval()
    grads = [weight.grad for weight in looked.net.parameters()]
    rates = [group["lr"] for group in looked.optimizer.param_groups]
    states = {key: id(value) for key, value in looked.optimizer.state.items()}
    before = looked.state()
    found = looked.look()
    assert 1e-5 < found.suggestion < 10
    assert same(looked.state(), before)
    assert all(weight.grad is grad for weight, grad in zip(looked.net.parameters(), grads, strict=True))
    assert all(group["lr"] is rate for group, rate in zip(looked.optimizer.param_groups, rates, strict=True))
    assert {key: id(value) for key, value in looked.optimizer.state.items()} == states
    looked.train(2)
    assert same(looked.state(), expected)


@pytest.mark.parametrize("error", [StopError, KeyboardInterrupt])
@pytest.mark.parametrize("passes", [1, 2, 40, 80])
def test_nothing_is_left_of_a_search_that_was_broken_off(error, passes):
    work = Work("adamw")
    work.train(1)
    before = work.state()
    work.net.passes, work.net.fail_at, work.net.error = 0, passes, error
    with pytest.raises(error):
        work.look()
    assert same(work.state(), before)


def test_a_race_and_a_divergence_leave_nothing_either():
    work = Work("sgd")
    before = work.state()
    found = work.look(method="race", steps=120, validation=work.loader, metrics={"error": nn.functional.cross_entropy})
    assert found.suggestion > 0
    assert same(work.state(), before)


def test_copies_in_a_file_do_the_same(monkeypatch):
    monkeypatch.setattr("ratesmith.torch.snapshot._free_memory", lambda: 0.0)
    work = Work("adamw")
    work.train(1)
    before = work.state()
    work.look(seeds=[0])
    assert same(work.state(), before)


def test_a_scheduler_of_torchs_does_not_warn_of_an_order_that_was_right():
    work = Work("sgd")
    scheduler = torch.optim.lr_scheduler.StepLR(work.optimizer, 3)
    work.look(seeds=[0])
    with pytest.warns(UserWarning, match=r"lr_scheduler.step\(\)` before `optimizer.step"):
        scheduler.step()  # nothing has been trained yet, and torch still knows it
    work.train(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler.step()


def test_a_lazy_layer_is_refused_and_hooks_stay_as_they_were():
    model = nn.Sequential(nn.LazyLinear(2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = ScheduleLR(optimizer, Ramp(1.0, 0.0, 40), count_updates=True)
    with pytest.raises(ValueError, match="find: the model must have all its weights, got a lazy layer"):
        find(model, optimizer, nn.functional.cross_entropy, [(INPUTS, TARGETS)])
    model(INPUTS)
    optimizer.step()
    assert scheduler.last_epoch == 1


def test_gradients_are_clipped_by_the_users_own_hook_and_frozen_parts_stay_in_evaluation():
    model = nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Linear(6, 2))
    model[1].register_buffer("mask", torch.ones(1).expand(6))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    clipped, modes = [], set()
    optimizer.register_step_pre_hook(lambda *_: clipped.append(1))
    model[1].register_forward_hook(lambda module, *_: modes.add(module.training))
    model.train()
    model[1].eval()
    found = find(model, optimizer, nn.functional.cross_entropy, [(INPUTS, TARGETS)], seeds=[0])
    assert len(clipped) == found.updates
    assert modes == {False}
    assert model.training
    assert not model[1].training


@pytest.mark.parametrize("workers", [0, 2])
def test_loaders_of_every_make_go_on_as_if_nobody_had_looked(workers):
    def trained(look):
        torch.manual_seed(0)
        generator = torch.Generator().manual_seed(3)
        batches = torch.utils.data.BatchSampler(
            torch.utils.data.RandomSampler(range(64), generator=generator), 8, drop_last=False
        )
        loader = DataLoader(
            TensorDataset(INPUTS, TARGETS), batch_sampler=batches, num_workers=workers, persistent_workers=workers > 0
        )
        model = nn.Linear(6, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        if look:
            find(model, optimizer, nn.functional.cross_entropy, loader, seeds=[0])
        for inputs, targets in [batch for _ in range(2) for batch in loader]:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs), targets).backward()
            optimizer.step()
        return model.weight.detach().clone()

    assert torch.equal(trained(look=True), trained(look=False))


def test_a_loader_without_a_length_is_searched_and_one_that_does_not_shuffle_is_flagged():
    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            return iter(zip(INPUTS, TARGETS, strict=True))

    linear = regression(lambda: nn.Linear(6, 2), nn.functional.cross_entropy)
    assert linear(DataLoader(Stream(), 8)).suggestion > 0
    assert "unshuffled" in linear(DataLoader(TensorDataset(INPUTS, TARGETS), 8)).flags
    assert "unshuffled" not in linear(DataLoader(TensorDataset(INPUTS, TARGETS), 8, shuffle=True)).flags


def regression(module, loss=nn.functional.mse_loss, **options):
    def run(batches, **more):
        torch.manual_seed(0)
        model = module()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        return find(model, optimizer, loss, batches, **{"seeds": [0], **options, **more})

    return run


class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, x, labels=None):
        return {"loss": (self.layer(x) - labels).square().mean()}


def test_batches_of_every_kind_are_trained_on_the_same():
    linear = regression(lambda: nn.Linear(6, 6))
    parts = [part.clone() for part in INPUTS.split(8)]
    pairs = linear([(part, part) for part in parts]).suggestion
    assert linear(parts).suggestion == pairs
    assert regression(Named, None)([{"x": part, "labels": part} for part in parts]).suggestion == pairs
    halves = [(part, part) for part in INPUTS.split(4)]
    assert linear(halves, accumulate=2).suggestion == pytest.approx(pairs, rel=1e-3)


def test_the_groups_keep_their_ratio():
    model = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 2))
    groups = [{"params": model[0].parameters(), "lr": 0.1}, {"params": model[1].parameters(), "lr": 0.01}]
    optimizer = torch.optim.SGD(groups)
    ratios = set()
    model.register_forward_hook(lambda *_: ratios.add(round(groups[0]["lr"] / groups[1]["lr"], 6)) or None)
    groups = optimizer.param_groups
    find(model, optimizer, nn.functional.cross_entropy, [(INPUTS, TARGETS)], seeds=[0])
    assert ratios == {10.0}


def grouped(*names):
    model = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 2))
    options = [{"name": name} if name else {} for name in names]
    body = {"params": model[0].parameters(), "lr": 0.1, **options[0]}
    head = {"params": model[1].parameters(), "lr": 0.01, **options[1]}
    return model, torch.optim.SGD([body, head])


@pytest.mark.parametrize(
    ("given", "names"), [((None, None), ("group 0", "group 1")), (("body", "head"), ("body", "head"))]
)
def test_the_rate_of_each_group_is_told_by_its_name(given, names):
    found = find(*grouped(*given), nn.functional.cross_entropy, [(INPUTS, TARGETS)])
    assert found.rates == pytest.approx(dict(zip(names, (found.suggestion, found.suggestion / 10), strict=True)))
    assert found.rate_of(names[1]) == found.rates[names[1]]
    sentence = f"By group: {names[0]} {found.suggestion:.2g}, {names[1]} {found.suggestion / 10:.2g}."
    assert sentence in found.explain()
    with pytest.raises(ValueError, match=f"^find: group must be .*, got 'tail'; known: {', '.join(names)}$"):
        found.rate_of("tail")


def test_groups_that_share_a_rate_and_a_single_group_are_not_listed():
    model, optimizer = grouped("body", "head")
    optimizer.param_groups[1]["lr"] = 0.1
    assert "By group" not in find(model, optimizer, nn.functional.cross_entropy, [(INPUTS, TARGETS)]).explain()
    found = regression(lambda: nn.Linear(6, 2), nn.functional.cross_entropy)([(INPUTS, TARGETS)])
    assert (found.rates, "By group" in found.explain()) == ({}, False)
    with pytest.raises(ValueError, match=r"^find: group must be .*, got 'body'; the optimizer has one$"):
        found.rate_of("body")


def test_without_validation_data_training_losses_judge_and_that_is_told():
    linear = regression(lambda: nn.Linear(6, 2), nn.functional.cross_entropy)
    batches = [(INPUTS[place::4], TARGETS[place::4]) for place in range(4)]
    found = linear(batches)
    assert (found.method, found.judged_by) == ("race", "training")
    assert "Nothing was measured on validation data: rates were judged by their training losses" in found.explain()
    assert found.decisive[-1].name == "96 steps"
    measured = linear(batches, validation=[(INPUTS, TARGETS)])
    assert measured.judged_by == "validation"
    assert "validation data: rates were judged" not in measured.explain()
    wide, narrow = (result.interval[1] / result.interval[0] for result in (found, measured))
    assert wide > narrow, "training losses err more"
    [trained], [validated] = found.decisive, measured.decisive
    assert set(trained.rates) & set(validated.rates), "the sweep is the same"
    assert trained.losses != validated.losses


def test_a_model_in_the_default_search_is_left_as_it_was_with_validation_too():
    work = Work("groups")
    work.train(1)
    before = work.state()
    found = work.look(validation=work.loader)
    assert found.judged_by == "validation"
    assert same(work.state(), before)


def test_an_optimizer_with_two_modes_is_put_into_the_right_one():
    modes = []

    class TwoModes(torch.optim.SGD):
        def train(self):
            modes.append("train")

        def eval(self):
            modes.append("eval")

    model = nn.Linear(6, 2)
    optimizer = TwoModes(model.parameters(), lr=0.1)
    data = [(INPUTS, TARGETS)]
    find(model, optimizer, nn.functional.cross_entropy, data, method="grid", validation=data, steps=3, rates=[0.1])
    assert modes[:4] == ["train", "eval", "train", "train"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: find(nn.Linear(6, 2), torch.optim.LBFGS(nn.Linear(6, 2).parameters()), None, []),
            "find: optimizer must update from one gradient, got LBFGS, which calls the model several times",
        ),
        (lambda: regression(lambda: nn.Linear(6, 6))([]), "find: train must give at least one batch, got none"),
        (
            lambda: regression(lambda: nn.Linear(6, 6), accumulate=0)([INPUTS]),
            "find: accumulate must be a whole number",
        ),
        (
            lambda: regression(lambda: nn.Linear(6, 6))(None),
            "find: train must be a DataLoader, tensors ",
        ),
        (lambda: regression(lambda: nn.Linear(6, 6))(iter([INPUTS])), "find: train must be a loader that can begin ag"),
        (
            lambda: regression(lambda: nn.Linear(6, 6), None)([INPUTS]),
            "find: loss must be given where the model gives n",
        ),
        (
            lambda: regression(lambda: nn.Linear(6, 6), method="race", steps=9)([INPUTS]),
            "find: validation must be given to race or to train a grid, got none",
        ),
        (
            lambda: regression(lambda: nn.Linear(6, 6), steps=9)([INPUTS]),
            "find: validation must be given to race or to train a grid, got none",
        ),
        (
            lambda: regression(lambda: nn.Linear(6, 6), metric="accuracy", mode="max")([INPUTS]),
            "find: validation must be given to race or to train a grid, got none",
        ),
        (
            lambda: regression(lambda: nn.Linear(6, 6))([INPUTS * torch.nan]),
            "sweep: the first loss must be finite, got nan",
        ),
    ],
)
def test_what_cannot_be_searched_is_one_clear_line(make, message):
    with pytest.raises((TypeError, ValueError, FinderError), match=f"^{message}"):
        make()


RANK = """
import os, sys, torch
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset
from ratesmith.torch import find
rank = int(sys.argv[1])
torch.distributed.init_process_group("gloo", init_method=f"file://{sys.argv[2]}", rank=rank, world_size=2)
torch.manual_seed(0)
inputs = torch.randn(256, 6)
data = TensorDataset(inputs, (inputs.sum(1) > 0).long())
model = nn.parallel.DistributedDataParallel(nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 2)))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loader = DataLoader(data, 16, sampler=DistributedSampler(data))
loss = nn.functional.cross_entropy
sweep = find(model, optimizer, loss, loader)
race = find(model, optimizer, loss, loader, method="grid", steps=20, rates=[0.01, 0.1, 1.0], validation=loader)
print(sweep.suggestion, sweep.updates, race.suggestion, race.curves[0].losses, flush=True)
torch.distributed.barrier()
os._exit(0)  # gloo's threads may still be closing, which is none of ours
"""


def test_two_ranks_decide_together(tmp_path):
    command = [sys.executable, "-c", RANK]
    ranks = [
        subprocess.Popen([*command, str(rank), str(tmp_path / "meet")], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for rank in range(2)
    ]
    outputs = [process.communicate(timeout=300) for process in ranks]
    assert [process.returncode for process in ranks] == [0, 0], outputs
    assert outputs[0][0] == outputs[1][0] != b""
