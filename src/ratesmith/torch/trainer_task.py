"""A trainer's own training as a task for a finder: begun again and again from where its model stands."""

from __future__ import annotations

import abc
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from ratesmith._random_states import preserve_rng_state, seed_all
from ratesmith.finder import FinderError
from ratesmith.torch.counting import has_users_hooks
from ratesmith.torch.generators import generators_in, seeded_state, set_state
from ratesmith.torch.group_rates import GroupRates
from ratesmith.torch.manual_rates import set_rates
from ratesmith.torch.metrics import agree_on_every_rank
from ratesmith.torch.paused import PausedLoop
from ratesmith.torch.snapshot import Snapshot, uninterrupted


@dataclass(frozen=True)
class Ready:
    """What a trainer's loop says before its first update."""

    rates: GroupRates
    steps_per_epoch: int


class TrainerTask(abc.ABC):
    """What every trainer's training has in common; `train` and `measure` are the trainer's own."""

    running: TrainerTraining | None = None

    def __init__(
        self, model: nn.Module, optimizers: Sequence[Optimizer], objects: Iterable[Any], loaders: Iterable[Any]
    ) -> None:
        """Take all that the training changes: `objects` have attributes, `loaders` generators."""
        self.model: Any = model
        self._optimizers = optimizers
        self.hooks_asleep = any(map(has_users_hooks, optimizers))
        """Whether functions of the user's, called after updates, are left out."""
        self._handles: list[Any] = []
        self._loaders = [loader for loader in loaders if isinstance(loader, DataLoader)]
        self._objects = [thing for thing in objects if hasattr(thing, "__dict__")]
        self._generators = tuple(generators_in(self._loaders))

    @abc.abstractmethod
    def train(self, seed: int, loop: PausedLoop) -> None:
        """Run the trainer's own loop, which pauses first with `Ready`, and then with the loss of each update."""

    @abc.abstractmethod
    def measure(self) -> Mapping[str, float]:
        """Return what the trainer's own evaluation measures."""

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep all that is, and put it back at the end, bit for bit, whatever happens."""
        with preserve_rng_state():
            self._devices = {weight.device for weight in self.model.parameters()}
            objects = [*self._objects, *self._loaders]
            self._snapshot = Snapshot((self.model,), self._optimizers, None, self._generators, objects)
            try:
                yield
            finally:
                with uninterrupted():
                    self._stop()
                    self._snapshot.close()

    def start(self, seed: int) -> TrainerTraining:
        """Go back to where the model stood, and begin with another order of the data."""
        self._stop()
        self._snapshot.restore()
        for loader in self._loaders:
            loader._iterator = None  # workers that stay are the user's
        for generator in self._generators:
            set_state(generator, seeded_state(generator, seed))
        seed_all(seed)
        self.running = TrainerTraining(self, PausedLoop(lambda loop: self.train(seed, loop)))
        return self.running

    def _stop(self) -> None:
        """End the training before, and bring the model back to its device; the rest is the Snapshot's."""
        if self.running is not None:
            self.running.loop.close()
            self.running = None
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        if len(self._devices) == 1:
            bring(self.model, *self._devices)

    def lead(self, optimizers: Sequence[Any], has_scheduler: bool, loop: PausedLoop) -> GroupRates:
        """Return the rates of the optimizers that the trainer made; at each update they are what `loop` is asked for.

        Where a scheduler has set the rate of its first step, the rate is what it left in the group as its base. Hooks
        after an update sleep, since schedulers count by them.
        """
        for optimizer in optimizers:
            groups = optimizer.param_groups
            if not groups or any("lr" not in group for group in groups):
                raise FinderError(
                    "find: there must be an optimizer with a rate, got none; see that the trainer is given one"
                )
            if has_scheduler:
                set_rates(optimizer, [group.get("initial_lr", group["lr"]) for group in groups])
        rates = GroupRates("find", optimizers)
        for optimizer in optimizers:
            self.hooks_asleep |= has_users_hooks(optimizer)
            optimizer._optimizer_step_post_hooks.clear()
            # A scheduler that is stepped just before an update would have the last word without this.
            self._handles.append(optimizer.register_step_pre_hook(lambda *_: rates.set(loop.rate)))
        return rates


def bring(model: nn.Module, device: torch.device) -> None:
    """Bring a model back to a device, if a trainer took it from there."""
    if any(weight.device != device for weight in model.parameters()):
        nn.Module.to(model, device)


class TrainerTraining:
    """One training of a trainer, which waits before each update."""

    def __init__(self, task: TrainerTask, loop: PausedLoop) -> None:
        """Begin it."""
        self._task, self.loop = task, loop
        task.running = self  # so that it is ended also if it fails to begin
        ready: Ready = loop.begin()
        self.base_lr, self.steps_per_epoch = ready.rates.base_lr, ready.steps_per_epoch
        self.group_lrs = ready.rates.by_name

    def step(self, lr: float) -> float:
        """Let the trainer make one update, and return its loss."""
        loss = float(self.loop.step(lr))
        return agree_on_every_rank({"loss": loss if math.isfinite(loss) else math.nan})["loss"]

    def evaluate(self, split: str = "validation") -> dict[str, float]:
        """Measure as the trainer does."""
        with preserve_rng_state():
            seed_all(0)  # what is drawn here is drawn alike at each measurement
            return {name: float(value) for name, value in self._task.measure().items()}
