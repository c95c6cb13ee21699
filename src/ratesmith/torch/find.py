"""Finding a rate for a model that is there already, in a notebook or a script, without leaving a trace."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import SequentialSampler

from ratesmith import finder
from ratesmith._checks import whole
from ratesmith.finder import FinderError, FinderResult
from ratesmith.torch.loop import seed_all, set_rates, switch
from ratesmith.torch.snapshot import Snapshot

Loss = Callable[[Any, Any], Tensor]


def find(
    model: nn.Module,
    optimizer: Optimizer,
    loss: Loss | None,
    train: Iterable[Any],
    *,
    validation: Iterable[Any] | None = None,
    metrics: Mapping[str, Callable[[Any, Any], Any]] | None = None,
    accumulate: int = 1,
    scaler: Any = None,
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
    method: str = "sweep",
    **options: Any,
) -> FinderResult:
    """Suggest an initial rate for a model and optimizer as they stand, and leave both exactly as they were.

    `train` is a loader of batches; one shorter than the search begins again. For a pair the loss is
    `loss(model(inputs), targets)`; for a dict `loss(model(**batch), batch)`, or the output's own "loss" where `loss` is
    None; for anything else `loss(model(batch), batch)`. Batches go to the model's device. `accumulate` batches make one
    update; `scaler` and `autocast`, a function that gives the context, are for mixed precision. `method` and `options`
    are those of ratesmith.find; "race" and "grid" need `validation`, and measure `metrics`, functions like `loss`,
    beside the loss.

    Afterwards, whether it ended well, with an error or by Ctrl-C, all is as before, bit for bit: parameters, buffers,
    gradients, optimizer, scaler, flags, random states, and the loader's generators. Raises TypeError for an optimizer
    that wants a closure, FinderError where the loader gives nothing.

    >>> from torch.utils.data import DataLoader, TensorDataset
    >>> inputs = torch.linspace(-1, 1, 64)[:, None]
    >>> data = TensorDataset(inputs, 2 * inputs + 1)
    >>> model = nn.Linear(1, 1)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> found = find(model, optimizer, nn.functional.mse_loss, DataLoader(data, batch_size=8), seeds=[0])
    >>> 1e-3 < found.suggestion < 1
    True
    """
    if isinstance(optimizer, torch.optim.LBFGS):
        raise TypeError(
            "find: optimizer must update from one gradient, got LBFGS, which calls the model several times; "
            "its rate is a first guess of its line search, so leave it at 1"
        )
    if isinstance(train, Iterator):
        raise TypeError(
            "find: train must be a loader that can begin again, got an iterator, whose place could not be put back; "
            "give the loader itself"
        )
    optimizer = getattr(optimizer, "optimizer", optimizer)  # as Accelerate wraps it
    for name, value, kind in (("model", model, nn.Module), ("optimizer", optimizer, Optimizer)):
        if not isinstance(value, kind):
            raise TypeError(f"find: {name} must be a torch {kind.__name__}, got {type(value).__name__}; give one")
    if not isinstance(train, Iterable):
        raise TypeError(f"find: train must be a loader of batches, got {type(train).__name__}; give one")
    accumulate = whole("find", "accumulate", accumulate, least=1)
    scaler = scaler if scaler is not None and scaler.is_enabled() else None
    loaders: list[Any] = [loader for loader in (train, validation) if loader is not None]
    task = _ModelTask(model, optimizer, loss, train, validation, metrics or {}, accumulate, scaler, autocast)
    with finder.preserve_rng_state():
        task.snapshot = Snapshot(model, optimizer, scaler, tuple(_generators(loaders)))
        persistent = [loader for loader in loaders if hasattr(loader, "_iterator")]
        workers = [loader._iterator for loader in persistent]
        try:
            task.stop()
            found = finder.find(task, method=method, **options)
        finally:
            task.stop()
            for loader, iterator in zip(persistent, workers, strict=True):
                loader._iterator = iterator
            task.snapshot.close()
    fixed = isinstance(getattr(train, "sampler", None), SequentialSampler)
    return replace(found, flags=(*found.flags, "unshuffled")) if fixed else found


class _ModelTask:
    """The same model trained again and again from where it stands; it is a task as finding needs one."""

    snapshot: Snapshot
    running: _ModelTraining | None = None

    def __init__(self, model: nn.Module, optimizer: Optimizer, loss: Loss | None, train: Any, *more: Any) -> None:
        self.model, self.optimizer, self.loss, self.train = model, optimizer, loss, train
        self.validation, self.metrics, self.accumulate, self.scaler, self.autocast = more

    def start(self, seed: int) -> _ModelTraining:
        """Go back to where the model stood, with another order of the data."""
        self.stop()
        self.snapshot.restore()
        seed_all(seed)
        for generator in _generators([self.train]):
            generator.manual_seed(seed)
        self.running = _ModelTraining(self)
        return self.running

    def stop(self) -> None:
        """End the loader's workers of the training before."""
        if self.running is not None:
            self.running.batches.close()
            self.running = None
        for loader in (self.train, self.validation):
            if getattr(loader, "_iterator", None) is not None:
                loader._iterator = None


class _ModelTraining:
    def __init__(self, task: _ModelTask) -> None:
        self._task = task
        rates = [float(group["lr"]) for group in task.optimizer.param_groups]
        if not rates[0] > 0:
            raise ValueError(
                f"find: the first parameter group's rate must be above 0, got {rates[0]!r}; "
                "look before a scheduler with a warm-up is made: it has set the rate of its first step"
            )
        self.base_lr = rates[0]
        self._ratios = [rate / rates[0] for rate in rates]
        self._device = next((weight.device for weight in task.model.parameters()), torch.device("cpu"))
        self.batches = self._cycle()
        self.steps_per_epoch = max(1, _length(task.train) // task.accumulate)
        if not task.model.training:
            task.model.train()
        self._flags = [(module, module.training) for module in task.model.modules()]  # a frozen part stays so
        self._switch("train")

    def _switch(self, to: str) -> None:
        """Put the model, and an optimizer that has two modes, into training or evaluation."""
        switch(self._task.optimizer, to)
        if to == "eval":
            self._task.model.eval()
            return
        for module, flag in self._flags:
            module.training = flag

    def _cycle(self) -> Generator[Any, None, None]:
        while True:
            empty = True
            for batch in self._task.train:
                empty = False
                yield batch
            if empty:
                raise FinderError("find: train must give at least one batch, got none; give data")

    def step(self, lr: float) -> float:
        """Make one update from one or more batches; where gradients are scaled, an update may be skipped."""
        task = self._task
        set_rates(task.optimizer, [lr * ratio for ratio in self._ratios])
        task.optimizer.zero_grad()
        total = 0.0
        for _ in range(task.accumulate):
            with task.autocast():
                loss = _measured(task.loss, *self._output(next(self.batches))) / task.accumulate
            (task.scaler.scale(loss) if task.scaler else loss).backward()
            total += float(loss.detach())
        if task.scaler:
            task.scaler.step(task.optimizer)
            task.scaler.update()
        else:
            task.optimizer.step()
        return total if math.isfinite(total) and self._weights_finite() else math.nan

    def _weights_finite(self) -> bool:
        """Whether the update left the first weights finite; a broken one spreads to all within an update."""
        first = self._task.optimizer.param_groups[0]["params"][:1]
        return all(bool(torch.isfinite(weight).all()) for weight in first)

    def evaluate(self, split: str = "validation") -> dict[str, float]:
        """Measure the mean over the batches of the validation loader, each weighted by its size."""
        task = self._task
        if task.validation is None:
            raise FinderError("find: validation must be given to race or to train a grid, got none; give a loader")
        sums: dict[str, float] = dict.fromkeys(("loss", *task.metrics), 0.0)
        count = 0
        self._switch("eval")
        with torch.no_grad(), task.autocast():
            for batch in task.validation:
                size = _size(batch)
                count += size
                output, target = self._output(batch)
                for name, function in (("loss", task.loss), *task.metrics.items()):
                    sums[name] += size * float(_measured(function, output, target))
        self._switch("train")
        if not count:
            raise FinderError("find: validation must give at least one batch, got none; give data")
        return {name: total / count for name, total in sums.items()}

    def _output(self, batch: Any) -> tuple[Any, Any]:
        """Return the model's output for a batch of any kind, and what it is compared with."""
        batch = _to(batch, self._device)
        if isinstance(batch, Mapping):
            return self._task.model(**batch), batch
        if isinstance(batch, (tuple, list)) and len(batch) == 2:
            return self._task.model(batch[0]), batch[1]
        return self._task.model(batch), batch


def _measured(function: Loss | None, output: Any, target: Any) -> Any:
    """Return the loss, or a metric; without a function the output's own loss."""
    if function is not None:
        return function(output, target)
    own = output.get("loss") if isinstance(output, Mapping) else getattr(output, "loss", None)
    if not isinstance(own, Tensor):
        raise TypeError(
            f"find: loss must be given where the model gives none, got output {type(output).__name__}; "
            "give a function of output and target"
        )
    return own


def _to(batch: Any, device: torch.device) -> Any:
    if isinstance(batch, Mapping):
        return {key: _to(value, device) for key, value in batch.items()}
    if isinstance(batch, (tuple, list)):
        return [_to(value, device) for value in batch]
    return batch.to(device) if hasattr(batch, "to") else batch


def _size(batch: Any) -> int:
    """Return the number of samples in a batch: the length of its first tensor."""
    if isinstance(batch, Mapping):
        return _size(next(iter(batch.values())))
    if isinstance(batch, (tuple, list)):
        return _size(batch[0])
    return len(batch) if isinstance(batch, Tensor) and batch.dim() else 1


def _length(loader: Any) -> int:
    """Return the number of batches, or 1 where a loader does not know it."""
    try:
        return len(loader)
    except TypeError:
        return 1


def _generators(loaders: Iterable[Any]) -> Iterator[torch.Generator]:
    """Return the generators of their own that loaders and their samplers draw the order from."""
    seen: set[int] = set()
    holders: list[Any] = list(loaders)
    while holders:
        holder = holders.pop()
        if holder is None or id(holder) in seen:
            continue
        seen.add(id(holder))
        if isinstance(holder, torch.Generator):
            yield holder
        else:
            holders += [getattr(holder, name, None) for name in ("generator", "sampler", "batch_sampler")]
