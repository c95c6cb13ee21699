"""The result of a comparison: the ranking, what it cost, what to mind, and the same as plain data."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, NamedTuple

from ratesmith._display import DisplayedResult
from ratesmith.experiment import ranking_table, summary
from ratesmith.experiment.answer import against_best
from ratesmith.experiment.notes import PYTHON_NAMES, Note
from ratesmith.experiment.question import Question
from ratesmith.experiment.ranking import Row
from ratesmith.experiment.statistics import Difference, Estimate
from ratesmith.experiment.trial import FINAL, Run, RunLayout

RESULTS_FORMAT: Final = 3
"""The version of what `to_dict` returns and results.json holds; the first had no number, the second p values."""


class Costs(NamedTuple):
    """Updates: planned if each run were trained alone, made once for several, and made."""

    planned: int
    shared: int
    run: int


@dataclass(frozen=True, repr=False)
class Comparison(DisplayedResult):
    """What a comparison found; `rows` are ranked, the best first."""

    rows: tuple[Row, ...]
    question: Question
    layout: RunLayout
    runs: tuple[Run, ...] = field(repr=False)
    notes: tuple[Note, ...] = ()
    """What the reader must know: fewer seeds than five, nothing shared, runs that failed."""
    test: dict[str, Estimate] | None = None
    """The winner's metrics on the test set, over the fresh seeds; None if the task has no test data."""
    tested: int = 0
    """How many (strategy, rate) pairs the test set of this study has judged."""
    script: str = ""
    """The script that was trained; "" if it was a task or a function."""
    function: str = ""
    """The name of the function `train(trial)` that was called; "" if it was something else."""
    uses_torch: bool = True
    """Whether the task trains with PyTorch; else its lines to paste are of no framework."""
    option_names: Mapping[str, str] = field(default_factory=lambda: PYTHON_NAMES, repr=False, compare=False)
    """How options are called where the comparison was asked for, by their names in Python; no others differ."""

    @property
    def metric(self) -> str:
        """The validation metric that decides."""
        return self.question.metric

    @property
    def best(self) -> Row | None:
        """The winner; None if no strategy has a rate with all seeds done."""
        return self.rows[0] if self.rows and self.rows[0].base_lr is not None else None

    @property
    def rates(self) -> tuple[float, ...]:
        """All initial rates that were tried, rising."""
        return tuple(sorted({run.trial.base_lr for run in self.runs}))

    @property
    def costs(self) -> Costs:
        """What the comparison cost, in updates."""
        planned = sum(run.updates for run in self.runs)
        shared = sum(run.shared for run in self.runs)
        return Costs(planned, shared, planned - shared)

    @property
    def missing_runs(self) -> tuple[Run, ...]:
        """Runs of the choice and the verdict without an outcome: they failed, took too long, or were killed."""
        return tuple(run for run in self.runs if run.status not in FINAL)

    def runs_of(self, strategy: str, base_lr: float | None, seeds: Iterable[int] | None = None) -> list[Run]:
        """Return a variant's whole runs at one rate, by seed: those of the verdict unless other seeds are named."""
        wanted = set(self.question.seeds if seeds is None else seeds)
        runs = self._whole_runs.get((strategy, base_lr), [])
        return sorted((run for run in runs if run.trial.seed in wanted), key=lambda run: run.trial.seed)

    @functools.cached_property
    def _whole_runs(self) -> dict[tuple[str, float | None], list[Run]]:
        """The runs of the whole length, by variant and rate: there may be thousands."""
        by_pair: dict[tuple[str, float | None], list[Run]] = {}
        for run in self.runs:
            if run.trial.steps == self.layout.steps:
                by_pair.setdefault(run.trial[:2], []).append(run)
        return by_pair

    @functools.cached_property
    def verdict_notes(self) -> tuple[Note, ...]:
        """What the verdict itself warns of; it takes a look at every measurement of every run."""
        return tuple(summary.of_verdict(self))

    def __repr__(self) -> str:
        """Return the first of the ranking in one line, without runs."""
        if self.best is None:
            return f"<Comparison: {len(self.rows)} strategies, none with a rate that ended well>"
        value = self.best.estimates[self.metric].mean
        return (
            f"<Comparison: {len(self.rows)} strategies, first {self.best.chosen} at {self.best.base_lr:g}, "
            f"{self.metric} {value:.4g}>"
        )

    def _display_texts(self) -> list[str]:
        return [self.headline(), self.verdict(), *self.note_lines()]

    def _display_table(self) -> list[list[str]]:
        return ranking_table.display_table(self)

    def headline(self) -> str:
        """Return the answer in 20 words or fewer, for a page's first line."""
        return summary.headline(self)

    def verdict(self) -> str:
        """Return the outcome as a few sentences: what is missing if runs are, then the answer."""
        return summary.verdict(self)

    def note_lines(self) -> list[str]:
        """Return what to mind beside the verdict as text, each line with its code."""
        return [note.spelled(self.option_names) for note in (*summary.caveats(self), *self.notes)]

    def codes_of(self, row: Row) -> tuple[str, ...]:
        """Return the codes of what is to be minded of one strategy."""
        return summary.codes_of(self, row)

    def paste(self, form: str = "ratesmith") -> str:
        """Return the lines that put the winner into a training script; in another form they need no Ratesmith.

        Raise ValueError for a form that does not say the winner exactly: `paste_forms()` are those that do.
        """
        return summary.paste(self, form)

    def paste_forms(self) -> tuple[str, ...]:
        """Return the forms in which `paste` says the winner exactly: "ratesmith", "python", "torch" and others."""
        return summary.paste_forms(self)

    def table(self) -> list[dict[str, Any]]:
        """Return the ranking as rows of plain values."""
        return ranking_table.table(self)

    def to_pandas(self) -> Any:
        """Return the ranking as a pandas DataFrame; pandas has to be installed."""
        import pandas

        return pandas.DataFrame(self.table())

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: all but the curves of the runs."""
        return {
            "format": RESULTS_FORMAT,
            "metric": self.metric,
            "mode": self.question.mode,
            "baseline": self.question.baseline,
            "margin": self.question.margin,
            "rates": list(self.rates),
            "choice_seeds": list(self.question.choice_seeds),
            "seeds": list(self.question.seeds),
            "layout": asdict(self.layout),
            "verdict": self.verdict(),
            "missing_runs": len(self.missing_runs),
            "rows": [
                {**_plain_row(row, against_best(self, row)), "codes": list(self.codes_of(row))} for row in self.rows
            ],
            "costs": self.costs._asdict(),
            "notes": [self._plain_note(note) for note in (*self.verdict_notes, *self.notes)],
            "test": None
            if self.test is None
            else {name: _finite(value._asdict()) for name, value in self.test.items()},
            "tested": self.tested,
        }

    def _plain_note(self, note: Note) -> dict[str, str]:
        return {"code": note.code, "strategy": note.strategy, "text": note.text(self.option_names)}


def _plain_row(row: Row, to_best: Difference | None) -> dict[str, Any]:
    return {
        **asdict(row),
        "estimates": {name: _finite(value._asdict()) for name, value in row.estimates.items()},
        "difference": None if row.difference is None else row.difference._asdict(),
        "to_best": None if to_best is None else to_best._asdict(),
        "nearly": None if row.nearly is None else list(row.nearly),
        "reached": None if row.reached is None or math.isinf(row.reached) else row.reached,
    }


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value if value is None or math.isfinite(value) else None for name, value in values.items()}
