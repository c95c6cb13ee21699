"""ScheduleLR: write a schedule's or controller's values into a PyTorch optimizer, and go on exactly after a stop."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

import torch
from torch.optim import Optimizer, lr_scheduler

from ratesmith._checks import whole
from ratesmith.controllers import Adaptive, Controller, Together, restore
from ratesmith.horizon import Horizon
from ratesmith.notation import Functions, Strategy
from ratesmith.schedule import Schedule
from ratesmith.torch import state
from ratesmith.torch.loop import set_rates
from ratesmith.torch.track import Track, agree_on_every_rank, unshare

CHOICES: Final = ("error", "keep_new", "use_saved")
"""What to do with the saved state of another schedule."""


@dataclass(frozen=True)
class Absolute:
    """A schedule whose value is set as it is, where otherwise it is a factor of each group's own value."""

    schedule: Schedule | Adaptive[Any] | str


@dataclass(frozen=True)
class Target:
    """A schedule for one key of some parameter groups.

    `key`: the name of a number in a group, as "lr", "weight_decay", "momentum", or one of several, as "betas[0]".
    `groups`: the groups' places, their names (the group's own "name"), or a function that tells of a group whether it
    is meant; None is every group.
    """

    schedule: Schedule | Adaptive[Any] | Absolute | str
    key: str = "lr"
    groups: int | str | Iterable[int | str] | Callable[[dict[str, Any]], bool] | None = None


class ScheduleLR(lr_scheduler.LRScheduler):
    """Sets each group's rate, or any other number of it, to its own value times the schedule's, update by update.

    `schedule` is a schedule, a controller, or notation (with `horizon`, the length of training, where its lengths need
    one); further `Target`s name other keys and groups. Wrapped in `Absolute`, a schedule gives the value itself. Making
    one sets the values for step 0 and leaves everything else of the optimizer as it is. The values that a group has at
    that moment are its base values; a group that is added later joins with its own, at the current step. A momentum of
    0 stays 0.

    `step()` after each update; `step(metrics=...)` lets controllers hear a measurement; `step_to(k)` sets the step,
    however often it is called. With `count_updates` the optimizer's own updates are counted, through its hook, and
    `step()` does nothing but hear: an update that a gradient scaler skips does not count then.
    `last_epoch` is the last step that was made before, as in torch; -1 begins at step 0. From 0 on it goes on with the
    base values of the ScheduleLR that this optimizer had before, if any, and with `count_updates` at its count.
    Under torch.distributed every rank hears the mean of all ranks' measurements.

    Rates that are tensors stay the same tensors and are written in place; one tensor that several groups share becomes
    one each. Raises ValueError or TypeError for a key that a group does not have, or that two targets claim.

    >>> from ratesmith import Ramp
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    >>> scheduler = ScheduleLR(optimizer, Ramp(1.0, 0.0, 10))
    >>> optimizer.step()
    >>> scheduler.step()
    >>> optimizer.param_groups[0]["lr"], scheduler.get_last_lr()
    (0.45, [0.45])
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedule: Schedule | Adaptive[Any] | Absolute | Target | str,
        *more: Target,
        horizon: Horizon | int | None = None,
        functions: Functions = MappingProxyType({}),
        count_updates: bool = False,
        on_mismatch: str = "error",
        last_epoch: int = -1,
    ) -> None:
        """Take the groups' present values as their base, and set those of step 0."""
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"ScheduleLR: optimizer must be a torch.optim.Optimizer, got {type(optimizer).__name__}")
        _known_choice(on_mismatch)
        # LRScheduler's own __init__ would add keys to the groups and replace optimizer.step: it is not called.
        self.optimizer = optimizer
        self.last_epoch = whole("ScheduleLR", "last_epoch", last_epoch, least=-1) + 1
        self._step_count = 1
        self._on_mismatch, self._functions = on_mismatch, dict(functions)
        self._horizon = None if horizon is None else Horizon.of(horizon)
        first = schedule if isinstance(schedule, Target) else Target(schedule)
        self._targets = (first, *more)
        self._tracks = [self._track(target) for target in self._targets]
        self._known = 0
        self._join()
        self._counting = count_updates
        self._hook = _count(optimizer, self) if count_updates else None
        if last_epoch >= 0 and optimizer in _PASTS:
            self._go_on(_PASTS[optimizer])
        _PASTS[optimizer] = _Past(self._tracks, self.last_epoch if count_updates else None)
        self._write()

    # What happens update by update

    def step(self, epoch: int | None = None, metrics: float | Mapping[str, float] | None = None) -> None:
        """Go on to the next step (or to `epoch`), hear `metrics`, and set the values."""
        if isinstance(epoch, float):
            raise TypeError(f"ScheduleLR: a measurement must be given as step(metrics={epoch!r}), got step({epoch!r})")
        if epoch is not None:
            self.last_epoch = whole("ScheduleLR", "epoch", epoch, least=0)
        elif not self._counting:
            self.last_epoch += 1
            self._step_count += 1
        if metrics is not None:
            self._hear(metrics)
        self._write()

    def step_to(self, step: int) -> None:
        """Set the step, the number of updates made, and the values that belong to it."""
        self.last_epoch = whole("ScheduleLR", "step", step, least=0)
        if self._counting:
            _PASTS[self.optimizer].updates = self.last_epoch
        self._write()

    def observe(self, metrics: float | Mapping[str, float]) -> None:
        """Hear a measurement between steps, and set the values anew."""
        self._hear(metrics)
        self._write()

    def extend(self, steps: int) -> None:
        """Make training `steps` long in all; the schedule, given as notation, is built anew, and the step is kept."""
        if self._horizon is None or not all(isinstance(_inner(target), str) for target in self._targets):
            raise ValueError(
                "ScheduleLR: extend needs a schedule given as notation with its horizon, got a value; "
                "make a new ScheduleLR with on_mismatch='keep_new' instead"
            )
        before = self._horizon
        self._horizon = replace(before, steps=whole("ScheduleLR", "steps", steps, least=1))
        try:
            longer = [self._built(_inner(target)) for target in self._targets]
        except ValueError:
            self._horizon = before
            raise
        for track, controller in zip(self._tracks, longer, strict=True):
            track.follow(controller, track.state)
        self._write()

    def get_lr(self) -> list[Any]:
        """Give each group's rate for the step `last_epoch`, as trainers ask for it that count steps themselves."""
        self._write()
        return self.get_last_lr()

    def get_last_lr(self) -> list[Any]:
        """Give each group's rate now."""
        rates = (group["lr"] for group in self.optimizer.param_groups)
        return [rate.clone() if isinstance(rate, torch.Tensor) else rate for rate in rates]

    _last_lr = property(get_last_lr)  # loggers of trainers read torch's attribute

    @property
    def base_lrs(self) -> list[Any]:  # type: ignore[override]  # torch keeps a list that goes stale
        """Each group's own rate, which the factor multiplies; the present rate of a group without a schedule for it."""
        groups = self.optimizer.param_groups
        track = next((track for track in self._tracks if track.key == "lr"), None)
        bases = track.bases if track else [None] * len(groups)
        known = [*bases, *[None] * (len(groups) - len(bases))]
        return [float(group["lr"]) if base is None else base for group, base in zip(groups, known, strict=True)]

    def values(self) -> dict[str, float]:
        """Give all numbers that it sets, as loggers take them: by key, and by group where there are several.

        A group is named by its own "name", or its place.
        """
        groups = self.optimizer.param_groups
        names = [f"/{group.get('name', place)}" if len(groups) > 1 else "" for place, group in enumerate(groups)]
        return {
            track.name + names[place]: track.now(groups[place]) for track in self._tracks for place in track.covered()
        }

    @property
    def why(self) -> str:
        """What the controllers did at the last measurement, and why; nothing where they did nothing."""
        return "; ".join(track.why for track in self._tracks if track.why)

    # Saving and loading

    def state_dict(self) -> dict[str, Any]:
        """Give the step, the schedules' text, the controllers' states and the base values, as plain data."""
        return {"format": state.FORMAT, "step": self.last_epoch, "tracks": [track.saved() for track in self._tracks]}

    def load_state_dict(self, state_dict: dict[str, Any], on_mismatch: str | None = None) -> None:
        """Take a saved state, and write its rates into the optimizer, whatever was loaded or built before.

        Where the state belongs to another schedule or other groups, `on_mismatch` (here or when made) decides: "error"
        raises ValueError with the difference; "keep_new" keeps this scheduler's schedules and takes the step, and the
        states of controllers that are still the same; "use_saved" takes the saved schedules. The base values are those
        that were saved, since the optimizer may hold any rate by now.
        """
        choice = _known_choice(self._on_mismatch if on_mismatch is None else on_mismatch)
        saved = state.read(state_dict)
        state.refuse(self._tracks, saved, choice)
        taken: list[tuple[Controller[Any], Any]] = []  # all is read before anything is changed
        for track, data in zip(self._tracks, saved, strict=True):
            if track.text != data["schedule"] and choice == "keep_new":
                taken.append((track.controller, track.state))
                continue
            controller = track.controller if track.text == data["schedule"] else self._built(data["schedule"])
            taken.append((controller, restore(controller, data["state"])))
        if choice == "use_saved" and [track.text for track in self._tracks] != [data["schedule"] for data in saved]:
            self._horizon = None  # the notation given is not what is followed now
        for track, data, (controller, heard) in zip(self._tracks, saved, taken, strict=True):
            track.follow(controller, heard)
            track.rebase(data["base"])
        self._step_count = state_dict["step"] + 1
        self.step_to(state_dict["step"])

    # Inside

    def _built(self, schedule: Any) -> Controller[Any]:
        if isinstance(schedule, str):
            return Strategy(schedule).build(self._horizon, self._functions)
        if not isinstance(schedule, (Schedule, Adaptive)):
            raise TypeError(f"ScheduleLR: a schedule, controller or notation must be given, got {schedule!r}; give one")
        return schedule

    def _track(self, target: Target) -> Track:
        if not isinstance(target, Target):
            raise TypeError(
                f"ScheduleLR: further schedules must be Targets, got {target!r}; write Target(schedule, key)"
            )
        absolute = isinstance(target.schedule, Absolute)
        return Track(self._built(_inner(target)), target.key, target.groups, absolute)

    def _go_on(self, past: _Past) -> None:
        """Take the base values, and the count of updates, of the scheduler before this one."""
        earlier = {track.name: track.bases for track in past.tracks}
        for track in self._tracks:
            known = earlier.get(track.name, [])
            known = [*known, *[None] * (len(track.bases) - len(known))]
            track.rebase(
                [own if own is None or old is None else old for own, old in zip(track.bases, known, strict=True)]
            )
        if self._counting and past.updates is not None:
            self.last_epoch = past.updates

    def _join(self) -> None:
        """Take in the groups that have been added."""
        groups = self.optimizer.param_groups
        unshare(self.optimizer, (track.key for track in self._tracks))
        claimed: set[tuple[int, str]] = set()
        for track in self._tracks:
            track.join(groups)
            for place in track.covered():
                if (place, track.name) in claimed:
                    raise ValueError(
                        f"ScheduleLR: {track.name!r} of group {place} must have one schedule, got two; multiply them"
                    )
                claimed.add((place, track.name))
        self._known = len(groups)

    def _write(self) -> None:
        groups = self.optimizer.param_groups
        if len(groups) != self._known:
            self._join()
        for track in self._tracks:
            track.write(groups, self.last_epoch)

    def _hear(self, metrics: float | Mapping[str, float]) -> None:
        names = sorted({name for track in self._tracks for name in _listens_to(track.controller)})
        if isinstance(metrics, Mapping):
            given = {str(name): _number(str(name), value) for name, value in metrics.items()}
        elif len(names) > 1:
            raise ValueError(
                f"ScheduleLR: metrics must be given by name, got {metrics!r} for {' and '.join(names)}; give a dict"
            )
        else:
            given = dict.fromkeys(names, _number("metrics", metrics))
        if not names:
            return
        shared = agree_on_every_rank(given)
        for track in self._tracks:
            track.observe(self.last_epoch, shared)


def apply(optimizer: Optimizer, schedule: Schedule, step: int, base_lrs: Iterable[float] | None = None) -> None:
    """Set each group's rate for a step, in a loop that counts its steps itself; nothing is kept.

    The rate is `schedule(step)`, or with `base_lrs`, one number a group, that number times it.

    >>> from ratesmith import Ramp
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    >>> apply(optimizer, 0.5 * Ramp(1.0, 0.0, 10), step=5)
    >>> optimizer.param_groups[0]["lr"]
    0.25
    """
    value, groups = float(schedule(step)), optimizer.param_groups
    bases = [1.0] * len(groups) if base_lrs is None else list(base_lrs)
    if len(bases) != len(groups):
        raise ValueError(
            f"apply: base_lrs must be one number a group, got {len(bases)} for {len(groups)} groups; mend it"
        )
    set_rates(optimizer, [base * value for base in bases])


def tensor_rates(optimizer: Optimizer, *, betas: bool = False) -> None:
    """Turn each group's rate into a tensor of its own, so that a compiled update is not compiled anew for every rate.

    `betas` does the same to betas, for schedules that change them. What it costs: outside of torch.compile, and without
    `fused=True` or `capturable=True`, an update with a tensor rate reads it once for each parameter, and takes the
    slower loop instead of `foreach`. So do this only where the update is compiled, fused or captured.
    """
    if any(group.get("foreach") for group in optimizer.param_groups):
        raise ValueError(
            "tensor_rates: foreach must not be asked for, got foreach=True; use fused=True or capturable=True"
        )
    for group in optimizer.param_groups:
        device = group["params"][0].device if group["params"] else torch.device("cpu")
        group["lr"] = torch.tensor(float(group["lr"]), dtype=torch.float32, device=device)
        if betas and "betas" in group:
            group["betas"] = tuple(torch.tensor(float(beta), device=device) for beta in group["betas"])


def _inner(target: Target) -> Any:
    return target.schedule.schedule if isinstance(target.schedule, Absolute) else target.schedule


def _known_choice(choice: str) -> str:
    if choice not in CHOICES:
        raise ValueError(
            f"ScheduleLR: on_mismatch must be one of {', '.join(map(repr, CHOICES))}, got {choice!r}; choose"
        )
    return choice


def _number(name: str, value: Any) -> float:
    try:
        return float(value.item() if hasattr(value, "item") else value)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(
            f"ScheduleLR: {name} must be one number, got {value!r}; give a measurement such as the validation loss"
        ) from None


def _listens_to(controller: Any) -> set[str]:
    if isinstance(controller, Together):
        return {name for part in controller.parts for name in _listens_to(part)}
    return {controller.metric} if isinstance(controller, Adaptive) and hasattr(controller, "metric") else set()


@dataclass
class _Past:
    """What the next scheduler for the same optimizer may go on from: the tracks, and updates where they are counted."""

    tracks: list[Track]
    updates: int | None


_PASTS: Final[weakref.WeakKeyDictionary[Optimizer, _Past]] = weakref.WeakKeyDictionary()


def _count(optimizer: Optimizer, scheduler: ScheduleLR) -> Any:
    """Count the optimizer's own updates; the hook does not keep the scheduler alive."""
    reference = weakref.ref(scheduler)

    def updated(*_: Any) -> None:
        counter = reference()
        if counter is not None:
            counter._step_count += 1
            counter.step_to(counter.last_epoch + 1)

    return optimizer.register_step_post_hook(updated)
