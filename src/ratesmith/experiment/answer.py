"""The answer of a comparison in plain sentences: what is best, whether it beats the baseline, and what may be as good.

Every word follows from the interval that the table prints for the same pair, and a pair of strategies has one interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from ratesmith.experiment.ranking import Row
from ratesmith.experiment.statistics import Difference
from ratesmith.experiment.wording import amount, interval, listed, mirrored
from ratesmith.strategy.labels import labels

if TYPE_CHECKING:
    from ratesmith.experiment.comparison import Comparison


FAR_BEHIND: Final = "far behind"
"""What is said of a strategy that got no more seeds, though its interval reaches to both sides of 0."""
STOPPED: Final = f"{FAR_BEHIND}, stopped"
"""The same below its name in a table."""


def relative(comparison: Comparison) -> bool:
    """Whether differences are shares of a loss, and not in units of the metric."""
    differences = [each for row in comparison.rows for each in (row.difference, row.to_best) if each is not None]
    return all(difference.relative for difference in differences)


def margin(comparison: Comparison) -> str:
    """Return the margin of a tie as it is printed."""
    size = comparison.question.margin
    return f"{100 * size:g} %" if relative(comparison) else f"{size:g}"


def against_best(comparison: Comparison, row: Row) -> Difference | None:
    """Return how a strategy differs from the first; None for the first itself, and without a rate.

    The first and the baseline are one pair: their difference is told once, whichever of the two is asked.
    """
    best, baseline = comparison.best, comparison.question.baseline
    if best is None or row.base_lr is None or row.strategy == best.strategy:
        return None
    if row.strategy == baseline:
        return row.to_best if best.difference is None else mirrored(best.difference)
    return row.to_best if best.strategy != baseline or row.difference is None else row.difference


def conclusion_to_best(comparison: Comparison, row: Row) -> str:
    """Return how a strategy stands to the first, as a conclusion; "" for the first itself, and without a rate.

    What is worse than the baseline is worse than a first that beats the baseline, whatever their own interval says.
    "far behind" is no claim: after a few seeds a strategy lay so far behind that it got no more.
    """
    against, best = against_best(comparison, row), comparison.best
    if against is None or best is None:
        return "" if best is None or row.base_lr is None or row is best else "not told apart"
    if _concluded(row.difference, "worse") and _concluded(best.difference, "better"):
        return "worse"
    return FAR_BEHIND if row.left_behind and against.conclusion == "not told apart" else against.conclusion


def conclusion_to_baseline(comparison: Comparison, row: Row) -> str:
    """Return how a strategy stands to the baseline; if that is the first, in the words of `conclusion_to_best`."""
    if row.difference is None:
        return ""
    first = comparison.best is not None and comparison.best.strategy == comparison.question.baseline
    return conclusion_to_best(comparison, row) if first else row.difference.conclusion


def _concluded(difference: Difference | None, conclusion: str) -> bool:
    return difference is not None and difference.conclusion == conclusion


def sentences(comparison: Comparison, best: Row) -> list[str]:
    """Return the answer: the first, how it stands to the baseline, and what may be as good."""
    words = _Words(comparison, best)
    rate = f"with lr={best.base_lr:g}"
    if len(comparison.rows) == 1:
        value = best.estimates[comparison.metric].mean
        return [
            f"{best.chosen} {rate} gave {comparison.metric} {value:.4g}.",
            "Nothing stands beside it.",
        ]
    if not words.judged:
        return [f"{best.chosen} alone ended well, {rate}."]
    if words.few:
        return [f"{best.chosen} comes first, {rate}.", f"{words.few} nothing apart."]
    first = f"{best.chosen} {'is best' if words.all_worse else 'comes first'}, {rate}."
    if best.strategy == comparison.question.baseline and not words.better_on_fewer:
        first = f"Keep {best.chosen}, {rate}."
        worse = [f"{words.worse()}."] if words.all_worse else ["No strategy is shown to beat it."]
        return [first, *worse, *words.others()]
    difference = best.difference
    if best.strategy == comparison.question.baseline:
        return [first, *words.others()]
    if difference is None:
        return [first, f"{words.without_baseline[:1].upper()}{words.without_baseline[1:]}.", *words.others()]
    answer = [first, words.to_baseline(difference)]
    if difference.conclusion != "better":
        beating = [row for row in words.judged if _concluded(row.difference, "better")]
        if not beating:
            answer = [f"No strategy is shown to beat the baseline {words.baseline}.", *answer]
        for row in beating:
            answer.append(f"{words.shown[row.strategy]} beats {words.baseline} by {words.by(row.difference)}.")
    return [*answer, *words.others()]


def headline(comparison: Comparison, best: Row) -> str:
    """Return the answer in 20 words or fewer."""
    words = _Words(comparison, best)
    name = f"{words.shown[best.chosen]} with lr={best.base_lr:g}"
    if len(comparison.rows) == 1:
        return f"{name}: {comparison.metric} {best.estimates[comparison.metric].mean:.4g}; nothing stands beside it."
    if not words.judged:
        keep = "Keep" if best.strategy == comparison.question.baseline else "Use"
        return f"{keep} {name}: no other strategy ended well."
    if words.few:
        return f"{name} comes first; {words.few[:1].lower()}{words.few[1:]} nothing apart."
    if words.better_on_fewer:
        return f"{name} comes first; {listed(words.better_on_fewer)} did better on fewer seeds."
    if best.strategy == comparison.question.baseline:
        ties = set(words.conclusions.values()) == {"tie"}
        rest = "the others tie with it" if ties else "no strategy is shown to beat it"
        return f"Keep {name}: {'all others are worse' if words.all_worse else rest}."
    difference = best.difference
    if difference is None:
        return f"Use {name}: {words.without_baseline}."
    if difference.conclusion == "better":
        lower = "lower" if difference.mean < 0 else "higher"
        return f"Use {name}: {amount(difference)} {lower} {comparison.metric} than {words.baseline}."
    if difference.conclusion == "tie":
        return f"{name} comes first; it ties with {words.baseline} (within {words.margin})."
    return f"{name} comes first, but is not shown to beat {words.baseline}."


class _Words:
    """What the sentences of one comparison are made of."""

    def __init__(self, comparison: Comparison, best: Row) -> None:
        question = comparison.question
        self.question, self.best, self.margin = question, best, margin(comparison)
        self.shown: Mapping[str, str] = labels([best.chosen, question.baseline, *question.families])
        self.baseline = self.shown[question.baseline]
        self.judged: Sequence[Row] = [row for row in comparison.rows[1:] if row.base_lr is not None]
        self.against = {row.strategy: against_best(comparison, row) for row in self.judged}
        self.conclusions = {row.strategy: conclusion_to_best(comparison, row) for row in self.judged}
        self.is_whole = len(self.judged) == len(comparison.rows) - 1

    @property
    def few(self) -> str:
        """How many seeds tell nothing apart, with the verb; nothing if there is an interval."""
        pairs = [each for each in self.against.values() if each is not None]
        if any(each.low is not None for each in pairs):
            return ""
        most = max((each.pairs for each in pairs), default=0)
        return {0: "No common seeds tell", 1: "One seed tells"}.get(most, f"{most} seeds tell")

    @property
    def all_worse(self) -> bool:
        """Whether every other strategy that ended well is shown to be worse than the first."""
        return set(self.conclusions.values()) == {"worse"}

    @property
    def better_on_fewer(self) -> list[str]:
        """The strategies that stand below the first for want of seeds, though they are better on those they ended."""
        return [self.shown[row.strategy] for row in self.judged if self.conclusions[row.strategy] == "better"]

    @property
    def without_baseline(self) -> str:
        """Why the first has no difference to the baseline."""
        if self.question.baseline in self.against:
            return f"it has no seed in common with {self.baseline}"
        return f"the baseline {self.baseline} ended well at no rate"

    def by(self, difference: Difference | None) -> str:
        """Return an amount with the metric's name, if it is in units of that."""
        if difference is None:
            return ""
        return amount(difference) if difference.relative else f"{amount(difference)} in {self.question.metric}"

    def to_baseline(self, difference: Difference) -> str:
        """Return how the first stands to the baseline, which is another."""
        if difference.conclusion == "better":
            return f"It beats {self.baseline} by {self.by(difference)}."
        if difference.conclusion == "tie":
            return f"It ties with {self.baseline} (within {self.margin})."
        if difference.conclusion == "worse":  # the baseline lacks seeds, so it stands below
            return f"{self.baseline} is better on the {difference.pairs} seeds that both ended."
        seeds = "one seed" if difference.pairs == 1 else f"{difference.pairs} seeds"
        return f"It is not told apart from {self.baseline} by {seeds} ({interval(difference)})."

    def worse(self) -> str:
        """Return that the others are worse; of a single one by how much."""
        [*names] = (self.shown[row.strategy] for row in self.judged)
        if len(names) == 1:
            return f"{names[0]} is worse, by {self.by(self.against[self.judged[0].strategy])}"
        return f"{'All others' if self.is_whole else listed(names)} are worse"

    def others(self) -> list[str]:
        """Return which of the others are as good, or may be; the baseline only if it is the first."""
        by_conclusion: dict[str, list[str]] = {}
        for row in self.judged:
            # What the baseline beats is not the best, whatever its interval to the first says.
            is_behind = _concluded(row.difference, "worse")
            if row.strategy != self.question.baseline and not is_behind:
                by_conclusion.setdefault(self.conclusions[row.strategy], []).append(self.shown[row.strategy])
        told = []
        if better := by_conclusion.get("better"):
            told.append(f"{listed(better)} {_is(better)} better on the seeds that both ended.")
        if ties := by_conclusion.get("tie"):
            told.append(f"{listed(ties)} {_is(ties)} as good within {self.margin}.")
        if unclear := by_conclusion.get("not told apart"):
            told.append(f"{listed(unclear)} may be as good.")
        if behind := by_conclusion.get(FAR_BEHIND):
            most = max(row.seeds for row in self.judged if self.conclusions[row.strategy] == FAR_BEHIND)
            told.append(f"{listed(behind)} {_is(behind)} far behind, and got no more than {most} seeds.")
        return told


def _is(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"
