"""Finding a rate for a model that is there already, in a notebook or a script, without leaving a trace."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ratesmith import finder
from ratesmith._checks import Option, OptionTypeError, OptionValueError
from ratesmith._random_states import preserve_rng_state, seed_all
from ratesmith._text import shortened
from ratesmith.finder import FinderError, FinderResult
from ratesmith.task import is_out_of_memory
from ratesmith.torch.batch import first_tensor
from ratesmith.torch.counting import has_users_hooks
from ratesmith.torch.data import (
    Data,
    FunctionData,
    LoaderData,
    Position,
    data_of,
    is_in_fixed_order,
    is_shuffled,
)
from ratesmith.torch.generators import generators_in, holders_in, kept_in_place
from ratesmith.torch.group_rates import GroupRates, optimizers_of
from ratesmith.torch.loop_options import LoopOptions
from ratesmith.torch.loss_module import module_of
from ratesmith.torch.metrics import agree_on_every_rank
from ratesmith.torch.optimizer_modes import switch
from ratesmith.torch.snapshot import Snapshot
from ratesmith.torch.training import Loop


def find(
    model: nn.Module,
    optimizer: Any,
    loss: Callable[..., Any] | None,
    train: Any,
    *,
    validation: Any = None,
    metrics: Mapping[str, Any] | None = None,
    forward: Callable[[Any, Any], Any] | None = None,
    loss_weight: str | Callable[[Any], Any] = "samples",
    accumulate: int = 1,
    clip_norm: float | None = None,
    scaler: Any = None,
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
    average: Any = None,
    search: Any = None,
    batch_size: int = 64,
    drop_last: bool = False,
    steps_per_epoch: int | None = None,
    validation_batches: int | None = None,
    pretrained: bool | None = None,
    method: str | None = None,
    **options: Any,
) -> FinderResult:
    """Suggest an initial rate for a model and optimizer as they stand, and leave both exactly as they were.

    `train` is a loader of batches, used as it is; or tensors or a dataset, drawn in batches of `batch_size`; or a
    function that returns a batch. How a batch becomes a loss, and what `loss`, `metrics`, `forward`, `loss_weight`,
    `accumulate` and `clip_norm` mean, is as in TorchTask. `scaler`, `autocast` (a function that gives the context) and
    `average`, a running average of the weights that is measured in the model's place, are the very ones of the training
    to come. Of several optimizers, given in a list or a dict, all rates keep their ratio; or `search` is the place or
    name of the one whose rate is searched, and the others keep theirs.

    Rates are judged by `validation`, after short trainings of the model itself. Without it they are judged by their
    last training losses, which errs more, and the result says so; `steps`, a grid and another metric need it.

    `pretrained` says that the model was trained before; None looks whether its first loss is far below chance. What a
    rate makes such a model forget is seen on `validation` alone: without it the result is flagged.

    `method` and `options` are those of ratesmith.find. Under torch.distributed every rank calls this, and all decide by
    the mean of their losses.

    Afterwards, whether it ended well, with an error or by Ctrl-C, all is as before, bit for bit: parameters, buffers,
    gradients, optimizer, scaler, flags, random states, and the loader's generators. Raises TypeError for an optimizer
    that wants a closure, ValueError where the loader gives nothing, MemoryError if memory does not suffice.

    >>> from torch.utils.data import DataLoader, TensorDataset
    >>> inputs = torch.linspace(-1, 1, 64)[:, None]
    >>> data = TensorDataset(inputs, 2 * inputs + 1)
    >>> model = nn.Linear(1, 1)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> result = find(model, optimizer, nn.functional.mse_loss, DataLoader(data, batch_size=8), seeds=[0])
    >>> 1e-3 < result.suggestion < 1
    True
    """
    if not isinstance(model, nn.Module):
        raise OptionTypeError(
            "find: ", Option("model"), f" must be a torch Module, got {type(model).__name__}; give one"
        )
    optimizers = optimizers_of(optimizer, "find")
    led_by = _searched(search, optimizer, optimizers)
    loop_options = LoopOptions(
        who="find",
        loss=loss,
        forward=forward,
        metrics=metrics or {},
        loss_weight=loss_weight,
        accumulate=accumulate,
        clip_norm=clip_norm,
        autocast=autocast,
    )
    GroupRates("find", optimizers, led_by)  # says what is wrong with them before anything is touched
    training_data = data_of(train, "find", "train", batch_size=batch_size, drop_last=drop_last)
    measured: Data | None = None
    if validation is not None:
        measured = data_of(validation, "find", "validation", batch_size=batch_size)
        measured = training_data if validation is train and isinstance(measured, LoaderData) else measured
    if isinstance(measured, FunctionData) and validation_batches is None:
        raise OptionValueError(
            "find: ",
            Option("validation_batches"),
            " must be given for a function, got none; say on how many of its batches to measure",
        )
    if training_data.batches == 0:
        raise OptionValueError("find: ", Option("train"), " must give at least one batch, got none; give data")
    asleep = any(map(has_users_hooks, optimizers))
    loaders = [data.loader for data in (training_data, measured) if isinstance(data, LoaderData)]

    def loop() -> Loop:
        return Loop(loop_options, model, optimizers, scaler=scaler, average=average, led_by=led_by)

    task = _ModelTask(loop, training_data, measured, steps_per_epoch, validation_batches)
    modules = [part for part in (model, average, module_of(loss)) if isinstance(part, nn.Module)]
    sources = [data.source for data in (training_data, measured) if data is not None]
    with preserve_rng_state(), kept_in_place(sources):
        own_scaler = scaler if scaler is not None and scaler.is_enabled() else None
        task.snapshot = _snapshot(modules, optimizers, own_scaler, tuple(generators_in(sources)))
        epochs = [
            (holder, holder.epoch)
            for holder in holders_in(sources)
            if hasattr(holder, "set_epoch") and isinstance(getattr(holder, "epoch", None), int)
        ]
        persistent = [(loader, loader._iterator) for loader in loaders if hasattr(loader, "_iterator")]
        try:
            for loader, _ in persistent:
                loader._iterator = None
            result = finder.find(task, method=method, pretrained=pretrained, **options)
            if isinstance(training_data, (LoaderData, FunctionData)) and not is_shuffled(train):
                task.look_at_another_order()
        finally:
            task.stop()
            for loader, iterator in persistent:
                loader._iterator = iterator
            for holder, epoch in epochs:
                holder.set_epoch(epoch)
            task.snapshot.close()
    fixed = is_in_fixed_order(train) or task.saw_one_order
    return result.flagged({"unshuffled": fixed, "hooks_asleep": asleep})


def _snapshot(*parts: Any) -> Snapshot:
    """Return a Snapshot; if memory does not suffice for its copies, say so in one line."""
    try:
        return Snapshot(*parts)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        message = shortened(error)
    raise MemoryError(
        f"find: memory must suffice for a copy of the model and of what its optimizer keeps, got {message}; free some, "
        "or look before the optimizer's first update, when it keeps nothing"
    )


class _ModelTask:
    """The same model trained again and again from where it stands; it is a task as finding needs one."""

    snapshot: Snapshot
    running: _ModelTraining | None = None

    def __init__(
        self, loop: Callable[[], Loop], train: Data, validation: Data | None, epoch: int | None, measured: int | None
    ) -> None:
        self.loop, self.train, self.validation = loop, train, validation
        self.epoch, self.measured_batches = epoch, measured
        self.can_measure = validation is not None
        self.first_batches: dict[int, Tensor] = {}
        """The first tensor that each seed's training saw."""

    def start(self, seed: int) -> _ModelTraining:
        """Go back to where the model stood, with another order of the data."""
        self.stop()
        self.snapshot.restore()
        seed_all(seed)
        self.running = _ModelTraining(self, seed)
        return self.running

    def stop(self) -> None:
        """End the loader's workers of the training before."""
        if self.running is not None:
            self.running.position.close()
            self.running = None

    def look_at_another_order(self) -> None:
        """Draw the first batch of another seed, if all trainings had the same: it tells whether a seed changes any."""
        if len(self.first_batches) == 1:
            self.start(1 + next(iter(self.first_batches))).draw()

    @property
    def saw_one_order(self) -> bool:
        """Whether several seeds began with the very same batch, though an epoch has more than one."""
        first, *others = self.first_batches.values() or [torch.empty(0)]
        several = self.train.batches is None or self.train.batches > 1
        return bool(others) and several and all(torch.equal(first, other) for other in others)


class _ModelTraining:
    def __init__(self, task: _ModelTask, seed: int) -> None:
        self._task, self._seed = task, seed
        self._loop = task.loop()
        self.base_lr = self._loop.rates.base_lr
        self.group_lrs = self._loop.rates.by_name
        self.position: Position = task.train.begin(seed)
        self.steps_per_epoch = task.epoch or max(1, (task.train.batches or 1) // self._loop.options.accumulate)
        groups = (group for optimizer in self._loop.optimizers for group in optimizer.param_groups)
        trained = (weight for group in groups for weight in group["params"] if weight.requires_grad)
        self._first_weight: Tensor | None = next(trained, None)
        model = self._loop.model
        if not model.training:  # else parts that were frozen in evaluation stay so
            model.train()
        for optimizer in self._loop.optimizers:
            switch(optimizer, "train")

    @property
    def began_below_chance(self) -> bool:
        """Whether the first loss was far below that of a guess."""
        return bool(self._loop.began_below_chance)

    def step(self, lr: float) -> float:
        """Make one update; where gradients are scaled, it may be skipped."""
        loss = self._loop.step(lr, self.draw)
        loss = loss if math.isfinite(loss) and self._weights_finite() else math.nan
        return agree_on_every_rank({"loss": loss})["loss"]

    def draw(self) -> Any:
        """Return the next batch; the first one is remembered."""
        batch = self.position.next()
        if self._seed not in self._task.first_batches and (tensor := first_tensor(batch)) is not None:
            self._task.first_batches[self._seed] = tensor.detach().clone()
        return batch

    def _weights_finite(self) -> bool:
        """Whether the update left the first trained weight finite; a broken one spreads to all within an update."""
        return self._first_weight is None or bool(torch.isfinite(self._first_weight).all())

    def evaluate(self, split: str = "validation") -> dict[str, float]:
        """Measure over the validation set."""
        if self._task.validation is None:
            raise FinderError("find: validation must be given to race or to train a grid, got none; give a loader")
        return agree_on_every_rank(self._loop.measure(self._task.validation.measured(), self._task.measured_batches))


def _searched(search: Any, given: Any, optimizers: list[Any]) -> Optimizer | None:
    """Return the optimizer whose rate is searched; None if all rates are moved together."""
    if search is None:
        return None
    named = dict(zip(given, optimizers, strict=True)) if isinstance(given, Mapping) else dict(enumerate(optimizers))
    if search not in named:
        raise OptionValueError(
            "find: ",
            Option("search"),
            f" must be the place or name of an optimizer, got {search!r}; known: {', '.join(map(str, named))}",
        )
    chosen: Optimizer = named[search]
    return chosen
