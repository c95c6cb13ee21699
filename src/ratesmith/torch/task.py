"""TorchTask: a PyTorch model, optimizer and data as a task that comparisons can train, save and restore."""

from __future__ import annotations

import copy
import random
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader, IterableDataset, RandomSampler, SequentialSampler, default_collate

from ratesmith.torch.loop import seed_all, set_rates, switch

Metric = Callable[[Tensor, Tensor], Any]
Batch = tuple[Any, Any]


@dataclass(frozen=True, kw_only=True)
class TorchTask:
    """A supervised PyTorch training.

    `model()` makes the model; `optimizer(model)` its optimizer, whose own rate is the base rate.
    `loss(output, target)` gives the mean loss of a batch. `train`, `validation` and `test` are `(inputs, targets)`
    tensors, a map-style dataset of such pairs, or a DataLoader of one (its dataset, batch size and collate function
    are used). `metrics` are further functions of `(output, target)` that give a batch's mean.

    Training draws batches of `batch_size` in an order that the seed and the epoch alone decide; a last, smaller batch
    is dropped. Measuring takes batches eight times as large. The model's own device is used. The rate of the first
    parameter group is set, and the other groups keep their ratio to it. `model` and `optimizer` are called anew for
    each run.

    >>> inputs, targets = torch.randn(64, 3), torch.zeros(64, 1)
    >>> task = TorchTask(
    ...     model=lambda: nn.Linear(3, 1),
    ...     optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=0.1),
    ...     loss=nn.functional.mse_loss,
    ...     train=(inputs, targets),
    ...     validation=(inputs, targets),
    ...     batch_size=16,
    ... )
    >>> training = task.start(seed=0)
    >>> training.steps_per_epoch, training.base_lr, training.step(0.1) > 0
    (4, 0.1, True)
    """

    model: Callable[[], nn.Module]
    optimizer: Callable[[Any], Optimizer]
    loss: Callable[[Any, Any], Tensor]
    train: Any
    validation: Any
    test: Any = None
    batch_size: int = 64
    metrics: Mapping[str, Metric] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse data that cannot be drawn from in a repeatable order, and a metric called loss."""
        train = _Data(self.train, "train", self.batch_size)
        if len(train) < train.batch_size:
            raise ValueError(
                f"TorchTask: train must hold at least one batch of {train.batch_size}, got {len(train)} samples; "
                "give more data or a smaller batch_size"
            )
        if len(_Data(self.validation, "validation", self.batch_size)) == 0:
            raise ValueError("TorchTask: validation must not be empty, got 0 samples; give validation data")
        if "loss" in self.metrics:
            raise ValueError(
                "TorchTask: the loss is always measured under 'loss', got a metric of that name; rename it"
            )

    @property
    def has_test(self) -> bool:
        """Whether test data was given."""
        return self.test is not None

    def start(self, seed: int) -> TorchTraining:
        """Begin a training whose weights, batch order and other randomness the seed decides."""
        return TorchTraining(self, seed)

    def save(self, state: dict[str, Any], path: Path) -> None:
        """Write a training's state with torch.save."""
        torch.save(state, path)

    def load(self, path: Path) -> dict[str, Any]:
        """Read a training's state; only tensors and plain values are accepted."""
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        return state


_STARTED: weakref.WeakValueDictionary[int, Tensor] = weakref.WeakValueDictionary()
"""The parameters of all trainings that are still alive, by identity."""


class TorchTraining:
    """One PyTorch training in progress."""

    def __init__(self, task: TorchTask, seed: int) -> None:
        """Seed everything, then make the model and its optimizer."""
        seed_all(seed)
        self._task, self._seed, self._steps = task, seed, 0
        self._model = task.model()
        for parameter in self._model.parameters():
            if _STARTED.get(id(parameter)) is parameter:
                raise ValueError(
                    "TorchTask: model() must make a new model at each call, got parameters that another run has "
                    "trained; build the model inside the function, or give copy.deepcopy of it"
                )
            _STARTED[id(parameter)] = parameter
        self._optimizer = task.optimizer(self._model)
        if isinstance(self._optimizer, torch.optim.LBFGS):
            raise TypeError(
                "TorchTask: optimizer must update from one gradient, got LBFGS, which calls the model several times; "
                "give another optimizer, or write a Training of your own"
            )
        rates = [float(group["lr"]) for group in self._optimizer.param_groups]
        if rates[0] <= 0:
            raise ValueError(
                f"TorchTask: the first parameter group's rate must be above 0, got {rates[0]!r}; "
                "it is what the other groups' rates are measured by"
            )
        self.base_lr = rates[0]
        self._ratios = [rate / rates[0] for rate in rates]
        self._train = _Data(task.train, "train", task.batch_size)
        measured = {"validation": task.validation, "test": task.test}
        self._measured = {
            name: _Data(given, name, task.batch_size) for name, given in measured.items() if given is not None
        }
        self.steps_per_epoch = len(self._train) // self._train.batch_size
        self._device = next((p.device for p in self._model.parameters()), torch.device("cpu"))
        self._order = torch.empty(0, dtype=torch.int64)
        self._model.train()
        switch(self._optimizer, "train")

    def step(self, lr: float) -> float:
        """Make one optimizer update at this rate and give the training loss."""
        set_rates(self._optimizer, [lr * ratio for ratio in self._ratios])
        epoch, position = divmod(self._steps, self.steps_per_epoch)
        if position == 0 or not len(self._order):
            generator = torch.Generator().manual_seed(self._seed * 1_000_003 + epoch)
            self._order = torch.randperm(len(self._train), generator=generator)
        size = self._train.batch_size
        inputs, targets = self._train.batch(self._order[position * size : (position + 1) * size], self._device)
        loss = self._task.loss(self._model(inputs), targets)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own annotation
        self._optimizer.step()
        self._steps += 1
        return loss.item()

    def evaluate(self, split: str = "validation") -> dict[str, float]:
        """Measure the mean loss and metrics over a split; flags and random states are put back afterwards."""
        if split not in self._measured:
            raise ValueError(f"TorchTask: split must be one that the task has data for, got {split!r}; give {split}=")
        data = self._measured[split]
        training = [module for module in self._model.modules() if module.training]
        before = _random_states()
        sums = dict.fromkeys(("loss", *self._task.metrics), 0.0)
        self._model.eval()
        switch(self._optimizer, "eval")
        try:
            with torch.no_grad():
                for inputs, targets in data.batches(self._device):
                    output = self._model(inputs)
                    for name, function in (("loss", self._task.loss), *self._task.metrics.items()):
                        sums[name] += float(function(output, targets)) * len(targets)
        finally:
            switch(self._optimizer, "train")
            for module in training:
                module.training = True
            _set_random_states(before)
        return {name: total / len(data) for name, total in sums.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of the model, the optimizer, the data position and all random states.

        Of the model: parameters, buffers (those that torch's own state leaves out too), and the flags `training` and
        `requires_grad`; of the optimizer: its state and its groups. Plain Python attributes that a model or an
        optimizer changes while it trains are not among them.
        """
        model = copy.deepcopy(self._model.state_dict())
        hidden = {name: buffer for name, buffer in self._model.named_buffers() if name not in model}
        return {
            "seed": self._seed,
            "steps": self._steps,
            "model": model,
            "buffers": {name: buffer.detach().clone() for name, buffer in hidden.items()},
            "training": [module.training for module in self._model.modules()],
            "requires_grad": [parameter.requires_grad for parameter in self._model.parameters()],
            "optimizer": _plain(copy.deepcopy(self._optimizer.state_dict())),
            "random": _random_states(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state, bit for bit."""
        self._seed, self._steps = state["seed"], state["steps"]
        self._order = torch.empty(0, dtype=torch.int64)  # the next step draws it again
        self._model.load_state_dict(state["model"])
        for module, flag in zip(self._model.modules(), state["training"], strict=True):
            module.training = flag
        for parameter, flag in zip(self._model.parameters(), state["requires_grad"], strict=True):
            parameter.requires_grad_(flag)
        buffers = dict(self._model.named_buffers())
        for name, buffer in state["buffers"].items():
            buffers[name].copy_(buffer)
        self._load_optimizer(copy.deepcopy(state["optimizer"]))
        _set_random_states(state["random"])

    def _load_optimizer(self, state: dict[str, Any]) -> None:
        self._optimizer.load_state_dict(state)
        # torch casts what it loads to the parameter's type; a state kept wider has to stay so, to go on bit for bit.
        parameters = [parameter for group in self._optimizer.param_groups for parameter in group["params"]]
        for index, saved in state["state"].items():
            own = self._optimizer.state[parameters[index]]
            for name, value in saved.items():
                if isinstance(value, Tensor) and own[name].dtype != value.dtype:
                    own[name] = value.to(own[name].device)


def _plain(value: Any) -> Any:
    """Return NumPy numbers as Python's, in dicts and lists too, so that the file can be read as data alone."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(inner) for inner in value)
    return value.item() if hasattr(value, "item") and not isinstance(value, Tensor) else value


class _Data:
    """Samples that can be drawn by index."""

    def __init__(self, given: Any, name: str, batch_size: int) -> None:
        self.batch_size = batch_size
        self._collate: Callable[[list[Any]], Any] = default_collate
        self._tensors: tuple[Tensor, Tensor] | None = None
        if isinstance(given, DataLoader):
            sampler = given.sampler
            redrawn = isinstance(sampler, RandomSampler) and (
                sampler.replacement or sampler.num_samples != len(sampler.data_source)
            )
            if redrawn or not isinstance(sampler, (RandomSampler, SequentialSampler)) or given.batch_size is None:
                raise TypeError(
                    f"TorchTask: {name} must be a DataLoader with a plain sampler and batch size, got "
                    f"{type(sampler).__name__}; give its dataset, since the order is drawn anew for each seed"
                )
            self.batch_size, self._collate, given = given.batch_size, given.collate_fn, given.dataset
        if isinstance(given, (tuple, list)) and len(given) == 2 and all(isinstance(x, Tensor) for x in given):
            if len(given[0]) != len(given[1]):
                raise ValueError(
                    f"TorchTask: {name} must have one target for each input, got {len(given[0])} inputs and "
                    f"{len(given[1])} targets; give tensors of one length"
                )
            self._tensors = (given[0], given[1])
        elif isinstance(given, IterableDataset) or not (hasattr(given, "__getitem__") and hasattr(given, "__len__")):
            raise TypeError(
                f"TorchTask: {name} must be (inputs, targets) tensors or a dataset with a length, "
                f"got {type(given).__name__}; give data that can be drawn by index"
            )
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(
                f"TorchTask: batch_size must be a whole number of at least 1, got {batch_size!r}; give one"
            )
        self._given = given

    def __len__(self) -> int:
        return len(self._given if self._tensors is None else self._tensors[0])

    def batch(self, indices: Tensor, device: torch.device) -> Batch:
        if self._tensors is not None:
            inputs, targets = (tensor[indices] for tensor in self._tensors)
        else:
            inputs, targets = self._collate([self._given[index] for index in indices.tolist()])
        return inputs.to(device), targets.to(device)

    def batches(self, device: torch.device) -> Iterator[Batch]:
        # Measuring keeps no gradients, so it can take larger batches than training.
        for indices in torch.split(torch.arange(len(self)), 8 * self.batch_size):
            yield self.batch(indices, device)


def _random_states() -> dict[str, Any]:
    """Return the states of Python's, NumPy's and torch's generators as tensors and plain values."""
    states: dict[str, Any] = {"python": random.getstate(), "torch": torch.get_rng_state()}
    if (numpy := sys.modules.get("numpy")) is not None:
        kind, keys, *rest = numpy.random.get_state()
        states["numpy"] = (str(kind), torch.from_numpy(keys.astype("int64")), *map(float, rest))
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state_all()
    return states


def _set_random_states(states: dict[str, Any]) -> None:
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
    torch.set_rng_state(states["torch"])
    if "numpy" in states and (numpy := sys.modules.get("numpy")) is not None:
        kind, keys, position, has_gauss, cached = states["numpy"]
        numpy.random.set_state((kind, keys.numpy().astype("uint32"), int(position), int(has_gauss), cached))
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(states["cuda"])
