"""TorchTask: a PyTorch training as a task that finding and comparing can begin, save and go on with."""

from __future__ import annotations

import copy
import operator
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from ratesmith._checks import Option, OptionTypeError, OptionValueError, whole
from ratesmith._random_states import random_states, seed_all, set_random_states
from ratesmith.torch.array_data import as_tensors
from ratesmith.torch.data import Data, DrawnData, FunctionData, LoaderData, data_of
from ratesmith.torch.group_rates import GroupRates, optimizers_of
from ratesmith.torch.loop_options import LoopOptions
from ratesmith.torch.loss_module import load_trained_state, own_loss, trained_state
from ratesmith.torch.optimizer_modes import switch
from ratesmith.torch.training import Loop


@dataclass(frozen=True, kw_only=True, repr=False)
class TorchTask:
    """A PyTorch training, made of the parts that a loop of one's own has.

    `model()` makes the model and `optimizer(model)` its optimizer, whose own rate is the base rate; both are called
    anew for each run. Several optimizers may be given in a list. The rate of the first parameter group that has one is
    set, and all others keep their ratio to it.

    `train`, `validation` and `test` are a DataLoader or another loader, which is used as it is; tensors, NumPy arrays
    or tables `(inputs, ..., targets)` or a dataset with a length, drawn in batches of `batch_size` in an order that the
    seed and the epoch decide; or a function that returns a batch, such as `get_batch`. An endless one needs
    `steps_per_epoch`, and a function to measure with `validation_batches`, the number of its calls.

    A batch that is a dict goes to the model by name. Of a tuple the last part is the target. `forward(model, batch)`
    is for whatever else. `loss` is a function of `(output, target)`, or of `(model, batch)` if its parameters are
    called so; None is the loss that the model returns itself: `.loss`, `["loss"]` or the number in `(logits, loss)`.
    A loss with weights of its own, a Module, is copied for each run; the optimizer may hold its weights too.
    `metrics` are functions of the outputs and targets of the whole set, or objects with `update` and `compute`.
    A measured loss is the mean over `loss_weight`: "samples", "tokens" (targets other than -100), or what a function
    of the batch returns.

    With `folds`, and no `validation`, the training data is cut into so many parts. A run of a seed is measured on the
    part `seed % folds` and trained on the others, so runs are paired by fold. The data must be tensors or a dataset.
    `compare(folds=)` asks for the same of a task with validation data, which is joined to the training data first.

    `accumulate` batches make one update, clipped to the norm `clip_norm`. `autocast()` gives the context of mixed
    precision, `scaler()` a gradient scaler, `average(model)` a running average of the weights, which is measured in the
    model's place. `drop_last` leaves out an epoch's smaller last batch of tensors and datasets. `pretrained` says
    whether `model()` was trained before, which decides how a rate is found; None lets its first loss show it.

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
    optimizer: Callable[[Any], Any]
    loss: Callable[..., Any] | None = None
    train: Any
    validation: Any = None
    test: Any = None
    folds: int | None = None
    batch_size: int = 64
    drop_last: bool = False
    metrics: Mapping[str, Any] = field(default_factory=dict)
    forward: Callable[[Any, Any], Any] | None = None
    loss_weight: str | Callable[[Any], Any] = "samples"
    accumulate: int = 1
    clip_norm: float | None = None
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext
    scaler: Callable[[], Any] | None = None
    average: Callable[[Any], Any] | None = None
    steps_per_epoch: int | None = None
    validation_batches: int | None = None
    pretrained: bool | None = None
    _loaders: dict[int, LoaderData] = field(default_factory=dict, init=False, repr=False, compare=False)
    _tensors: dict[int, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    _joined: dict[str, DrawnData] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy in another process needs: not the places of trainings in this one."""
        return {**vars(self), "_loaders": {}, "_tensors": {}, "_joined": {}}

    def __repr__(self) -> str:
        """Return what it trains on in one line, without the data."""
        train, measured = self.split(0)
        metrics = ", ".join(["loss", *self.metrics])
        batches, to_measure = train.batches or "endless", measured.batches or self.validation_batches
        return f"<TorchTask: batches an epoch: {batches}, to measure: {to_measure}, metrics: {metrics}>"

    def __post_init__(self) -> None:
        """Refuse options that cannot be, and data that nothing can be drawn from."""
        self._check_parts()
        self.options()
        if self.pretrained is not None and not isinstance(self.pretrained, bool):
            raise OptionTypeError(
                "TorchTask: ",
                Option("pretrained"),
                f" must be True, False or None, got {self.pretrained!r}; the model itself is what model() returns",
            )
        train, measured = self.split(0)
        if train.batches == 0 and isinstance(train, DrawnData):
            raise OptionValueError(
                "TorchTask: ",
                Option("train"),
                f" must hold at least one batch of {self.batch_size}, got fewer samples; give more data or a smaller "
                "batch_size",
            )
        if measured.batches == 0:
            raise OptionValueError(
                "TorchTask: ", Option("validation"), " must not be empty, got 0 samples; give validation data"
            )
        if self.validation_batches is not None:
            whole("TorchTask", "validation_batches", self.validation_batches, least=1)
        elif isinstance(measured, FunctionData):
            raise OptionValueError(
                "TorchTask: ",
                Option("validation_batches"),
                " must be given for a function, got none; say on how many of its batches to measure",
            )
        if self.steps_per_epoch is not None:
            whole("TorchTask", "steps_per_epoch", self.steps_per_epoch, least=1)
        elif train.batches is None:
            raise OptionValueError(
                "TorchTask: ",
                Option("steps_per_epoch"),
                " must be given for data without a length, got none; say how many updates count as an epoch",
            )

    def _check_parts(self) -> None:
        """Refuse parts that are not what makes them, with what to write."""
        makers = {
            "model": (self.model, nn.Module, "a function that returns a new model", "write lambda: Net()"),
            "optimizer": (
                self.optimizer,
                torch.optim.Optimizer,
                "a function of the model that returns its optimizer",
                "write lambda model: torch.optim.SGD(model.parameters(), lr=0.1)",
            ),
            "scaler": (self.scaler, torch.amp.GradScaler, "a function that returns a new scaler", "give its class"),
            "average": (
                self.average,
                torch.optim.swa_utils.AveragedModel,
                "a function of the model that returns its average",
                "write lambda model: AveragedModel(model)",
            ),
        }
        for name, (given, kind, must, remedy) in makers.items():
            # A class of models is such a function; one of optimizers wants the weights, and not the model.
            ready_made = isinstance(given, kind) or (
                name == "optimizer" and isinstance(given, type) and issubclass(given, torch.optim.Optimizer)
            )
            if given is not None and (ready_made or not callable(given)):
                what = given.__name__ if isinstance(given, type) else type(given).__name__
                raise OptionTypeError("TorchTask: ", Option(name), f" must be {must}, got {what}; {remedy}")

    def options(self) -> LoopOptions:
        """Return what decides how an update is made and a loss measured."""
        return LoopOptions(
            who="TorchTask",
            loss=self.loss,
            forward=self.forward,
            metrics=self.metrics,
            loss_weight=self.loss_weight,
            accumulate=self.accumulate,
            clip_norm=self.clip_norm,
            autocast=self.autocast,
        )

    def data(self, given: Any, name: str) -> Data:
        """Return the batches of a split; of one loader, always the same object, which knows whose turn it is."""
        if isinstance(given, DrawnData):  # one part of a fold
            return given
        if id(given) in self._loaders:
            return self._loaders[id(given)]
        if id(given) not in self._tensors:  # made once of arrays and tables, and not at each start
            self._tensors[id(given)] = as_tensors(given, "TorchTask", name)
        data = data_of(
            self._tensors[id(given)],
            "TorchTask",
            name,
            batch_size=self.batch_size,
            drop_last=self.drop_last and name == "train",
        )
        if isinstance(data, LoaderData):
            self._loaders[id(given)] = data
        return data

    def split(self, seed: int) -> tuple[Data, Data]:
        """Return the data that a run of this seed is trained on, and that it is measured on."""
        train = self.data(self.train, "train")
        if self.folds is None:
            return train, self.data(self.validation, "validation")
        if self.validation is not None:
            raise OptionValueError(
                "TorchTask: ", Option("folds"), " take the place of validation data, got both; give one of them"
            )
        if not isinstance(train, DrawnData):
            raise OptionTypeError(
                "TorchTask: ",
                Option("train"),
                f" must be tensors or a dataset to be cut into folds, got {type(self.train).__name__}; give these",
            )
        return _cut(train, seed, self.folds)

    def fold(self, index: int, folds: int) -> Self:
        """Return the task that is measured on one of so many parts of the data, and trained on the others.

        The data is that of `train` and `validation` together. Classes are spread evenly over the parts, if the targets
        are class indices. `test` stays as it is. Raise OptionError for data that cannot be cut.
        """
        if "all" not in self._joined:
            self._joined["all"] = self._all_data()
        train, validation = _cut(self._joined["all"], index, folds)
        return self._changed(train=train, validation=validation, folds=None)

    def _all_data(self) -> DrawnData:
        """Return training and validation data as one."""
        splits = (
            {"train": self.train} if self.folds is not None else {"train": self.train, "validation": self.validation}
        )
        data = {name: self.data(given, name) for name, given in splits.items()}
        drawn = [each for each in data.values() if isinstance(each, DrawnData)]
        if len(drawn) < len(data):
            name = next(name for name, each in data.items() if not isinstance(each, DrawnData))
            got, do = f"{name} as {type(splits[name]).__name__}", "give these"
        else:
            try:
                return drawn[0].joined(drawn[1:])
            except ValueError as error:
                got, do = str(error), "give both in one form"
        raise OptionTypeError(
            "TorchTask: ",
            Option("folds"),
            " needs training and validation data that can be joined and cut (tensors, arrays, datasets), "
            f"got {got}; {do}",
        )

    def with_optimizer(self, optimizer: Callable[[Any], Any]) -> Self:
        """Return the same task with another optimizer: a function of the model, as `optimizer` is."""
        return self._changed(optimizer=optimizer)

    def _changed(self, **parts: Any) -> Self:
        """Return the task with other parts; loaders stay the same objects, each of which knows whose turn it is."""
        changed = replace(self, **parts)
        for name in ("_loaders", "_tensors", "_joined"):
            object.__setattr__(changed, name, getattr(self, name))
        return changed

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


def _cut(data: DrawnData, index: int, folds: Any) -> tuple[DrawnData, DrawnData]:
    """Return the samples outside the part `index % folds`, and those in it."""
    folds = whole("TorchTask", "folds", folds, least=2)
    if data.samples < folds:
        raise OptionValueError(
            "TorchTask: ",
            Option("folds"),
            f" must be at most the number of samples, got {folds} for {data.samples}; give fewer",
        )
    return data.cut(index % folds, folds, held_out=False), data.cut(index % folds, folds, held_out=True)


_STARTED: weakref.WeakValueDictionary[int, Tensor] = weakref.WeakValueDictionary()
"""The parameters of all trainings that are still alive, by identity."""


class TorchTraining:
    """One PyTorch training in progress."""

    def __init__(self, task: TorchTask, seed: int) -> None:
        """Seed everything, then make the model, its optimizer and the rest, in the order of a usual script."""
        self._task, self._seed = task, operator.index(seed)
        seed = self._seed
        seed_all(seed)
        self._model = task.model()
        for parameter in self._model.parameters():
            if _STARTED.get(id(parameter)) is parameter:
                raise ValueError(
                    "TorchTask: model() must make a new model at each call, got parameters that another run has "
                    "trained; build the model inside the function, or give copy.deepcopy of it"
                )
            _STARTED[id(parameter)] = parameter
        optimizers = optimizers_of(task.optimizer(self._model), "TorchTask")
        GroupRates("TorchTask", optimizers)  # says what is wrong with them
        options = task.options()
        loss, self._loss_module = own_loss(options.loss, optimizers)
        self._refuse_shared_weights(optimizers)
        self._loop = Loop(
            replace(options, loss=loss),
            self._model,
            optimizers,
            scaler=task.scaler() if task.scaler is not None else None,
            average=task.average(self._model) if task.average is not None else None,
        )
        train = self._take_data(seed)
        self.base_lr = self._loop.rates.base_lr
        self.group_lrs = self._loop.rates.by_name
        self.steps_per_epoch = task.steps_per_epoch or max(1, (train.batches or 1) // task.accumulate)
        self._position = train.begin(seed)
        if not self._model.training:  # else parts that the function has frozen in evaluation stay so
            self._model.train()
        for optimizer in self._loop.optimizers:
            switch(optimizer, "train")

    def _refuse_shared_weights(self, optimizers: Sequence[Any]) -> None:
        """Refuse weights of an optimizer that are made neither with the model nor with the loss: runs share them."""
        modules = [self._model, *([] if self._loss_module is None else [self._loss_module])]
        of_this_run = {id(weight) for module in modules for weight in module.parameters()}
        groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        for weight in (weight for group in groups for weight in group["params"]):
            if id(weight) not in of_this_run and _STARTED.get(id(weight)) is weight:
                raise ValueError(
                    "TorchTask: an optimizer must hold weights of the model or of loss=, got some that another run has "
                    "trained; give the loss that has them as loss=, or make them in model()"
                )
            _STARTED[id(weight)] = weight

    def _take_data(self, seed: int) -> Data:
        """Take the data of a seed to measure on, and return that to train on."""
        train, validation = self._task.split(seed)
        self._measured = {"validation": validation}
        if self._task.test is not None:
            self._measured["test"] = self._task.data(self._task.test, "test")
        return train

    @property
    def began_below_chance(self) -> bool:
        """Whether the first loss was far below that of a guess, so that the model was trained before."""
        return bool(self._loop.began_below_chance)

    def step(self, lr: float) -> float:
        """Make one optimizer update at this rate and return the training loss before it."""
        return self._loop.step(lr, self._position.next)

    def evaluate(self, split: str = "validation") -> dict[str, float]:
        """Measure the loss and the metrics over a split; flags and random states are put back afterwards."""
        if split not in self._measured:
            raise OptionValueError(
                "TorchTask: ",
                Option("split"),
                f" must be one that the task has data for, got {split!r}; give {split}=",
            )
        return self._loop.measure(self._measured[split].measured(), self._task.validation_batches)

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of the model, the loss's weights, the optimizers, the place in the data and all random states.

        Of the model: parameters, buffers (those that torch's own state leaves out too), and the flags `training` and
        `requires_grad`; of the optimizers: their states and groups. Plain Python attributes that a model or an
        optimizer changes while it trains are not among them.
        """
        loop = self._loop
        model = copy.deepcopy(self._model.state_dict())
        hidden = {name: buffer for name, buffer in self._model.named_buffers() if name not in model}
        held = {
            id(weight)
            for optimizer in loop.optimizers
            for group in optimizer.param_groups
            for weight in group["params"]
        }
        loose = [None if id(weight) in held else weight.grad for weight in self._model.parameters()]
        return {
            "seed": self._seed,
            "model": model,
            "buffers": {name: buffer.detach().clone() for name, buffer in hidden.items()},
            "training": [module.training for module in self._model.modules()],
            "requires_grad": [parameter.requires_grad for parameter in self._model.parameters()],
            # Gradients that no optimizer sets to zero pile up, and count where gradients are clipped.
            "loose_gradients": [None if grad is None else grad.clone() for grad in loose],
            "optimizers": [_plain(copy.deepcopy(optimizer.state_dict())) for optimizer in loop.optimizers],
            "scaler": loop.scaler.state_dict() if loop.scaler else None,
            "average": copy.deepcopy(loop.average.state_dict()) if loop.average is not None else None,
            "loss": None if self._loss_module is None else trained_state(self._loss_module),
            "data": self._position.state_dict(),
            "random": random_states(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state, bit for bit."""
        loop = self._loop
        self._model.load_state_dict(state["model"])
        for module, flag in zip(self._model.modules(), state["training"], strict=True):
            module.training = flag
        for parameter, flag in zip(self._model.parameters(), state["requires_grad"], strict=True):
            parameter.requires_grad_(flag)
        for parameter, gradient in zip(self._model.parameters(), state["loose_gradients"], strict=True):
            parameter.grad = None if gradient is None else gradient.to(parameter.device, copy=True)
        buffers = dict(self._model.named_buffers())
        for name, buffer in state["buffers"].items():
            buffers[name].copy_(buffer)
        for optimizer, saved in zip(loop.optimizers, state["optimizers"], strict=True):
            _load_optimizer(optimizer, copy.deepcopy(saved))
        if loop.scaler:
            loop.scaler.load_state_dict(state["scaler"])
        if loop.average is not None:
            loop.average.load_state_dict(state["average"])
        if self._loss_module is not None:
            load_trained_state(self._loss_module, state["loss"])
        if self._task.folds is not None and state["seed"] != self._seed:
            self._position = self._take_data(state["seed"]).begin(state["seed"])
        self._seed = state["seed"]
        self._position.load_state_dict(state["data"])
        set_random_states(state["random"])


def _load_optimizer(optimizer: Any, state: dict[str, Any]) -> None:
    optimizer.load_state_dict(state)
    # torch casts what it loads to the parameter's type; a state kept wider has to stay so, to go on bit for bit.
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for index, saved in state["state"].items():
        if not isinstance(index, int) or not isinstance(saved, dict):  # of the optimizer as a whole
            continue
        own = optimizer.state[parameters[index]]
        for name, value in saved.items():
            if isinstance(value, Tensor) and name in own and own[name].dtype != value.dtype:
                own[name] = value.to(own[name].device)


def _plain(value: Any) -> Any:
    """Return NumPy numbers as Python's, in dicts and lists too, so that the file can be read as data alone."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(inner) for inner in value)
    return value.item() if hasattr(value, "item") and not isinstance(value, Tensor) else value
