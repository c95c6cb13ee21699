"""A comparison in words: its verdict in sentences, what to mind, its table, and the lines to paste."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from ratesmith import exporters
from ratesmith._checks import Option
from ratesmith.experiment.notes import Note
from ratesmith.experiment.ranking import Row, changes_nothing
from ratesmith.experiment.standing import seeds_change_nothing
from ratesmith.experiment.statistics import FEWEST_FOR_INTERVAL
from ratesmith.experiment.trial import Run, RunLayout
from ratesmith.exporters.scheduler import identifier
from ratesmith.horizon import Horizon
from ratesmith.strategy.labels import labels

if TYPE_CHECKING:
    from ratesmith.experiment.comparison import Comparison


NO_VERDICT: Final = MappingProxyType({"RS322": "rate", "RS325": "schedule"})
"""What makes a comparison worthless, and what the training does not take."""


def verdict(comparison: Comparison) -> str:
    """Return the outcome as a few sentences: what is missing if runs are, then the answer."""
    lines = {note.code: note.spelled(comparison.option_names) for note in comparison.verdict_notes}
    for code in NO_VERDICT:
        if code in lines:
            return f"No verdict. {lines[code]}"
    incomplete = [line for code, line in lines.items() if code == "RS320"]
    first = [line for code, line in lines.items() if code not in ("RS316", "RS320")]
    last = [line for code, line in lines.items() if code == "RS316"]
    best, question = comparison.best, comparison.question
    if best is None or all(run.diverged for run in comparison.runs):
        return " ".join([*incomplete, *first])
    pairs = comparison.seeds_of(best)
    seeds = f"{pairs} fresh seeds" if pairs > 1 else "one fresh seed"
    if best.missing:
        seeds = f"{pairs} of {len(question.seeds)} fresh seeds"
    answer = (
        f"Best on the validation set: {best.chosen} at {best.base_lr:g}, "
        f"{comparison.metric} {best.estimates[comparison.metric]} over {seeds}{_to_baseline(comparison, best)}."
    )
    others = _others(comparison) if len(comparison.rows) > 1 and len(question.seeds) >= FEWEST_FOR_INTERVAL else []
    return " ".join([*incomplete, answer, *first, *others, *last])


def headline(comparison: Comparison) -> str:
    """Return the answer in 20 words or fewer: what to use, and whether it is better, a tie or not told apart."""
    notes, best = {note.code for note in comparison.verdict_notes}, comparison.best
    for code, ignored in NO_VERDICT.items():
        if code in notes:
            return f"No answer: the {ignored} that is given changes nothing in this training."
    if "RS313" in notes:
        return "No answer: every run diverged."
    if best is None:
        return "No answer: no strategy has a rate at which every run ended well."
    shown = labels([best.chosen, *comparison.question.families])
    name = f"{shown[best.chosen]} with lr={best.base_lr:g}"
    answer = _answer(comparison, best, name, shown)
    return f"Incomplete: {answer[0].lower()}{answer[1:]}" if "RS320" in notes else answer


def _answer(comparison: Comparison, best: Row, name: str, shown: Mapping[str, str]) -> str:
    difference, baseline = best.difference, shown[comparison.question.baseline]
    if len(comparison.rows) == 1:
        return f"{name}: {comparison.metric} {best.estimates[comparison.metric].mean:.4g}; nothing stands beside it."
    if best.strategy == comparison.question.baseline:
        return f"Keep {name}: {_rest(comparison)}."
    if difference is None:
        return f"Use {name}: the baseline {baseline} ended well at no rate."
    if difference.conclusion == "better":
        amount = difference.shown(difference.mean)
        lower = "lower" if difference.mean < 0 else "higher"
        return f"Use {name}: {amount.lstrip('+-')} {lower} {comparison.metric} than {baseline}."
    if difference.conclusion == "tie":
        return f"A tie within {_margin(comparison)}: {name} (first) and {baseline}."
    seeds = "one seed" if difference.pairs == 1 else f"{difference.pairs} seeds"
    return f"Not told apart by {seeds}: {name} (first) and {baseline}."


def _rest(comparison: Comparison) -> str:
    """Return how all the others did against the baseline that came first."""
    conclusions = {None if row.to_best is None else row.to_best.conclusion for row in comparison.rows[1:]}
    if conclusions == {"worse"}:
        return "every other strategy is worse"
    if conclusions == {None}:
        return "no other strategy ended well at any rate"
    return "the others tie with it" if conclusions == {"tie"} else "no other strategy is shown to be better"


def _margin(comparison: Comparison) -> str:
    margin = comparison.question.margin
    return f"{100 * margin:g} %" if _relative(comparison) else f"{margin:g}"


def of_verdict(comparison: Comparison) -> list[Note]:
    """Return what the verdict itself warns of, what is missing first."""
    notes = []
    if missing := comparison.missing_runs:
        counts = Counter(run.status for run in missing)
        how = ", ".join(f"{count} {status}" for status, count in counts.items())
        text = (
            f"Incomplete: the verdict is given without {len(missing)} of {len(comparison.runs)} runs ({how}); the same "
            "call tries what is missing again."
        )
        notes.append(Note("RS320", (text,)))
    if not comparison.question.paired:
        text = (
            "The seed does not decide this training: two runs of one seed differ from the first update on. So runs "
            "have nothing in common, differences are tested unpaired, and it takes more seeds to tell strategies apart."
        )
        notes.append(Note("RS318", (text,)))
    elif seeds_change_nothing(comparison.runs_of(row.chosen, row.base_lr) for row in comparison.rows):
        text = (
            "The seed changes nothing: runs of different seeds are the same to the last bit. So they count as one, and "
            "nothing can be told apart; let the seed decide weights and order, as trial.seed or start(seed) gives it."
        )
        notes.append(Note("RS321", (text,)))
    ignored = changes_nothing(comparison.runs)
    if ignored == "rate":
        text = (
            "The rate changes nothing: runs at different rates are the same to the last bit. The training does not "
            "take the rate that it is given: make the optimizer with lr=trial.lr, and set it by the trial's schedule."
        )
        notes.append(Note("RS322", (text,)))
    if ignored == "schedule":
        text = (
            "The schedule changes nothing: runs with different schedules are the same to the last bit. The training "
            "does not follow the one that it is given: put ScheduleLR.from_trial(optimizer, trial) in the place of its "
            "own scheduler."
        )
        notes.append(Note("RS325", (text,)))
    if all(run.diverged for run in comparison.runs):
        text = "Every run diverged: give lower rates, or look for NaN in the data and the model."
        return [*notes, Note("RS313", (text,))]
    best = comparison.best
    if best is None:
        text = (
            f"No strategy has a rate at which every seed ended with a finite {comparison.metric}: see the runs for "
            "what happened, and give others with "
        )
        return [*notes, Note("RS314", (text, Option("rates="), "."))]
    if _on_edge(comparison, best):
        text = "That rate lies on the edge of those tried: a better one may lie beyond it; give others with "
        notes.append(Note("RS311", (text, Option("rates="), "."), best.strategy))
    if len(comparison.rows) > 1 and len(comparison.question.seeds) < FEWEST_FOR_INTERVAL:
        text = "So few seeds cannot tell strategies apart: use 5 or more with "
        notes.append(Note("RS312", (text, Option("seeds="), ".")))
    without = [row.strategy for row in comparison.rows if row.base_lr is None]
    if without:
        text = f"Without a rate at which every run ended well: {', '.join(without)}."
        notes.append(Note("RS316", (text,)))
    return notes


def codes_of(comparison: Comparison, row: Row) -> tuple[str, ...]:
    """Return the codes of what is to be minded of one strategy, in order."""
    notes = (*comparison.verdict_notes, *comparison.notes)
    codes = {note.code for note in notes if note.strategy == row.strategy}
    if row.base_lr is None:
        codes.add("RS316")
    if row.missing:
        codes.add("RS317")
    return tuple(sorted(codes))


def _to_baseline(comparison: Comparison, row: Row) -> str:
    baseline = next((other for other in comparison.rows if other.strategy == comparison.question.baseline), None)
    if row.difference is None or baseline is None or baseline.base_lr is None:
        return ""
    conclusion = "a tie" if row.difference.conclusion == "tie" else row.difference.conclusion
    return f"; {row.difference} against the baseline {baseline.chosen} at {baseline.base_lr:g}: {conclusion}"


def _on_edge(comparison: Comparison, row: Row) -> bool:
    tried = sorted({run.trial.base_lr for run in comparison.runs if run.trial.strategy == row.chosen})
    return len(tried) > 1 and row.base_lr in (tried[0], tried[-1])


def _others(comparison: Comparison) -> list[str]:
    """Return how the others differ from the winner; not the baseline once more, if that was the answer's."""
    by_conclusion: dict[str, list[str]] = {}
    for row in comparison.rows[1:]:
        is_told = row.strategy == comparison.question.baseline and comparison.rows[0].difference is not None
        if row.to_best is not None and not is_told:
            by_conclusion.setdefault(row.to_best.conclusion, []).append(row.strategy)
    sentences = []
    if ties := by_conclusion.get("tie"):
        sentences.append(f"A tie with it, within {_margin(comparison)}: {', '.join(ties)}.")
    if unclear := by_conclusion.get("not told apart"):
        sentences.append(f"Not told apart from it by {len(comparison.question.seeds)} seeds: {', '.join(unclear)}.")
    if all(row.to_best and row.to_best.conclusion == "worse" for row in comparison.rows[1:]):
        sentences.append("Every other strategy is worse than it.")
    return sentences


def idle(rows: Iterable[Row], runs: Iterable[Run], layout: RunLayout) -> Iterator[Note]:
    """Yield a note for each strategy that never changed the rate, and so was nothing but a constant one."""
    rates: dict[str, set[int]] = {}
    for run in runs:
        if run.done and run.trial.steps == layout.steps:
            rates.setdefault(run.trial.strategy, set()).add(len({rate for _, rate in run.rates}))
    for row in rows:
        if rates.get(row.chosen) == {1} and row.chosen != "constant()":
            text = (
                f"{row.chosen} never changed its rate within {layout.steps:,} steps: it was a constant rate. Give it "
                "shorter lengths or less patience, or more steps with "
            )
            yield Note("RS310", (text, Option("steps="), "."), row.strategy)


def _relative(comparison: Comparison) -> bool:
    return all(row.to_best is None or row.to_best.relative for row in comparison.rows)


def paste(comparison: Comparison, form: str = "ratesmith") -> str:
    """Return the lines that put the winner into a training script, in a form of the exporters; nothing without one."""
    best = comparison.best
    if best is None or best.base_lr is None or NO_VERDICT.keys() & {note.code for note in comparison.verdict_notes}:
        return ""
    if (comparison.script or comparison.function) and form == "ratesmith":
        layout = comparison.layout
        epoch = "" if layout.steps_per_epoch is None else f", steps_per_epoch={layout.steps_per_epoch}"
        options = f"lr={best.base_lr!r}, schedule={best.chosen!r}, steps={layout.steps}{epoch}"
        if comparison.function:
            name = identifier(comparison.function.rpartition(".")[2], "your_function")
            return f"import ratesmith\n\n{name}(ratesmith.get_trial({options}))"
        script = " ".join(str(comparison.script).split())  # in one line: it is a comment
        return f"# in {script}, with your other options\ntrial = ratesmith.get_trial({options})"
    return exporters.code(best.chosen, best.base_lr, _horizon(comparison), form)


def paste_forms(comparison: Comparison) -> tuple[str, ...]:
    """Return the forms in which `paste` gives the winner exactly; none without a winner."""
    best = comparison.best
    if best is None or best.base_lr is None or not paste(comparison):
        return ()
    try:
        return exporters.forms(best.chosen, _horizon(comparison), best.base_lr)
    except ValueError:  # a text that cannot be built makes no page fail
        return ()


def _horizon(comparison: Comparison) -> Horizon:
    return Horizon(comparison.layout.steps, comparison.layout.steps_per_epoch)


def display_table(comparison: Comparison) -> list[list[str]]:
    """Return the ranking as a notebook shows it, its heading first."""
    metric, baseline = comparison.metric, comparison.question.baseline
    lines = [["#", "strategy", "initial rate", f"{metric} [95 % interval]", f"against {baseline}", "diverged"]]
    for place, row in enumerate(comparison.rows, 1):
        difference = "the baseline" if row.strategy == baseline else "–"
        if row.difference is not None:
            difference = f"{row.difference}: {row.difference.conclusion}"
        rate = "–" if row.base_lr is None else f"{row.base_lr:g}"
        name = row.strategy if row.strategy == row.chosen else f"{row.strategy}: {row.chosen}"
        figures = [rate, str(row.estimates.get(metric, "–")), difference, f"{row.diverged} of {row.runs}"]
        lines.append([str(place), name, *figures])
    return lines


def table(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the ranking as rows of plain values."""
    rows = []
    for place, row in enumerate(comparison.rows, 1):
        against = row.difference
        rows.append(
            {
                "rank": place,
                "strategy": row.strategy,
                "chosen": row.chosen,
                "base_lr": row.base_lr,
                **{name: value.mean for name, value in row.estimates.items()},
                "difference": None if against is None else against.mean,
                "low": None if against is None else against.low,
                "high": None if against is None else against.high,
                "against_baseline": "" if against is None else against.conclusion,
                "against_best": "" if row.to_best is None else row.to_best.conclusion,
                "diverged": row.diverged,
                "seeds": comparison.seeds_of(row),
                "runs": row.runs,
                "updates": row.updates,
                "codes": " ".join(codes_of(comparison, row)),
            }
        )
    return rows
