"""ScheduleLR: write a schedule's or controller's values into a PyTorch optimizer, and go on exactly after a stop."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

import torch
from torch.optim import Optimizer, lr_scheduler

from ratesmith._checks import finite, whole
from ratesmith.controllers import Adaptive, Controller, restore
from ratesmith.horizon import Horizon
from ratesmith.notation import Functions, Strategy
from ratesmith.schedule import Schedule
from ratesmith.torch import state
from ratesmith.torch.base_rates import BaseRates
from ratesmith.torch.binding import Binding, name_of, other_base
from ratesmith.torch.bindings import Bindings
from ratesmith.torch.counting import UpdateCounter, counters
from ratesmith.torch.groups import Group

CHOICES: Final = ("error", "keep_new", "use_saved")
"""What to do with the saved state of another schedule."""


@dataclass(frozen=True)
class Absolute:
    """A schedule whose value is set as it is, where otherwise it is a factor of each group's own value."""

    schedule: Schedule | Adaptive[Any] | Strategy | str


@dataclass(frozen=True)
class Target:
    """A schedule for one key of some parameter groups.

    `key`: the name of a number in a group, as "lr", "weight_decay", "momentum", or one of several, as "betas[0]".
    `groups`: the groups' places, their names (the group's own "name"), or a function that tells of a group whether it
    is meant; None is every group.
    """

    schedule: Schedule | Adaptive[Any] | Absolute | Strategy | str
    key: str = "lr"
    groups: int | str | Iterable[int | str] | Callable[[dict[str, Any]], bool] | None = None


class ScheduleLR(lr_scheduler.LRScheduler):
    """Sets each group's rate, or any other number of it, to its own base value times the schedule's.

    `optimizer` is one optimizer, or several that follow one schedule, each with its own rate. `schedule` is a schedule,
    a controller, or notation (with `horizon`, the length of training, where its lengths need one); further `Target`s
    name other keys and groups. Wrapped in `Absolute`, a schedule gives the value itself. A momentum of 0 stays 0.

    `step()` after each update; `step(metrics=...)` lets controllers hear a measurement; `step_to(k)` sets the step,
    however often it is called. With `count_updates` the optimizer's own updates are counted, through its hook (of
    several optimizers, those of the first), and `step()` does nothing but hear: an update that a gradient scaler skips
    does not count then. Under torch.distributed every rank hears the mean of all ranks' measurements.

    The base stays with the group: under "initial_lr" (for other keys "initial_<key>"), beside the value written last
    and the step. So it outlives reloads, copies, other schedulers, and groups that are added, removed or moved. A rate
    that somebody else sets is taken as new: the base becomes what gives it; `set_base_lr` sets the base itself. A group
    that is added later goes on from the rate that it was given.

    `last_epoch` is the last step that was made before, as in torch. With -1 it begins at step 0, unless the optimizer's
    state was loaded and its rates are what this schedule gives at the step saved there: then it goes on from that step.
    docs/torch.md has a table of all orders of resuming.

    Rates that are tensors stay the same tensors and are written in place; one tensor that several groups share becomes
    one each. Raise ValueError or TypeError for a key that a group does not have, that two targets claim, or whose value
    is not finite; and for `last_epoch >= 0` with an optimizer that was trained, where no group has a base.

    >>> from ratesmith import Ramp
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    >>> scheduler = ScheduleLR(optimizer, Ramp(1.0, 0.0, 10))
    >>> optimizer.step()
    >>> scheduler.step()
    >>> optimizer.param_groups[0]["lr"], scheduler.get_last_lr(), scheduler.base_lrs
    (0.45, [0.45], [0.5])
    """

    def __init__(
        self,
        optimizer: Optimizer | Iterable[Optimizer],
        schedule: Schedule | Adaptive[Any] | Absolute | Target | Strategy | str,
        *more: Target,
        horizon: Horizon | int | None = None,
        functions: Functions = MappingProxyType({}),
        count_updates: bool = False,
        on_mismatch: str = "error",
        last_epoch: int = -1,
    ) -> None:
        """Take the groups' base values, and set those of the first step."""
        self.optimizers = _optimizers(optimizer)
        self.optimizer = self.optimizers[0]
        # LRScheduler's own __init__ would add keys to the groups and replace optimizer.step: it is not called.
        self.last_epoch = whole("ScheduleLR", "last_epoch", last_epoch, least=-1) + 1
        self._step_count = 1
        self._on_mismatch, self._functions = _known_choice(on_mismatch), dict(functions)
        self._horizon = None if horizon is None else Horizon.of(horizon)
        first = schedule if isinstance(schedule, Target) else Target(schedule)
        self._targets = (first, *more)
        self._bindings = Bindings(self.optimizers, [self._binding(target) for target in self._targets])
        self._step_written: int | None = None
        self._unsure: Group | None = None
        self._note: str | None = None
        self._counting, self._replaced = count_updates, False
        before = [(group, dict(group)) for group in self._bindings.groups()]
        set_before = [dict(vars(optimizer)) for optimizer in self.optimizers]
        try:
            self._begin(last_epoch)
        except BaseException:
            for group, kept in before:  # a scheduler that is refused leaves no base behind
                group.clear()
                group.update(kept)
            for optimizer, attributes in zip(self.optimizers, set_before, strict=True):
                vars(optimizer).clear()
                vars(optimizer).update(attributes)
            raise
        self._replace_earlier()
        self._hook = self._count_from_now()

    # What happens update by update

    def step(self, epoch: int | None = None, metrics: float | Mapping[str, float] | None = None) -> None:
        """Go on to the next step (or to `epoch`), hear `metrics`, and set the values.

        If a function of yours raises at that step, nothing has changed.
        """
        if isinstance(epoch, float):
            raise TypeError(f"ScheduleLR: a measurement must be given as step(metrics={epoch!r}), got step({epoch!r})")
        if self._replaced:
            raise RuntimeError(_REPLACED)
        if self._bindings.changed():
            self._look()
        if self._note is not None:
            self._say()
        if epoch is not None:
            self._go(whole("ScheduleLR", "epoch", epoch, least=0), metrics)
        elif self._counting:
            self._go(self.last_epoch, metrics)
        else:
            self._go(self.last_epoch + 1, metrics)
            self._step_count += 1
        self._unsure = None

    def step_to(self, step: int) -> None:
        """Set the step, the number of updates made, and the values that belong to it."""
        step = whole("ScheduleLR", "step", step, least=0)
        self._look()
        if self._unsure is not None and step > 1:
            raise ValueError(_no_base(f"step_to({step})", self._unsure))
        self._go(step)
        self._unsure = self._note = None

    def observe(self, metrics: float | Mapping[str, float]) -> None:
        """Hear a measurement between steps, and set the values anew."""
        self._look()
        self._say()
        self._go(self.last_epoch, metrics)

    def extend(self, steps: int) -> None:
        """Make training `steps` long in all; the schedule, given as notation, is built anew, and the step is kept."""
        if self._horizon is None or not all(isinstance(_inner(target), (str, Strategy)) for target in self._targets):
            raise ValueError(
                "ScheduleLR: extend needs a schedule given as notation with its horizon, got a value; "
                "make a new ScheduleLR with on_mismatch='keep_new' instead"
            )
        horizon = replace(self._horizon, steps=whole("ScheduleLR", "steps", steps, least=1))
        longer = [self._built(_inner(target), horizon) for target in self._targets]
        self._horizon = horizon
        for binding, controller in zip(self._bindings, longer, strict=True):
            binding.follow(controller, binding.state)
        self._look()
        self._go(self.last_epoch)

    def get_lr(self) -> list[Any]:
        """Return each group's rate for the step `last_epoch`, as trainers ask for it that count steps themselves."""
        asked, by_hand = self.last_epoch, self.last_epoch != self._step_written
        self._look()
        if by_hand:  # as ignite steps
            self._say()
        self._go(asked if by_hand else self.last_epoch)
        return self.get_last_lr()

    def get_last_lr(self) -> list[Any]:
        """Return each group's rate now."""
        rates = (group["lr"] for group in self._bindings.groups())
        return [rate.clone() if isinstance(rate, torch.Tensor) else rate for rate in rates]

    @property
    def _last_lr(self) -> list[Any]:
        """Torch's attribute, which loggers of trainers read."""
        return self.get_last_lr()

    @_last_lr.setter
    def _last_lr(self, rates: Any) -> None:
        """Let containers assign it, as torchtitan's does: the rates are those in the groups, so nothing is kept."""

    # Base values

    @property
    def base_lrs(self) -> list[Any]:
        """Each group's own rate, which the factor multiplies; the present rate of a group without a schedule for it.

        `scheduler.base_lrs[1] = 0.05` sets a group's base, and so does assigning the whole list.
        """
        groups = self._bindings.groups()
        binding = self._bindings.find("lr")
        bases = binding.bases(groups) if binding else [None] * len(groups)
        rates = [float(group["lr"]) if base is None else base for group, base in zip(groups, bases, strict=True)]
        return BaseRates(rates, self)

    @base_lrs.setter
    def base_lrs(self, bases: Any) -> None:
        given, present = list(bases), self.base_lrs
        if len(given) != len(present):
            raise ValueError(f"ScheduleLR: base_lrs must be {len(present)} rates, got {len(given)}; give one a group")
        for place, (base, before) in enumerate(zip(given, present, strict=True)):
            if float(base) != before:
                self.set_base_lr(float(base), group=place)

    def set_base_lr(self, value: float, group: int | str | None = None) -> None:
        """Set the rate that the factor multiplies, from now on, and write the rates that follow from it.

        `group` is a group's place or its name; None is every group with a schedule for its rate.
        """
        self.set_base("lr", value, group)

    def set_base(self, key: str, value: float, group: int | str | None = None) -> None:
        """Set the value of a key that the factor multiplies, as `set_base_lr` does for the rate.

        It is saved with the rest, in the optimizer's state as in the scheduler's.
        """
        base = finite("ScheduleLR", "the base value", value)
        binding = self._bindings.find(key)
        if binding is None or binding.absolute:
            known = ", ".join(repr(own.name) for own in self._bindings if not own.absolute) or "none"
            raise ValueError(f"ScheduleLR: key must be one whose base a factor multiplies, got {key!r}; known: {known}")
        self._look()
        self._bindings.take_new_values()
        groups = self._bindings.groups()
        among = {id(slot.group) for own in self._bindings if own.name == key for slot in own.slots}
        chosen = [
            here
            for place, here in enumerate(groups)
            if id(here) in among and (group is None or group == place or group == here.get("name"))
        ]
        if not chosen:
            known = ", ".join(name_of(place, here) for place, here in enumerate(groups) if id(here) in among)
            raise ValueError(
                f"ScheduleLR: group must be one with a schedule for {key!r}, got {group!r}; known: {known}"
            )
        for here in chosen:
            here[binding.base_key] = base
        self._unsure = None
        self._go(self.last_epoch)

    def values(self) -> dict[str, float]:
        """Return all numbers that it sets, as loggers take them: by key, and by group where there are several.

        A group is named by its own "name", or its place.
        """
        groups = self._bindings.groups()
        places = {id(group): place for place, group in enumerate(groups)}
        names = [f"/{group.get('name', place)}" if len(groups) > 1 else "" for place, group in enumerate(groups)]
        return {
            binding.name + names[places[id(slot.group)]]: float(binding.now(slot.group))
            for binding in self._bindings
            for slot in binding.slots
            if id(slot.group) in places
        }

    @property
    def why(self) -> str:
        """What the controllers did at the last measurement, and why; nothing where they did nothing."""
        return "; ".join(binding.why for binding in self._bindings if binding.why)

    # Saving and loading

    def state_dict(self) -> dict[str, Any]:
        """Return the step, the schedules' text, the controllers' states and the base values, as plain data."""
        self._look()
        return state.save(self.last_epoch, self._horizon, self._bindings.groups(), self._bindings.all)

    def load_state_dict(self, state_dict: dict[str, Any], on_mismatch: str | None = None) -> None:
        """Take a saved state, and write its rates into the optimizer, whatever was loaded or built before.

        If the state belongs to another schedule or other groups, `on_mismatch` (here or when made) decides: "error"
        raises ValueError with the difference; "keep_new" keeps this scheduler's schedules and takes the step, and the
        states of controllers that are still the same; "use_saved" takes the saved schedules. The base values are those
        that were saved, since the optimizer may hold any rate by now; a warning says so if the code's were others.
        With a horizon in tokens or samples, the position in these is kept when a step holds more or fewer of them.
        """
        choice = _known_choice(self._on_mismatch if on_mismatch is None else on_mismatch)
        saved = state.read(state_dict)
        notes = [note for part in self._bindings.take_in()[0] for note in part.notes]
        groups = self._bindings.groups()
        step, bindings = self._position(saved, state.in_order(saved, groups))
        state.refuse(self._bindings.all, bindings, groups, choice)
        taken: list[tuple[Controller[Any], Any]] = []  # all is read before anything is changed
        for own, data in zip(self._bindings, bindings, strict=True):
            if own.text != data["schedule"] and choice == "keep_new":
                taken.append((own.controller, own.state))
                continue
            controller = own.controller if own.text == data["schedule"] else self._built(data["schedule"], None)
            taken.append((controller, restore(controller, data["state"])))
        if choice == "use_saved" and [own.text for own in self._bindings] != [data["schedule"] for data in bindings]:
            self._horizon = None  # the notation given is not what is followed now
        for own, data, (controller, heard) in zip(self._bindings, bindings, taken, strict=True):
            own.follow(controller, heard)
            for place, (group, base, before) in enumerate(zip(groups, data["base"], own.bases(groups), strict=True)):
                if base is not None and before is not None:
                    group[own.base_key] = base
                    if base != before and not own.absolute:
                        notes.append(other_base(own.name, name_of(place, group), base, before))
            own.forget_new_values()
        self._step_count = step + 1
        self._unsure = self._note = None
        self._go(step)
        _warn(notes)

    def _position(self, saved: state.Saved, bindings: list[dict[str, Any]]) -> tuple[int, list[dict[str, Any]]]:
        """Return the step here at which a saved run stood, and its bindings as they are in these steps.

        A run in tokens or samples stands where it stood, though a step now holds more or fewer of them. It has the
        same schedule if the notation given here, built for the saved horizon, is the saved one.
        """
        before, here = saved.horizon, self._horizon
        if before is None or here is None or len(bindings) != len(self._targets):
            return saved.updates, bindings
        length = here.convert(before.steps, before)
        if abs(length - here.steps) > (length != before.steps):  # a whole number of other steps may be one off
            return here.convert(saved.updates, before), bindings
        same = []
        for target, own, data in zip(self._targets, self._bindings, bindings, strict=True):
            notation = isinstance(_inner(target), (str, Strategy))
            there = str(self._built(_inner(target), before)) if notation else own.text
            same.append({**data, "schedule": own.text} if there == data["schedule"] else data)
        return here.convert(saved.updates, before), same

    # Copies: torch drops an optimizer's hooks in copies, so a copy makes its own

    def __getstate__(self) -> dict[str, Any]:
        """Return what makes the scheduler, without its hook."""
        return {name: value for name, value in vars(self).items() if name != "_hook"}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        """Become a copy, with a hook of its own."""
        vars(self).update(kept)
        for binding in self._bindings:
            binding.copied()
        self._bindings.note_set_here()
        self._hook = self._count_from_now()

    # Inside

    def _built(self, schedule: Any, horizon: Horizon | None) -> Controller[Any]:
        if isinstance(schedule, str):
            schedule = Strategy(schedule)
        if isinstance(schedule, Strategy):
            return schedule.build(horizon, self._functions)
        if not isinstance(schedule, (Schedule, Adaptive)):
            raise TypeError(f"ScheduleLR: a schedule, controller or notation must be given, got {schedule!r}; give one")
        return schedule

    def _binding(self, target: Target) -> Binding:
        if not isinstance(target, Target):
            raise TypeError(
                f"ScheduleLR: further schedules must be Targets, got {target!r}; write Target(schedule, key)"
            )
        absolute = isinstance(target.schedule, Absolute)
        return Binding(self._built(_inner(target), self._horizon), target.key, target.groups, absolute)

    def _begin(self, last_epoch: int) -> None:
        """Take the groups in, find the step to begin at, and set its values."""
        set_here, trained = self._bindings.are_set_here(), self._bindings.are_trained()
        taken, _ = self._bindings.take_in()
        kept = self._bindings.kept_step()
        if kept is None:
            unknown = [part.present[0] for part in taken if trained and part.present]
            if unknown and last_epoch >= 0:
                raise ValueError(_no_base(f"last_epoch={last_epoch}", unknown[0]))
            self._unsure = unknown[0] if unknown else None
        elif self._counting and last_epoch >= 0:
            self.last_epoch = kept
        elif last_epoch < 0 and not set_here:
            self._adopt(kept)
        notes = self._bindings.foreign_bases(taken, self.last_epoch)
        self._go(self.last_epoch)
        _warn(notes)

    def _adopt(self, kept: int) -> None:
        """Go on from the step that loaded groups carry, if their values are what this schedule gives there.

        What is to be said of it waits for the first step, since the scheduler's own state may be loaded before that.
        """
        if kept == self.last_epoch:
            return
        if not self._bindings.matches(kept):
            self._note = (
                f"ScheduleLR: the optimizer's state was loaded at step {kept} of another schedule, or a controller had "
                f"moved its rates; this scheduler is at step {self.last_epoch}: load the scheduler's state too, or "
                f"call step_to({kept}) to go on from there"
            )
            return
        self.last_epoch = kept
        for binding in self._bindings:
            binding.last_factor = binding.factor(kept, binding.state)
        ends = [getattr(binding.controller, "steps", None) for binding in self._bindings]
        if all(end is not None and kept >= end for end in ends):
            self._note = (
                f"ScheduleLR: the optimizer's state was loaded at step {kept}, and the schedule has ended by then: its "
                "last value stays; call step_to(0) to begin anew"
            )

    def _say(self) -> None:
        """Warn of what was noticed when an optimizer's state was loaded, now that nothing more was loaded."""
        if self._note is not None:
            note, self._note = self._note, None
            warnings.warn(note, stacklevel=3)

    def _look(self) -> None:
        """See whether the groups are still those that were set last; if not, go on from what they are now."""
        if not self._bindings.changed():
            return
        taken, loaded = self._bindings.take_in()
        _warn([note for part in taken for note in part.notes])
        kept = self._bindings.kept_step()
        if loaded and kept is not None:
            self._adopt(kept)

    def _go(self, step: int, metrics: float | Mapping[str, float] | None = None) -> None:
        """Hear a measurement and write the values of a step; if a function of the user's raises, nothing is changed."""
        self._bindings.write(step, metrics)
        self.last_epoch = self._step_written = step

    # What torch's composites call: they have set the rates themselves, to hand them over

    def _initial_step(self) -> None:
        """Begin, as a part of one of torch's composites."""
        self._step_count = 1
        self._update_lr(self.last_epoch + 1)

    def _update_lr(self, epoch: int | None = None) -> None:
        """Set the values of a step, whatever another scheduler has left in the groups."""
        self._look()
        self._note = None
        self._bindings.forget_new_values()
        self._go(self.last_epoch + 1 if epoch is None else epoch)

    # Counting

    def _count_from_now(self) -> Any:
        if not self._counting or self._replaced:
            return None
        return self.optimizer.register_step_post_hook(UpdateCounter(self, ScheduleLR._count))

    def _count(self) -> None:
        """Count one update of the optimizer."""
        self._look()
        self._say()
        self._go(self.last_epoch + 1)
        self._step_count += 1

    def _replace_earlier(self) -> None:
        """Let this scheduler take the place of those that count for the same keys of the same groups."""
        own = self._bindings.claims()
        for counter in (counter for optimizer in self.optimizers for counter in counters(optimizer)):
            earlier = counter.owner
            if earlier is not None and earlier._bindings.claims() & own:
                earlier._hook.remove()
                earlier._hook, earlier._replaced = None, True


_REPLACED: Final = (
    "ScheduleLR: this scheduler must not be stepped any more, since a later one counts for the same optimizer; "
    "step that one"
)


def _optimizers(given: Any) -> tuple[Optimizer, ...]:
    found = (given,) if isinstance(given, Optimizer) else tuple(given) if isinstance(given, (list, tuple)) else ()
    if not found or not all(isinstance(optimizer, Optimizer) for optimizer in found):
        names = ", ".join(type(part).__name__ for part in found) if found else type(given).__name__
        raise TypeError(f"ScheduleLR: optimizer must be a torch.optim.Optimizer, or a list of some, got {names}")
    return found


def _inner(target: Target) -> Any:
    return target.schedule.schedule if isinstance(target.schedule, Absolute) else target.schedule


def _known_choice(choice: str) -> str:
    if choice not in CHOICES:
        raise ValueError(
            f"ScheduleLR: on_mismatch must be one of {', '.join(map(repr, CHOICES))}, got {choice!r}; choose"
        )
    return choice


def _no_base(option: str, group: Group) -> str:
    """Return the message for an optimizer that was trained, and that nobody knows the base values of."""
    return (
        f"ScheduleLR: with {option} the base rate must be known, got an optimizer that was trained before, at rate "
        f"{float(group['lr']) if 'lr' in group else 0.0:g}, and no 'initial_lr' in its groups; "
        "load the scheduler's state, or set group['initial_lr'] to the rate that training began with"
    )


def _warn(notes: list[str]) -> None:
    """Warn once of each thing, at the user's line."""
    for note in dict.fromkeys(notes):
        warnings.warn(note, stacklevel=4)
