"""Train the trials of a bundle along one trunk: each as if alone, what they share made once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ratesmith._text import one_line
from ratesmith.controllers import restore
from ratesmith.experiment.trial import Bundle, Kept, Parted, Plan, Point, Reached, Run, Trial
from ratesmith.experiment.trunk import Rates, sound
from ratesmith.task import Training

EXPLODED: Final = 1000.0
"""A loss this many times the first one's distance from zero (at least 1) above it is no longer training."""
SHOWN_RATES: Final = 256

Part = Run | Kept | Parted | Reached
"""What a job tells on the way."""
Keep = Callable[[Training, str], tuple[str | bytes, str]]
"""Saves a training's state under a name; gives where it is, or what it is, and its digest."""


class Diverged(Exception):  # noqa: N818  # it is an outcome that is counted, not an error
    """The loss is not finite, or exploded, at update number `step`."""

    def __init__(self, step: int, what: str, loss: float) -> None:
        """Say where and how."""
        super().__init__(f"{what} loss {loss:.3g} at step {step}")
        self.step = step


@dataclass
class Record:
    """What a run leaves behind, growing while it is made."""

    curve: list[Point] = field(default_factory=list)
    rates: list[tuple[int, float]] = field(default_factory=list)
    acts: list[tuple[int, str]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    """Training losses since the last measurement."""
    first_loss: float | None = None
    heard: Any = ()
    """The controller's state."""
    seconds: float = 0.0
    shared: int = 0

    def to_data(self) -> dict[str, Any]:
        """Return plain data, all of it copied."""
        return {
            "curve": [list(point) for point in self.curve],
            "rates": [list(pair) for pair in self.rates],
            "acts": [list(act) for act in self.acts],
            "losses": list(self.losses),
            "first_loss": self.first_loss,
            "heard": self.heard,
            "seconds": self.seconds,
            "shared": self.shared,
        }

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Record:
        """Read what `to_data` gave."""
        return cls(
            curve=[Point(*point) for point in data["curve"]],
            rates=[(step, rate) for step, rate in data["rates"]],
            acts=[(step, why) for step, why in data["acts"]],
            losses=list(data["losses"]),
            first_loss=data["first_loss"],
            heard=data["heard"],
            seconds=data["seconds"],
            shared=data["shared"],
        )


class Member:
    """One trial of a bundle: its rates, its own measurements, what it has heard."""

    def __init__(self, trial: Trial, rates: Rates, plan: Plan, known: dict[str, Any] | None) -> None:
        """Go on from what is known of the trial, or begin."""
        self.trial, self.every, self.rates = trial, plan.every(trial.steps), rates
        self.show_every = max(1, trial.steps // SHOWN_RATES)
        self.table = rates.of(trial)
        self.controller = rates.controller(trial)
        self.record = Record(heard=self.controller.init())
        if known is not None:
            self.record = Record.from_data(known)
            self.record.heard = restore(self.controller, self.record.heard)
        self.limit = math.inf if self.record.first_loss is None else _limit(self.record.first_loss)

    def rate(self, step: int) -> float:
        """Return the absolute rate of an update."""
        if self.table is not None:
            return self.table[step]
        factor = self.controller.value(self.record.heard, self.rates.at(self.trial, step))
        return self.trial.base_lr * sound(self.trial, factor, step)

    def note(self, step: int, lr: float, loss: float) -> None:
        """Note an update's loss, or raise Diverged."""
        record = self.record
        if step % self.show_every == 0:
            record.rates.append((step, lr))
        if not -math.inf < loss < self.limit:
            raise Diverged(step, "training", loss)
        if record.first_loss is None:
            record.first_loss = loss
            self.limit = _limit(loss)
        record.losses.append(loss)

    def measures(self, step: int) -> bool:
        """Whether it is measured after so many updates."""
        return step % self.every == 0 or step == self.trial.steps

    def next_measured(self, step: int) -> int:
        """Return after how many updates it is measured next."""
        return min(self.trial.steps, step - step % self.every + self.every)

    def hear(self, step: int, metrics: dict[str, float]) -> None:
        """Take in a measurement made after `step` updates, or raise Diverged."""
        record = self.record
        if record.curve and not -math.inf < metrics["loss"] < _limit(record.curve[0].metrics["loss"]):
            raise Diverged(step - 1, "validation", metrics["loss"])
        mean = math.fsum(record.losses) / len(record.losses) if record.losses else None
        record.curve.append(Point(step, mean, metrics))
        record.losses.clear()
        if step:
            whole = self.rates.at(self.trial, step)
            before, record.heard = record.heard, self.controller.observe(record.heard, whole, metrics)
            if why := self.controller.why(before, record.heard):
                record.acts.append((step, why))

    def run(self, status: str, steps: int, message: str = "", grew_from: str = "") -> Run:
        """Return the finished run."""
        record = self.record
        return Run(
            trial=self.trial,
            status=status,
            steps=steps,
            seconds=record.seconds,
            metrics=record.curve[-1].metrics if status == "done" else {},
            curve=tuple(record.curve),
            rates=tuple(record.rates),
            acts=tuple(record.acts),
            message=message,
            shared=record.shared,
            grew_from=grew_from if record.shared else "",
        )


Ending = tuple[Member, str, int, str]
"""A trial that ends: its status, its number of updates, and what there is to say."""


class Course:
    """A bundle's training: it gives runs as they end, bundles where trials part, and checkpoints on the way.

    The trial that stands first is the trunk: a trial whose rate is no longer equal to its rate parts, in a bundle with
    all that part with the same rate, and the state is saved there. Iterating it is training.
    """

    def __init__(
        self, bundle: Bundle, training: Training, rates: Rates, plan: Plan, keep: Keep, finals: bool = False
    ) -> None:
        """Take up the bundle's trials; `training` is at the bundle's step. `finals` keeps the states at the end too."""
        known = bundle.records or (None,) * len(bundle.trials)
        self.members: list[Member] = []
        self.refused: list[Run] = []
        for trial, record in zip(bundle.trials, known, strict=True):
            try:
                self.members.append(Member(trial, rates, plan, record))
            except ValueError as error:  # a rule of the user's own that went wrong
                self.refused.append(Run(trial, "failed", bundle.step, 0.0, message=one_line(error)))
        self.training, self.keep, self.finals, self.step = training, keep, finals, bundle.step
        self.grew_from, self.expected = bundle.grew_from, bundle.next_loss
        self.began = time.perf_counter()

    def train(self, checkpoint_seconds: float) -> Iterator[Part]:
        """Train to the end of every trial that stays on the trunk."""
        yield from self.refused
        saved = time.perf_counter()
        if self.step == 0:
            yield from self._measure()
        due = self._due()
        while self.members:
            parted: list[Bundle] = []
            if len(self.members) > 1 or self.members[0].table is None:
                for part in self._part():
                    if isinstance(part, Run):
                        yield part
                    else:
                        parted.append(part)
                if not self.members:
                    return
            lr, loss = self.members[0].rate(self.step), None
            try:
                loss = self.training.step(lr)
            finally:
                for bundle in parted:
                    yield Parted(replace(bundle, next_loss=loss))
            if self.expected is not None and repr(loss) != repr(self.expected):
                # The saved state does not go on as the training did: each begins anew, and by itself.
                yield from (Parted(Bundle((member.trial,))) for member in self.members)
                return
            self.expected = None
            if ended := self._note(lr, loss):
                yield from self._end(ended)
            self.step += 1
            if self.step == due:
                yield from self._measure()
                due = self._due()
            if time.perf_counter() - saved > checkpoint_seconds and self.members:
                state = self.keep(self.training, f"{self._name()} checkpoint {self.step}")
                yield Reached(self._bundle(self.members, *state, self.grew_from))
                saved = time.perf_counter()

    def fail(self, message: str) -> Iterator[Run]:
        """End what is left, because the task raised."""
        yield from self._end([(member, "failed", self.step, message) for member in self.members])

    def _due(self) -> int:
        """Return the number of updates after which some trial is measured next."""
        return min((member.next_measured(self.step) for member in self.members), default=0)

    def _note(self, lr: float, loss: float) -> list[Ending]:
        """Note an update for every trial; give those that it ends."""
        ended: list[Ending] = []
        for member in self.members:
            try:
                member.note(self.step, lr, loss)
            except Diverged as outcome:
                ended.append((member, "diverged", outcome.step + 1, str(outcome)))
        return ended

    def _measure(self) -> Iterator[Run | Kept]:
        """Measure for those whose turn it is, and end those that diverged or whose last update this was."""
        if not any(member.measures(self.step) for member in self.members):
            return  # those whose turn it was have ended or parted
        metrics = measure(self.training)
        ended: list[Ending] = []
        for member in self.members:
            if not member.measures(self.step):
                continue
            try:
                member.hear(self.step, metrics)
            except Diverged as outcome:
                ended.append((member, "diverged", outcome.step + 1, str(outcome)))
            except (ValueError, TypeError) as error:  # a controller's own
                ended.append((member, "failed", self.step, one_line(error)))
            else:
                if member.trial.steps == self.step:
                    ended.append((member, "done", self.step, ""))
                    if self.finals:
                        yield Kept(member.trial, self.keep(self.training, repr(tuple(member.trial)))[0])
        if ended:
            yield from self._end(ended)

    def _end(self, ended: list[Ending]) -> Iterator[Run]:
        """Return the runs of trials that end here. The updates are one trial's: one that goes on, or else the first."""
        self._clock()
        over = [member for member, *_ in ended]
        owner = next((member for member in self.members if member not in over), over[0])
        for member, status, steps, message in ended:
            self.members.remove(member)
            if member is not owner:
                member.record.shared = steps
            yield member.run(status, steps, message, self.grew_from if member is owner else owner.trial.strategy)

    def _clock(self) -> None:
        now = time.perf_counter()
        for member in self.members:
            member.record.seconds += now - self.began
        self.began = now

    def _part(self) -> Iterator[Bundle | Run]:
        """Let those go whose next rate is another than the trunk's; each rate is a bundle of its own."""
        lr: float | None = None
        apart: dict[float, list[Member]] = {}
        for member in tuple(self.members):
            try:
                own = member.rate(self.step)
            except (ValueError, TypeError) as error:
                yield from self._end([(member, "failed", self.step, one_line(error))])
                continue
            if lr is None:
                lr = own
            elif own != lr:
                apart.setdefault(own, []).append(member)
        if not apart:
            return
        self._clock()
        trunk = self.members[0].trial.strategy
        state, digest = self.keep(self.training, self._name()) if self.step else (None, "")
        for members in apart.values():
            for member in members:
                self.members.remove(member)
                member.record.shared, member.record.seconds = self.step, 0.0
            bundle = self._bundle(members, state, digest, trunk)
            yield bundle if self.step else bundle.again()

    def _name(self) -> str:
        """Name a state by the training it is of."""
        return repr((*self.members[0].trial, self.step))

    def _bundle(self, members: list[Member], state: str | bytes | None, digest: str, grew_from: str) -> Bundle:
        self._clock()
        records = tuple(member.record.to_data() for member in members)
        return Bundle(tuple(member.trial for member in members), self.step, records, state, digest, grew_from)


def measure(training: Training, split: str = "validation") -> dict[str, float]:
    """Return the metrics of a split as plain numbers; raise TypeError where they are none, or without a loss."""
    measured = dict(training.evaluate(split))
    try:
        plain = {str(name): float(value) for name, value in measured.items()}
    except (TypeError, ValueError):
        raise TypeError(f"Task: metrics must be numbers, got {measured!r}; give plain floats by name") from None
    if "loss" not in plain:
        raise TypeError(f"Task: metrics must include 'loss', got {sorted(plain)}; report the loss by that name")
    return plain


def _limit(first: float) -> float:
    """Return the loss at which a run has exploded, from its first."""
    return first + EXPLODED * max(1.0, abs(first)) if math.isfinite(first) else math.inf
