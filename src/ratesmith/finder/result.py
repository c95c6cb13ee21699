"""FinderResult: the rate, how sure it is, what it cost, and in plain sentences why."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from ratesmith._display import DisplayedResult
from ratesmith.codes import CODES, coded

FLAGS: Final = {code.name: code for number, code in CODES.items() if number.startswith("RS1")}
"""What may be wrong with an answer, by name."""
EARLY_UPDATES: Final = 10
"""Updates at the beginning of a training, whose losses tell what a rate makes a trained model forget."""
RISEN: Final = 1.1
"""A rate whose early losses are above this multiple of those at the lowest rate is named."""


@dataclass(frozen=True)
class Curve:
    """The loss by rate: of a sweep, at each update; of trainings, at the end of each."""

    kind: str
    """"sweep" or "training"."""
    name: str
    """Which order of the data, or how long the trainings were."""
    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smooth: tuple[float, ...]
    """The smoothed losses of a sweep; of trainings, the losses once more."""
    suggestion: float | None
    """What this curve alone suggests."""
    first: float | None = None
    """The training loss before the first update; of a sweep, that at its lowest rates."""
    early: tuple[float, ...] = ()
    """Of trainings, at each rate: the mean of the training losses that the first EARLY_UPDATES updates made."""


@dataclass(frozen=True, repr=False)
class FinderResult(DisplayedResult):
    """An initial rate for the first parameter group, with its interval and what there is to say of it."""

    method: str
    suggestion: float | None
    interval: tuple[float, float] | None
    """The lowest and highest rate that the single curves suggest, or that trained nearly as well as the best."""
    flags: tuple[str, ...]
    """What may be wrong with it, by the names of `FLAGS`."""
    curves: tuple[Curve, ...]
    updates: int
    """Optimizer updates made."""
    seconds: float
    base_lr: float
    """The optimizer's own rate, as it was."""
    rule: str = ""
    metric: str = "loss"
    pretrained: bool = False
    """Whether the model was trained before, as the task says or as its first loss shows."""
    mode: str = "min"
    """Whether the metric is better small, "min", or large, "max"."""

    @property
    def decisive(self) -> tuple[Curve, ...]:
        """The curves that the suggestion was read off: of a race, those of its trainings."""
        kind = "sweep" if self.method == "sweep" else "training"
        return tuple(curve for curve in self.curves if curve.kind == kind)

    def flagged(self, flags: Mapping[str, bool]) -> FinderResult:
        """Return the result with those of these flags that hold beside its own."""
        return replace(self, flags=(*self.flags, *(name for name, holds in flags.items() if holds)))

    def __str__(self) -> str:
        """Return the answer in one line."""
        if self.suggestion is None:
            return f"No rate found by {self.method}: {', '.join(self.flags) or 'nothing to choose from'}"
        low, high = self.interval or (self.suggestion, self.suggestion)
        flags = f"; {', '.join(self.flags)}" if self.flags else ""
        return f"{self.suggestion:.2g} ({low:.2g} to {high:.2g}, {self.method}, {self.updates} updates{flags})"

    def __repr__(self) -> str:
        """Return the answer in one line, without the curves."""
        return f"<FinderResult: {self}>"

    def _display_texts(self) -> list[str]:
        return self.explain().splitlines()

    def explain(self) -> str:
        """Say in plain sentences what was found, how, and what to be careful about."""
        lines = [self._answer()]
        low, high = self.interval or (0.0, 0.0)
        if f"{low:.2g}" != f"{high:.2g}":
            source = "Each order of the data alone suggests" if self.method == "sweep" else "Nearly as good are"
            least = "; the lowest of them is suggested, which changes the model least" * ("short_race" in self.flags)
            lines.append(f"{source} {low:.2g} to {high:.2g}{least}.")
        if dead := self._dead_rates():
            lines.append(f"Trainings at {', '.join(f'{rate:.2g}' for rate in dead)} diverged.")
        lines += self._forgetting()
        lines += [coded(FLAGS[flag].number, FLAGS[flag].meaning) for flag in self.flags]
        if self.method == "sweep" and "pretrained" not in self.flags:
            lines.append(
                "A sweep shows which rates a freshly initialised model tolerates. For a pretrained model it errs more: "
                "say that it was trained before, and short trainings are raced."
            )
        lines.append(f"It took {self.updates} updates, {self.seconds:.1f} s.")
        return "\n".join(lines)

    def _dead_rates(self) -> list[float]:
        """Return the rates at which whole trainings ended without a finite measurement."""
        trainings = [curve for curve in self.decisive if curve.kind == "training"]
        rates = {
            rate
            for curve in trainings
            for rate, loss in zip(curve.rates, curve.losses, strict=True)
            if not math.isfinite(loss)
        }
        return sorted(rates)

    def _forgetting(self) -> list[str]:
        """Say what higher rates do to the first loss: of a model that was trained before, what they make it forget."""
        curve = self.decisive[-1] if self.decisive else None
        if curve is None or curve.first is None:
            return []
        forgets = "the model forgets before it learns" if self.pretrained else "the loss rises before it falls"
        if curve.early:
            return [f"{_beginning(curve)}{_from_rate(_risen_early(curve), forgets)}."]
        above = _above_first(curve)
        if above is None or not self.pretrained:
            return []
        return [f"From {above:.2g} on the loss is above the first one, {curve.first:.3g}: {forgets}."]

    def _answer(self) -> str:
        if self.suggestion is None:
            return "No rate is suggested."
        change = self.suggestion / self.base_lr
        than = f"{change:.2g} times" if change >= 1 else f"1/{1 / change:.2g} of"
        if f"{change:.1f}" == "1.0":
            than = "about"
        return f"Initial rate: {self.suggestion:.2g}, {than} the optimizer's own {self.base_lr:g}."

    def to_data(self) -> dict[str, Any]:
        """Return everything as plain data for JSON; numbers that are not finite are given as text."""
        data: dict[str, Any] = asdict(self)
        data["codes"] = [FLAGS[flag].number for flag in self.flags]
        for curve in data["curves"]:
            if curve["first"] is not None and not math.isfinite(curve["first"]):
                curve["first"] = str(curve["first"])
            for name in ("losses", "smooth", "early"):
                curve[name] = [loss if math.isfinite(loss) else str(loss) for loss in curve[name]]
        return data


def _beginning(curve: Curve) -> str:
    """Say how trainings began at the lowest rate and at the highest."""
    ends = {curve.rates[0]: curve.early[0], curve.rates[-1]: curve.early[-1]}
    losses = " and ".join(f"{loss:.3g} at {rate:.2g}" for rate, loss in ends.items())
    return f"The first loss was {curve.first:.3g}; over the next {EARLY_UPDATES} updates it was {losses}"


def _from_rate(rate: float | None, what: str) -> str:
    return "" if rate is None else f". From {rate:.2g} on {what}"


def _risen_early(curve: Curve) -> float | None:
    """Return the lowest rate whose early losses are higher than those at the lowest rate of all.

    That one has seen the same batches, and hardly changed the model.
    """
    at_rest = curve.early[0]
    pairs = zip(curve.rates, curve.early, strict=True)
    return next((rate for rate, loss in pairs if loss > RISEN * at_rest > 0), None)


def _above_first(curve: Curve) -> float | None:
    """Return the rate from which on a sweep's loss is above its first one, if there is such a rate."""
    place = len(curve.smooth)
    while place and curve.smooth[place - 1] > (curve.losses[0] if curve.first is None else curve.first):
        place -= 1
    return curve.rates[place] if place < len(curve.smooth) else None


class FinderError(Exception):
    """A search that cannot be made; the message is one line for its user."""
