"""ScheduleLR: write a schedule's or controller's values into a PyTorch optimizer, and go on exactly after a stop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, Self

import torch
from torch.optim import Optimizer, lr_scheduler

from ratesmith._checks import OptionValueError, finite, options_of, whole
from ratesmith._script import ActiveTrial
from ratesmith.codes import coded
from ratesmith.controllers import Controller, restore
from ratesmith.horizon import Horizon
from ratesmith.lengths import length_warnings
from ratesmith.strategy import Functions, ScheduleLike, Strategy, as_schedule
from ratesmith.torch import binding_state, state
from ratesmith.torch.base_lrs import BaseRates
from ratesmith.torch.binding import Binding
from ratesmith.torch.bindings import Bindings
from ratesmith.torch.chained import carry_over, with_states
from ratesmith.torch.compiled import compiler, not_compiled
from ratesmith.torch.counting import UpdateCounter, counters, hook_into
from ratesmith.torch.doctor import Doctor
from ratesmith.torch.floor import Floor
from ratesmith.torch.group_history import has_foreign_scheduler, note_again, noted_here
from ratesmith.torch.key import Group, name_of, near
from ratesmith.torch.resumption import Resumption
from ratesmith.torch.user_warnings import warn_user

CHOICES: Final = ("error", "keep_new", "use_saved")
"""What to do with the saved state of another schedule."""


@dataclass(frozen=True)
class Absolute:
    """A schedule whose value is set as it is, where otherwise it is a factor of each group's own value."""

    schedule: ScheduleLike


@dataclass(frozen=True)
class Target:
    """A schedule for one key of some parameter groups.

    `key`: the name of a number in a group, as "lr", "weight_decay", "momentum", or one of several, as "betas[0]".
    `groups`: the groups' places, their names (the group's own "name"), or a function that tells of a group whether it
    is meant; None is every group.
    `final`: the value at factor 0, whatever the base: it is `final + (base - final) * factor`, as with torch's
    `eta_min`. `low`: the least value, as with the `min_lr` of torch's plateau. A base of 0 gives 0 with either.
    """

    schedule: ScheduleLike | Absolute
    key: str = "lr"
    groups: int | str | Iterable[int | str] | Callable[[dict[str, Any]], bool] | None = None
    final: float | None = None
    low: float | None = None


class ScheduleLR(lr_scheduler.LRScheduler):
    """Sets each group's rate, or any other number of it, to its own base value times the schedule's.

    `optimizer` is one optimizer, or several that follow one schedule, each with its own rate. `schedule` is a schedule,
    a controller, or notation (with `horizon`, the length of training, where its lengths need one); further `Target`s
    name other keys and groups. Wrapped in `Absolute`, a schedule gives the value itself. A momentum of 0 stays 0.

    `step()` after each update; `step(metrics=...)` lets controllers hear a measurement; `step_to(k)` sets the step,
    however often it is called. With `count_updates` the optimizer's own updates are counted, through its hook (of
    several optimizers, those of the first), and `step()` does nothing but hear: an update that a gradient scaler skips
    does not count then. Under torch.distributed every rank hears the mean of all ranks' measurements.

    The base stays with the group: under "initial_lr" (for other keys "initial_<key>"). The step and the factor written
    last stand in the first group that it sets of each optimizer. So they outlive reloads, copies, other schedulers, and
    groups that are added, removed or moved. A rate that somebody else sets is taken as new: the base becomes what gives
    it; `set_base_lr` sets the base itself. A group that is added later goes on from the rate that it was given.

    `last_epoch` is the last step that was made before, as in torch. With -1 it begins at step 0, unless the optimizer's
    state was loaded and this very schedule wrote its rates: then it goes on from the step in the groups. With
    `count_updates` and a `last_epoch` of 0 or more the step in the groups holds too, if there is one, since trainers
    give epochs there. docs/torch.md has a table of all orders of resuming.

    Rates that are tensors stay the same tensors and are written in place; one tensor that several groups share becomes
    one each. Raise ValueError or TypeError for a key that a group does not have, that two targets claim, or whose value
    is not finite; for a rate below 0, unless `allow_negative` says that it is meant; and for `last_epoch >= 0` with an
    optimizer that was trained, where no group has a base.

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
        schedule: ScheduleLike | Absolute | Target,
        *more: Target,
        horizon: Horizon | int | None = None,
        functions: Functions = MappingProxyType({}),
        count_updates: bool = False,
        on_mismatch: str = "error",
        allow_negative: bool = False,
        last_epoch: int = -1,
    ) -> None:
        """Take the groups' base values, and set those of the first step."""
        self.optimizers = _optimizers(optimizer)
        # LRScheduler's own __init__ would add keys to the groups and replace optimizer.step: it is not called.
        self._step = whole("ScheduleLR", "last_epoch", last_epoch, least=-1) + 1
        self._step_count = 1
        self._on_mismatch, self._functions = _known_choice(on_mismatch), dict(functions)
        with options_of("ScheduleLR", steps="horizon"):
            self._horizon = None if horizon is None else Horizon.of(horizon)
        first = schedule if isinstance(schedule, Target) else Target(schedule)
        self._targets = (first, *more)
        bindings = [self._binding(target) for target in self._targets]
        self._bindings = Bindings(self.optimizers, bindings, allow_negative=allow_negative)
        self._step_written: int | None = None
        self._counting, self._replaced = count_updates, False
        self._resumption = Resumption(self._bindings, count_updates)
        self._trial_base_lrs: list[Any] | None = None
        self._hooks: list[Any] = []
        before = [(group, dict(group)) for group in self._bindings.groups()]
        noted = list(map(noted_here, self.optimizers))
        try:
            self._step = self._resumption.begin(self._step - 1)
            self._step_count = self._step + 1
            self._go(self._step)
        except BaseException:
            for group, kept in before:  # a scheduler that is refused leaves no base behind
                group.clear()
                group.update(kept)
            for optimizer, earlier in zip(self.optimizers, noted, strict=True):
                note_again(optimizer, earlier)
            raise
        self._replace_earlier()
        self._hooks = self._count_from_now()
        self._doctor = Doctor(self._bindings, self._horizon, count_updates)
        self._doctor.watch(self.optimizers)
        self._doctor.begin(self._step_count, self._step, told_of_end=self._resumption.told_of_end)
        if self._resumption.begun_anew_after:
            self._doctor.saw_built_again(self._resumption.begun_anew_after)
        warn_user(length_warnings(map(_inner, self._targets), self._horizon, self._functions))

    @classmethod
    def from_trial(
        cls, optimizer: Optimizer | Iterable[Optimizer], trial: ActiveTrial, *more: Target, **options: Any
    ) -> Self:
        """Return a scheduler with the trial's schedule and length, for a script that `get_trial` has told of its run.

        It counts the optimizer's updates, so `step()` may be called after each of them, once an epoch, or never. What
        `trial.report` reports reaches a controller. The optimizer is made with `lr=trial.lr`; its groups may have other
        rates beside it. Raise ValueError if all have one rate, and that is another.
        """
        scheduler = cls._following(trial, optimizer, *more, **options)
        rates = {rate for rate in scheduler.base_lrs if rate is not None}
        if len(rates) == 1 and rates != {trial.lr}:
            raise OptionValueError(
                "ScheduleLR.from_trial: the optimizer must be made with lr=trial.lr, ",
                f"{trial.lr:g}, got {rates.pop():g}; write lr=trial.lr",
            )
        scheduler._trial_base_lrs = scheduler.base_lrs
        trial.attach(scheduler)
        return scheduler

    def refuse_others(self) -> None:
        """Raise ValueError if anything else sets the rates of a trial: the two would multiply, and nobody would see it.

        What sets a rate otherwise than by one of torch's schedulers makes another base.
        """
        if self._trial_base_lrs is None:
            return
        got = ""
        if any(map(has_foreign_scheduler, self.optimizers)):
            got = "a scheduler of torch's on the same optimizer"
        pairs = zip(self._trial_base_lrs, self.base_lrs, strict=False)  # groups may have come since
        if changed := [(before, now) for before, now in pairs if before is not None and not near(now, before)]:
            before, now = changed[0]
            got = f"something that set the rate {before:g} to {now:g}"
        if got:
            raise OptionValueError(
                "trial.report: the trial's schedule alone must set the rate, ",
                f"got {got}; take the other scheduler out of the script",
            )

    @classmethod
    def _following(
        cls, trial: ActiveTrial, optimizer: Optimizer | Iterable[Optimizer], *more: Target, **options: Any
    ) -> Self:
        """Return a scheduler for a trial, which has not heard of it, whatever the optimizer's rate."""
        options = {"count_updates": True, "functions": trial.functions, **options}
        return cls(optimizer, trial.schedule, *more, horizon=trial.horizon, **options)

    # What happens update by update

    def step(self, epoch: int | None = None, metrics: float | Mapping[str, float] | None = None) -> None:
        """Go on to the next step (or to `epoch`), hear `metrics`, and set the values.

        If a function of yours raises at that step, nothing has changed.
        """
        if compiler() is not None:
            self._step_outside(epoch, metrics)
            return
        quick = self._bindings.quick  # nothing to hear, to count or to say: by far the most steps
        if quick is not None and epoch is metrics is None and not (self._counting or self._resumption.is_pending):
            step = self._step + 1
            if quick.write(step):
                self._step = self._step_written = step
                self._step_count += 1
                if self._step_count >= self._doctor.next_look:
                    self._doctor.look(self._step_count, step)
                return
        if isinstance(epoch, float):
            raise TypeError(f"ScheduleLR: a measurement must be given as step(metrics={epoch!r}), got step({epoch!r})")
        if self._bindings.changed():
            self._look()
        if self._resumption.is_pending:
            self._resumption.say()
        if epoch is not None:
            self._go(whole("ScheduleLR", "epoch", epoch, least=0), metrics)
        elif self._counting:
            self._go(self._step, metrics)
            self._doctor.hear()
        else:
            self._go_on(metrics)

    @not_compiled
    def _step_outside(self, epoch: int | None, metrics: float | Mapping[str, float] | None) -> None:
        """Make a step in a function that is compiled: it is called as it is, since its numbers change each time."""
        self.step(epoch, metrics)

    def step_to(self, step: int) -> None:
        """Set the step, the number of updates made, and the values that belong to it."""
        step = whole("ScheduleLR", "step", step, least=0)
        self._look()
        self._go(step)
        self._resumption.forget()

    def observe(self, metrics: float | Mapping[str, float]) -> None:
        """Hear a measurement between steps, and set the values anew."""
        self._look()
        self._resumption.say()
        self._go(self._step, metrics)

    def extend(self, steps: int) -> None:
        """Make training `steps` long in all; the schedule, given as notation, is built anew, and the step is kept."""
        if self._horizon is None or not all(isinstance(_inner(target), (str, Strategy)) for target in self._targets):
            raise ValueError(
                "ScheduleLR: extend needs a schedule given as notation with its horizon, got a value; "
                "make a new ScheduleLR with on_mismatch='keep_new' instead"
            )
        self._look()
        horizon = replace(self._horizon, steps=whole("ScheduleLR", "steps", steps, least=1))
        longer = [self._built(_inner(target), horizon) for target in self._targets]
        self._horizon = horizon
        for binding, controller in zip(self._bindings, longer, strict=True):
            binding.follow(controller, binding.state)
        self._resumption.forget_end()
        self._go(self._step)
        self._doctor.horizon = horizon
        self._doctor.begin(self._step_count, self._step)

    def get_lr(self) -> list[Any]:
        """Return each group's rate for the step `last_epoch`, as trainers ask for it that count steps themselves."""
        by_hand = self._step != self._step_written
        asked = self._step
        self._look()
        if by_hand:  # as ignite steps
            self._resumption.say()
        self._go(asked if by_hand else self._step)
        return self.get_last_lr()

    def get_last_lr(self) -> list[Any]:
        """Return each group's rate now; None for a group that has none."""
        rates = (group.get("lr") for group in self._bindings.groups())
        return [rate.clone() if isinstance(rate, torch.Tensor) else rate for rate in rates]

    @property
    def last_epoch(self) -> int:
        """The step, the number of updates made; containers and trainers set it too, and then call `get_lr`."""
        self._look()
        return self._step

    @last_epoch.setter
    def last_epoch(self, step: int) -> None:
        self._step = step

    @property
    def _last_lr(self) -> list[Any]:
        """Torch's attribute, which loggers of trainers read."""
        return self.get_last_lr()

    @_last_lr.setter
    def _last_lr(self, rates: Any) -> None:
        """Let containers assign it, as torchtitan's does: the rates are those in the groups, so nothing is kept."""

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer; of several, the first."""
        return self.optimizers[0]

    @optimizer.setter
    def optimizer(self, optimizer: Optimizer) -> None:
        if len(self.optimizers) > 1:
            raise ValueError("ScheduleLR: optimizer must stay as it is where there are several; make a new ScheduleLR")
        self._bindings.leave_quick()
        self.optimizers = self._bindings.optimizers = _optimizers(optimizer)
        for hook in self._hooks:
            hook.remove()
        self._hooks = self._count_from_now()
        self._look()
        self._doctor.watch(self.optimizers)
        self._doctor.begin(self._step_count, self._step)
        self._resumption.forget()

    # Base values

    @property
    def base_lrs(self) -> list[Any]:
        """Each group's own rate, which the factor multiplies; the present rate of a group without a schedule for it.

        `scheduler.base_lrs[1] = 0.05` sets a group's base, and so does assigning the whole list.
        """
        self._look()
        groups = self._bindings.groups()
        rates: list[Any] = [None if "lr" not in group else float(group["lr"]) for group in groups]
        for binding in self._bindings.of("lr"):
            for place, base in enumerate(binding.bases(groups)):
                rates[place] = rates[place] if base is None else base
        return BaseRates(rates, self)

    @base_lrs.setter
    def base_lrs(self, bases: Any) -> None:
        if not isinstance(bases, Iterable):
            raise TypeError(f"ScheduleLR: base_lrs must be a list of rates, one a group, got {bases!r}; give a list")
        given, present = list(bases), self.base_lrs
        if len(given) != len(present):
            raise ValueError(f"ScheduleLR: base_lrs must be {len(present)} rates, got {len(given)}; give one a group")
        for place, (base, before) in enumerate(zip(given, present, strict=True)):
            if base != before:
                self.set_base_lr(base.item() if isinstance(base, torch.Tensor) else base, group=place)

    def set_base_lr(self, value: float, group: int | str | None = None) -> None:
        """Set the rate that the factor multiplies, from now on, and write the rates that follow from it.

        `group` is a group's place or its name; None is every group with a schedule for its rate.
        """
        self.set_base("lr", value, group)

    def set_base(self, key: str, value: float, group: int | str | None = None) -> None:
        """Set the value of a key that the factor multiplies, as `set_base_lr` does for the rate.

        It is saved with the rest, in the optimizer's state as in the scheduler's.
        """
        self._refuse_replaced()
        base = finite("ScheduleLR", "the base value", value)
        bindings = [binding for binding in self._bindings.of(key) if not binding.absolute]
        if not bindings:
            known = ", ".join(repr(own.name) for own in self._bindings if not own.absolute) or "none"
            raise ValueError(f"ScheduleLR: key must be one whose base a factor multiplies, got {key!r}; known: {known}")
        self._look()
        if self._step >= 0:
            self._bindings.take_new_values()
        groups = self._bindings.groups()
        among = {id(slot.group) for own in bindings for slot in own.slots}
        places = {place: here for place, here in enumerate(groups) if id(here) in among}
        chosen = [here for place, here in places.items() if group is None or group in (place, here.get("name"))]
        if not chosen:
            known = ", ".join(name_of(place, here) for place, here in places.items())
            raise ValueError(
                f"ScheduleLR: group must be one with a schedule for {key!r}, got {group!r}; known: {known}"
            )
        for here in chosen:
            here[bindings[0].key.base] = base
        self._resumption.trust_base()
        self._go(self._step)

    def values(self) -> dict[str, float]:
        """Return all numbers that it sets, as loggers take them: by key, and by group where there are several.

        A group is named by its own "name", or by its place if it has none or two have the same.
        """
        self._look()
        groups = self._bindings.groups()
        names = [str(group.get("name", place)) for place, group in enumerate(groups)]
        if len(set(names)) < len(names):
            names = [str(place) for place in range(len(groups))]
        places = {id(group): place for place, group in enumerate(groups)}
        return {
            binding.name + (f"/{names[places[id(slot.group)]]}" if len(groups) > 1 else ""): float(
                binding.key.now(slot.group)
            )
            for binding in self._bindings.as_left
            for slot in binding.slots
        }

    @property
    def why(self) -> str:
        """What the controllers did at the last measurement, and why; nothing where they did nothing."""
        return "; ".join(binding.why for binding in self._bindings.as_left if binding.why)

    # Saving and loading

    def state_dict(self) -> dict[str, Any]:
        """Return the step, the schedules' text, the controllers' states and the base values, as plain data."""
        self._look()
        return state.save(self._step, self._horizon, self._bindings.groups(), self._bindings.all)

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
        self._refuse_replaced()
        self._look()
        groups = self._bindings.groups()
        step, bindings = self._position(saved, state.in_order(saved, groups))
        state.refuse(self._bindings.all, bindings, groups, choice)
        notes: list[str] = []
        taken: list[tuple[Controller[Any], Any, Floor]] = []  # all is read before anything is changed
        for own, data in zip(self._bindings, bindings, strict=True):
            if own.text != data["schedule"] and choice == "keep_new":
                taken.append((own.controller, self._carried_over(own, data, notes), own.floor))
                continue
            controller = own.controller if own.text == data["schedule"] else self._built(data["schedule"], None)
            floor = own.floor if choice == "keep_new" else state.floor_of(data)
            taken.append((controller, restore(controller, data["state"]), floor))
        for controller, heard, _ in taken:
            controller.value(heard, max(step, 0))  # a function of the user's may raise
        if choice == "use_saved" and [own.text for own in self._bindings] != [data["schedule"] for data in bindings]:
            self._horizon = None  # the notation given is not what is followed now
        as_saved = step == saved.updates and all("value" in data for data in bindings)
        for own, data, (controller, heard, floor) in zip(self._bindings, bindings, taken, strict=True):
            own.follow(controller, heard, floor)
            as_saved = as_saved and own.text == data["schedule"] and own.functions == data.get("functions", {})
            as_saved = as_saved and floor == state.floor_of(data)
            notes += binding_state.load(own, data, groups)
        self._step_count = step + 1
        self._step = step
        if as_saved:  # what stood in the groups, which need not be what the schedule wrote last
            for own in self._bindings:
                binding_state.mark_step(own, step)
            self._step_written = step
        else:
            self._go(step)
        self._resumption.forget(all_is_known=True)
        self._doctor.begin(self._step_count, self._step)
        warn_user(notes)

    def _carried_over(self, binding: Binding, data: dict[str, Any], notes: list[str]) -> Any:
        """Return the state for a new schedule: that of each controller in it that was in the saved one too."""
        try:
            before = self._built(data["schedule"], None)
            earlier = with_states(before, restore(before, data["state"]))
        except (ValueError, TypeError):  # it named a function that is not here
            earlier = []
        kept, anew = carry_over(earlier, binding.controller, binding.state)
        notes += [
            coded("RS212", f"ScheduleLR: {part} was not in the saved schedule, so it begins anew") for part in anew
        ]
        return kept

    def _position(self, saved: state.Saved, bindings: list[dict[str, Any]]) -> tuple[int, list[dict[str, Any]]]:
        """Return the step here at which a saved run stood, and its bindings as they are in these steps.

        A run in tokens or samples stands where it stood, though a step now holds more or fewer of them. It has the
        same schedule if the notation given here, built for the saved horizon, is the saved one.
        """
        before, here = saved.horizon, self._horizon
        if before is None or here is None or len(bindings) != len(self._targets) or saved.updates < 0:
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
        """Return what makes the scheduler, without its hooks."""
        return {name: value for name, value in vars(self).items() if name != "_hooks"}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        """Become a copy, with hooks of its own."""
        vars(self).update(kept)
        for binding in self._bindings:
            binding.copied()
        self._bindings.note_set_here()
        self._hooks = self._count_from_now()
        self._doctor.watch(self.optimizers)
        self._doctor.begin(self._step_count, self._step)

    # Inside

    def __repr__(self) -> str:
        """Return schedules, step and rates in one line."""
        schedules = ", ".join(f"{binding.text}{binding.floor}" for binding in self._bindings.as_left)
        steps = "" if self._horizon is None else f" of {self._horizon.steps:,}"
        rates = ", ".join(f"{rate:.4g}" for rate in self.get_last_lr()[:3] if isinstance(rate, float))
        return f"<{type(self).__name__} {schedules}: step {self._step:,}{steps}, lr {rates or 'in tensors'}>"

    def _built(self, schedule: Any, horizon: Horizon | None) -> Controller[Any]:
        return as_schedule(schedule, horizon, self._functions, who="ScheduleLR")

    def _binding(self, target: Target) -> Binding:
        if not isinstance(target, Target):
            raise TypeError(
                f"ScheduleLR: further schedules must be Targets, got {target!r}; write Target(schedule, key)"
            )
        absolute = isinstance(target.schedule, Absolute)
        floor = Floor.checked(target.final, target.low, absolute=absolute)
        return Binding(self._built(_inner(target), self._horizon), target.key, target.groups, absolute, floor)

    def _look(self) -> None:
        """See whether the groups are still those that were set last; if not, go on from what they are now."""
        if self._bindings.changed():
            step = self._resumption.look(self._step)
            if step != self._step:
                self._step, self._step_count = step, step + 1
                # The update that comes before this call may be the first one after the load.
                self._doctor.begin(self._step_count + 1, self._step, told_of_end=self._resumption.told_of_end)

    def _go(self, step: int, metrics: float | Mapping[str, float] | None = None) -> None:
        """Hear a measurement and write the values of a step; if a function of the user's raises, nothing is changed."""
        if self._replaced:
            self._refuse_replaced()
        if step < 0:  # it waits for its turn in one of torch's sequences, and another scheduler's values stand
            self._step = self._step_written = step
            return
        if self._resumption.without_base is not None:
            self._resumption.refuse_jump(step, self._step_written)
        self._bindings.write(step, metrics)
        self._step = self._step_written = step

    def _go_on(self, metrics: float | Mapping[str, float] | None = None) -> None:
        """Go to the next step, and let the doctor look if it wants to."""
        self._go(self._step + 1, metrics)
        self._step_count += 1
        if self._step_count >= self._doctor.next_look:
            self._doctor.look(self._step_count, self._step)

    def _refuse_replaced(self) -> None:
        if self._replaced:
            raise RuntimeError(
                "ScheduleLR: this scheduler must not be used any more, since a later one counts for the same "
                "optimizer; use that one"
            )

    # What torch's composites call: they have set the rates themselves, to hand them over

    def _initial_step(self) -> None:
        """Begin, as a part of one of torch's composites."""
        # What was taken from a loaded optimizer does not hold in a sequence, which begins at its own step.
        begins = self._resumption.went_on
        self._step_count = 1
        self._update_lr(0 if begins else self._step + 1)

    def _update_lr(self, epoch: int | None = None) -> None:
        """Set the values of a step, whatever another scheduler has left in the groups."""
        self._look()
        self._resumption.forget(all_is_known=True)
        self._bindings.forget_new_values()
        self._go(self._step + 1 if epoch is None else epoch)

    # Counting

    def _count_from_now(self) -> list[Any]:
        """Hook into every optimizer, so that a later scheduler finds this one; the first one's updates are counted."""
        if not self._counting or self._replaced:
            return []
        # Functions of the class, which keep no scheduler alive.
        counts = [ScheduleLR._count, *[None] * (len(self.optimizers) - 1)]
        return [
            hook_into(optimizer, UpdateCounter(self, count, ScheduleLR._has_written))
            for optimizer, count in zip(self.optimizers, counts, strict=True)
        ]

    def _count(self) -> None:
        """Count one update of the optimizer, unless another scheduler's turn it is in a sequence."""
        self._look()
        if self._step < 0:
            return
        self._resumption.say()
        self._go_on()

    def _has_written(self, group: Group) -> bool:
        """Whether the rate that stands in a group is the one that this scheduler wrote last."""
        self._look()
        return self._bindings.has_written_rate(group)

    def _replace_earlier(self) -> None:
        """Take the place of schedulers that count, for the same keys of the same groups; they keep the others."""
        claimed = self._bindings.claims()
        for counter in [counter for optimizer in self.optimizers for counter in counters(optimizer)]:
            earlier = counter.owner
            if earlier is None:
                counter.handle.remove()
            elif earlier._bindings.claims() & claimed:
                earlier._give_up(claimed)

    def _give_up(self, claimed: set[tuple[int, str]]) -> None:
        for binding in self._bindings:
            binding.release(claimed)
        if not self._bindings.claims():
            for hook in self._hooks:
                hook.remove()
            self._hooks, self._replaced = [], True


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
