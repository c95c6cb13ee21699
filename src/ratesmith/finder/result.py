"""FinderResult: the rate, how sure it is, what it cost, and in plain sentences why."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from ratesmith._checks import Option, OptionValueError
from ratesmith._display import DisplayedResult
from ratesmith.codes import CODES, coded

FLAGS: Final = {code.name: code for number, code in CODES.items() if number.startswith("RS1")}
"""What may be wrong with an answer, by name."""
# What benchmarks/find/judge.py prints of its 36 trainings: 18 problems with two optimizers.
ERRING: Final = "In our trainings half of the best rate cost 9 % of the loss, and twice the best rate 35 %."
WARMING: Final = "A warm-up of 10 % changed little in our trainings: 4 of 36 gained over 5 %, and none more than 23 %."
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
    """Where the best rate lies in about 8 of 10 such searches, as measured; None where nothing was: after a grid, and
    on an edge that no sweep led to."""
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
    judged_by: str = "validation"
    """What rates were judged by: "validation", or their "training" losses."""
    dead: tuple[float, ...] = ()
    """The rates at which trainings died: their loss was not finite in the end, or above the best one hardly lower."""
    nearly: tuple[float, ...] = ()
    """Of the rates that were trained, those beside the best that ended within 5 % of it, the best included."""
    group_lrs: Mapping[str, float] = field(default_factory=dict)
    """The optimizer's own rates by parameter group, by name, if it has several groups."""
    notes: tuple[str, ...] = ()
    """What is to be minded of the schedule's lengths, with their codes."""

    @property
    def safe(self) -> float | None:
        """Half of the suggestion, or the lower end of its interval if that is higher: too high a rate costs more."""
        if self.suggestion is None:
            return None
        return self.suggestion / 2 if self.interval is None else max(self.suggestion / 2, self.interval[0])

    @property
    def rates(self) -> dict[str, float]:
        """The suggested rate of each parameter group, by its name; all keep their ratio to the first."""
        if self.suggestion is None:
            return {}
        change = self.suggestion / self.base_lr
        return {name: change * rate for name, rate in self.group_lrs.items()}

    @property
    def rates_differ(self) -> bool:
        """Whether the parameter groups have different rates."""
        return len(set(self.rates.values())) > 1

    def rate_of(self, group: str) -> float | None:
        """Return the rate of the group that is named; None if no rate is suggested.

        Raises ValueError if there is no such group.
        """
        check_group(group, self.group_lrs)
        return self.rates.get(group)

    @property
    def measure(self) -> str:
        """What rates were judged by, in words, as "validation loss" or "training loss"."""
        if self.judged_by == "training":
            return "training loss"
        name = self.metric.removeprefix("eval_").removeprefix("val_")
        return f"validation {name}"

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
        flags = f"; {', '.join(self.flags)}" if self.flags else ""
        interval = "" if self.interval is None else f"{self.interval[0]:.2g} to {self.interval[1]:.2g}, "
        return f"{self.suggestion:.2g} ({interval}{self.method}, {self.updates} updates{flags})"

    def __repr__(self) -> str:
        """Return the answer in one line, without the curves."""
        return f"<FinderResult: {self}>"

    def _display_texts(self) -> list[str]:
        return self.explain().splitlines()

    def explain(self) -> str:
        """Say in plain sentences what was found, how, and what to be careful about."""
        lines = [self._answer(), *self._groups(), *self._doubt()]
        if len(self.nearly) > 1:
            lines.append(f"Of the rates trained, {_listed(self.nearly)} ended within 5 % of each other.")
        if self.dead and self.suggestion is not None:
            lines.append(f"Trainings died at {_listed(self.dead)}: they hardly learned, or their loss was not finite.")
        if self.method == "race" and self.judged_by == "training":
            lines.append(
                "Nothing was measured on validation data: rates were judged by their training losses, which errs more."
            )
        if self.method == "race" and self.suggestion is not None:
            lines.append(WARMING)
        lines += self._forgetting()
        lines += [coded(FLAGS[flag].number, FLAGS[flag].meaning) for flag in self.flags]
        lines += self.notes
        if self.method == "race" and {"no_descent", "diverged"} <= set(self.flags):
            lines.append(f"Lower rates may still learn: race around one below {self.curves[-1].rates[0]:.2g}.")
        if self.method == "race" and "edge" in self.flags:
            lines.append(f"To go on from there, race around {self.curves[-1].suggestion:.2g}.")
        lines.append(f"It took {self.updates} updates, {self.seconds:.1f} s.")
        return "\n".join(lines)

    def _groups(self) -> list[str]:
        """Say the rate of each group, if they differ."""
        if not self.rates_differ:
            return []
        return [f"By group: {', '.join(f'{name} {rate:.2g}' for name, rate in self.rates.items())}."]

    def _doubt(self) -> list[str]:
        """Say how sure that is, and which side to err on."""
        if self.interval is None:
            return []
        low, high = self.interval
        return [
            f"In 8 of 10 searches like this one, the best rate lies between {low:.2g} and {high:.2g}.",
            f"If in doubt, take less: {self.safe:.2g} is safe. {ERRING}",
        ]

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
        data["codes"] += [note.rpartition("[")[2].removesuffix("]") for note in self.notes]
        data |= {"safe": self.safe, "rates": self.rates}
        for curve in data["curves"]:
            if curve["first"] is not None and not math.isfinite(curve["first"]):
                curve["first"] = str(curve["first"])
            for name in ("losses", "smooth", "early"):
                curve[name] = [loss if math.isfinite(loss) else str(loss) for loss in curve[name]]
        return data


def check_group(group: str, group_lrs: Mapping[str, float]) -> None:
    """Refuse the name of a parameter group that there is not."""
    if group not in group_lrs:
        known = f"known: {', '.join(group_lrs)}" if group_lrs else "the optimizer has one"
        raise OptionValueError(
            "find: ", Option("group"), f" must be the name of a parameter group, got {group!r}; {known}"
        )


def _listed(rates: Sequence[float]) -> str:
    texts = [f"{rate:.2g}" for rate in rates]
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def _beginning(curve: Curve) -> str:
    """Say how trainings began at the lowest rate and at the highest."""
    ends = {curve.rates[0]: curve.early[0], curve.rates[-1]: curve.early[-1]}
    losses = " and ".join(
        f"{f'{loss:.3g}' if math.isfinite(loss) else 'not finite'} at {rate:.2g}" for rate, loss in ends.items()
    )
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
