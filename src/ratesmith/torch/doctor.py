"""The doctor of a ScheduleLR: whether it is wired right, as its own steps and its optimizers' updates tell.

It looks at each of the first steps, then after 16, 32, 64 and so on, and at the end of the schedule: any other step
costs a comparison. Each thing is said once. What is not certain is not said: a gradient scaler skips updates, a loop
that only draws a schedule makes none, and torch's chains let several schedulers set one rate.
"""

from __future__ import annotations

import itertools
from typing import Any, Final

from torch import Tensor
from torch.optim import Optimizer

from ratesmith.codes import coded
from ratesmith.horizon import Horizon
from ratesmith.torch.binding import Binding
from ratesmith.torch.bindings import Bindings
from ratesmith.torch.counting import UpdateWatch, has_hooks, hook_into, watches
from ratesmith.torch.group_history import has_foreign_scheduler, is_trained
from ratesmith.torch.inner_optimizers import groups_apart, inner_optimizers
from ratesmith.torch.key import near
from ratesmith.torch.other_schedulers import ANOTHER, may_share, others_beside
from ratesmith.torch.user_warnings import Information, warn_user

FIRST: Final = 8
"""Steps that are looked at one by one."""
IDLE: Final = 10
"""Steps without an update from which on it is said."""
OFTEN: Final = 1.5
"""Steps for each update from which on there are too many: a few updates may be skipped."""
SCALED: Final = 128
"""Steps between two looks from which on too many are said of what a gradient scaler updates: it skips some twenty."""
MOST_BUILT: Final = 3
"""How often a scheduler may be built again for one optimizer, as in a notebook, until it is said."""
IN_A_ROW: Final = 5
"""Steps one after another before each of which somebody else has set the value of one group, until it is said."""
_BUILT_AGAIN: Final = "_ratesmith_built_again"
"""The optimizer's attribute that holds how often, and after how many steps."""
MOST_SEARCHES: Final = 3
"""How often another scheduler is looked for among all objects, which takes up to 0.1 s."""


class Doctor:
    """What was seen of one scheduler's steps and updates, and what was said of them.

    `next_look` is the count of its calls of `step()` at which it wants to look again.
    """

    def __init__(self, bindings: Bindings, horizon: Horizon | None, counting: bool) -> None:
        """Take what the scheduler works with; and whether it counts updates, so that `step()` only hears."""
        self._bindings, self.horizon, self._counting = bindings, horizon, counting
        self._said: set[str] = set()
        self._watches: list[list[UpdateWatch]] = []
        """For each optimizer, what watches it, and the optimizers inside it that train its weights."""
        self._saw_updates, self._updates_before = False, 0
        self._may_share, self._searches, self._looks = False, 0, 0
        for binding in bindings.as_left:
            binding.saw_other_value = self.saw_other_value
        self.begin(0, 0)

    def watch(self, optimizers: tuple[Optimizer, ...]) -> None:
        """See the updates of these optimizers from now on; one without hooks tells of none."""
        for watch in itertools.chain(*self._watches):
            watch.handle.remove()
        self._updates_before = sum(watch.count for own in optimizers for watch in watches(own))
        self._watches = [
            [self._watched(part) for part in (own, *inner_optimizers(own)) if has_hooks(part)] for own in optimizers
        ]

    def _watched(self, optimizer: Optimizer) -> UpdateWatch:
        watch = UpdateWatch(self)
        hook_into(optimizer, watch)
        return watch

    def begin(self, calls: int, step: int, *, told_of_end: bool = False) -> None:
        """Begin to look, at a count of the scheduler's calls of `step()`, and at a step.

        An update may have come just before, whose step is still to be made.
        """
        self._told_of_end = told_of_end
        self._first = self._last = calls
        self._waits, self._led = True, 0
        """Whether no update was made yet, and the calls that came before the first one."""
        self._is_fresh = not self._saw_updates and not any(map(_has_trained, self._bindings.optimizers))
        self._between: list[int] = []
        """The updates before each of the first calls, from the first update on."""
        self._updates = self._updates_at_end = self._made()
        self._fewest_updates = self._fewest()
        self._too_often = 0
        """The windows, one after another, that had too many steps."""
        self._others: dict[int, int] = {}
        self._beside = 0
        """The looks, one after another, at which another scheduler had made steps too."""
        self._versions = self._versions_now()
        self._heard, self._heard_updates, self._heard_versions = 0, self._updates, self._versions
        self._hits: dict[tuple[str, int], list[int]] = {}
        """For each key and group, the steps one after another after which somebody else has set its value."""
        self._rates_apart: list[tuple[float, float]] = []
        self._plan(calls, step)

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy needs: its optimizers have not the hooks that see their updates."""
        return {**vars(self), "_watches": []}

    def _plan(self, calls: int, step: int) -> None:
        """Set the next call to look at."""
        past = calls - self._first
        self.next_look = calls + (1 if past < FIRST else past)
        end = self._end()
        if end is not None and self._may_tell_of_end() and (step < end or self._is_at_zero()):
            self.next_look = min(self.next_look, calls + max(1, end - step))

    # What is seen

    def is_own_rate(self, group: dict[str, Any]) -> bool:
        """Whether the rate in a group is the one that this scheduler wrote."""
        return self._bindings.has_written_rate(group)

    def _made(self) -> int:
        """Return the updates that were seen, of all optimizers: several may take turns."""
        return sum(self._counts())

    def _fewest(self) -> int:
        """Return the updates of the optimizer that made the fewest, of those that made any."""
        return min(filter(None, self._counts()), default=0)

    def _counts(self) -> list[int]:
        """Return each optimizer's updates; one that has others inside it may leave the work to them."""
        return [max((watch.count for watch in watched), default=0) for watched in self._watches]

    def _is_scaled(self) -> bool:
        """Whether a gradient scaler makes the updates, and may skip the first ones."""
        return any(watch.is_scaled for watch in itertools.chain(*self._watches))

    def _may_tell_of_end(self) -> bool:
        return not self._told_of_end and not {"RS217", "RS219"} & self._said

    def _versions_now(self) -> list[int]:
        """Return how often each weight was changed in place, by whatever means."""
        return [_version(weight) for group in self._bindings.groups() for weight in group["params"]]

    def _changes(self, before: list[int]) -> int:
        """Return how often a weight was changed since: once by loading a state, at least once by each update."""
        return max((now - then for now, then in zip(self._versions_now(), before, strict=False)), default=0)

    def _rates(self) -> list[Binding]:
        """Return what sets the rate, without disturbing the quick steps."""
        return [binding for binding in self._bindings.as_left if binding.name == "lr"]

    def _end(self) -> int | None:
        ends = [binding.ends() for binding in self._rates()]
        return None if not ends or None in ends else max(end for end in ends if end is not None)

    def _is_at_zero(self) -> bool:
        """Whether all rates are 0, so that an update changes nothing."""
        return all(float(group["lr"]) == 0.0 for group in self._bindings.groups() if "lr" in group)

    # Looking

    def look(self, calls: int, step: int) -> None:
        """Look at what happened since the last look, say what is wrong, and plan the next one."""
        if any(self._watches):
            if not self._counting:
                self._look_at_order(calls)
            self._look_at_end(step)
            self._look_at_reach()
            self._look_at_others()
        self._plan(calls, step)

    def _look_at_order(self, calls: int) -> None:
        """See whether one step is made for each update."""
        steps, updates = calls - self._last, self._made() - self._updates
        if not updates and steps >= IDLE:
            self._look_at_idle(steps, self._changes(self._versions))
        if self._waits and not updates:
            return  # a loop that goes on somewhere may step there first, and one that only draws makes no update
        if self._waits:
            self._waits, self._led, self._first, self._saw_updates = False, steps - 1, calls - 1, True
            self._last, steps = calls - 1, 1
        first = len(self._between) < FIRST
        if first:
            self._between.append(self._fewest() - self._fewest_updates)
            self._fewest_updates = self._fewest()
            self._look_at_first()
            if len(self._between) < FIRST:
                return
        # After a change of optimizers in mid-run one window has too many steps, and the next one no update.
        self._too_often = self._too_often + 1 if updates and steps >= OFTEN * updates else 0
        if self._too_often > 1 - first and (steps >= SCALED or not self._is_scaled()):
            self._say_often(steps, updates)
        self._last, self._updates, self._versions = calls, self._made(), self._versions_now()

    def _look_at_first(self) -> None:
        """See by the first steps whether they come before the update, or once an epoch."""
        if self._is_fresh and self._led == 1 and self._between == [1, 1] and not self._is_scaled():
            self._say(
                "RS216",
                "step() must come after optimizer.step(), got it before: the value of step 0 is never used; "
                "exchange the two lines",
            )
        elif min(self._between[-2:]) >= 2 and len(self._between) > 1:
            self._say_rarely(self._between[-1])

    def _look_at_idle(self, steps: int, changes: int) -> None:
        """See whether somebody else trains the weights."""
        # A step that was put on the optimizer itself, other than by torch's schedulers, may leave hooks out.
        patched = any("step" in vars(own) and not has_foreign_scheduler(own) for own in self._bindings.optimizers)
        if changes >= steps and not patched:
            names = " and ".join(type(optimizer).__name__ for optimizer in self._bindings.optimizers)
            self._say(
                "RS215",
                f"the optimizer that it was given must make the updates, got {steps} steps and no update of {names}, "
                "while the weights changed; give the optimizer that trains them, as it is after any wrapping",
            )

    def hear(self) -> None:
        """See, of a scheduler that counts updates, whether `step()` is called and none is made."""
        made = self._made()
        if made > self._heard_updates or not any(self._watches):
            self._heard, self._heard_updates = 0, made
            return
        self._heard += 1
        if self._heard == 1:  # not at every update, since it asks every weight
            self._heard_versions = self._versions_now()
        elif self._heard > IDLE:
            self._look_at_idle(self._heard - 1, self._changes(self._heard_versions))

    def _look_at_end(self, step: int) -> None:
        """See whether updates go on at a rate of 0."""
        end = self._end()
        if end is None or step <= end or not self._is_at_zero() or not self._may_tell_of_end():
            self._updates_at_end = self._made()
        elif self._made() > self._updates_at_end:
            self._say(
                "RS219",
                f"training must end with its schedule, got an update at rate 0 after all {end:,} steps; give the "
                f"{'horizon' if self.horizon else 'schedule'} the length that training has",
            )

    def _look_at_reach(self) -> None:
        """See whether an optimizer inside the given one gets the rates that are set."""
        pairs = [(optimizer, *pair) for optimizer in self._bindings.optimizers for pair in groups_apart(optimizer)]
        rates = [(float(outer["lr"]), float(inner["lr"])) for _, outer, inner, _ in pairs]
        before, self._rates_apart = self._rates_apart, rates
        if len(before) != len(pairs):
            return
        for (optimizer, _, _, name), (outer_before, inner_before), (outer, inner) in zip(
            pairs, before, rates, strict=True
        ):
            # A wrapper may hand its rates on when it steps, as they are or scaled: then the inner ones change too.
            if outer != outer_before and inner == inner_before and not near(inner, outer):
                self._say(
                    "RS222",
                    f"the optimizer's groups must be those that are trained, got {type(optimizer).__name__}, whose "
                    f"{name} has groups of its own, which no rate reaches; give ScheduleLR that {name}",
                )

    def _look_at_others(self) -> None:
        """See whether another ScheduleLR makes steps too, for the same key of the same groups."""
        self._looks += 1
        before, self._others = self._others, {}
        beside = []
        for watch in itertools.chain(*map(watches, self._bindings.optimizers)):
            other = watch.owner
            if other is not None and other is not self:
                self._others[id(other)] = other._looks
                if other._looks > before.get(id(other), other._looks):
                    beside.append(other)
        self._beside = self._beside + 1 if beside else 0
        if self._beside < 2 or "RS220" in self._said:  # they may take turns, as in a sequence
            return
        for other in beside:
            both = other._bindings.claims() & self._bindings.claims()
            if both and "RS220" not in other._said:
                self._say_two(min(key for _, key in both), ANOTHER)

    # What else is seen

    def saw_other_value(self, key: str, value: float, step: int, place: int) -> None:
        """Take notice of a value that somebody else has set for a group, since a step was written."""
        if self._may_share or {"RS220", "RS221"} & self._said:
            return
        hits = self._hits.setdefault((key, place), [])
        if not hits or step != hits[-1]:
            hits[:] = [*hits, step] if hits and step == hits[-1] + 1 else [step]
        in_a_row = len(hits) >= IN_A_ROW
        if not in_a_row and (
            self._searches >= MOST_SEARCHES or not any(map(has_foreign_scheduler, self._bindings.optimizers))
        ):
            return
        self._searches += 1
        self._may_share = may_share(self._bindings)
        if self._may_share:
            return
        if others := others_beside(self._bindings, value, any_of_ours=in_a_row):
            self._say_two(key, others)
        elif in_a_row:
            self._say(
                "RS221",
                f"{key!r} must be left to it, got another value before each of {IN_A_ROW} steps; take out what sets "
                "it, or take out this scheduler",
            )

    def saw_built_again(self, steps: int) -> None:
        """Take notice that a scheduler was built over one of the same schedule, which had made so many steps."""
        end = self._end()
        if not self._updates_before or end is None or steps >= end:
            return  # a notebook may draw it again, or a new cycle begin
        optimizer = self._bindings.optimizers[0]
        times, steps_before = vars(optimizer).get(_BUILT_AGAIN, (0, steps))
        times = times + 1 if steps == steps_before else 1
        setattr(optimizer, _BUILT_AGAIN, (times, steps))
        if times == MOST_BUILT:
            self._say(
                "RS223",
                f"it must be built once for a training, got it for the fourth time on this optimizer, after {steps:,} "
                f"{'step' if steps == 1 else 'steps'} each, and each begins at step 0; build it before the loop",
            )

    # Saying

    def _say_two(self, key: str, others: str) -> None:
        if others == ANOTHER:  # two of ours write one base times their own factor, in one of torch's chains too
            text = "of which the last one's value stands; take one out, or multiply their schedules in one"
        else:
            text = "and each changes what the other sets; take one out, or join them in torch's ChainedScheduler"
        self._say("RS220", f"one scheduler must set {key!r}, got {others} beside it, {text}")

    def _say_often(self, steps: int, updates: int) -> None:
        times = f"{steps / updates:.2g}"
        self._say(
            "RS217",
            f"step() must be called once for each update, got {times} calls for each{self._lasts(updates / steps)}; "
            "call it where optimizer.step() is called, or give count_updates=True",
        )

    def _say_rarely(self, times: int) -> None:
        lasts = self._lasts(times)
        if "RS218" in self._said or not lasts:
            return  # without a length, a step is what the schedule's own numbers mean
        if self._knows_unit():
            self._say(
                "RS218",
                f"step() must be called once for each update, got {times:,} updates for each call{lasts}; call it "
                "in the inner loop, or give count_updates=True",
            )
            return
        self._said.add("RS218")
        text = f"ScheduleLR: {times:,} updates for each step(){lasts}; if it counts updates, step after each"
        warn_user([coded("RS218", text)], Information)

    def _lasts(self, updates_per_step: float) -> str:
        """Return how long the schedule lasts in updates, or nothing if it has no end."""
        length = self.horizon.steps if self.horizon is not None else self._end()
        if not length:
            return ""
        thing = "horizon" if self.horizon is not None else "schedule"
        return f": this {thing} of {length:,} lasts {round(length * updates_per_step):,} updates"

    def _knows_unit(self) -> bool:
        """Whether the horizon says that its steps are updates and not epochs."""
        horizon = self.horizon
        return horizon is not None and (
            (horizon.steps_per_epoch or 1) > 1
            or horizon.tokens_per_step is not None
            or horizon.samples_per_step is not None
        )

    def _say(self, number: str, text: str) -> None:
        if number not in self._said:
            self._said.add(number)
            warn_user([coded(number, f"ScheduleLR: {text}")])


def _has_trained(optimizer: Optimizer) -> bool:
    """Whether an optimizer has made updates before, or has gradients, as between an update and a scheduler's step."""
    weights = (weight for group in optimizer.param_groups for weight in group["params"])
    return is_trained(optimizer) or any(weight.grad is not None for weight in weights)


def _version(weight: Tensor) -> int:
    try:
        return weight._version
    except (RuntimeError, ValueError):  # made in inference mode, or of a lazy layer
        return 0
