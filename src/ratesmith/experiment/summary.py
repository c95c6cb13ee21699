"""A comparison in words: its verdict, what to mind, and the lines to paste."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ratesmith import exporters
from ratesmith._checks import Option
from ratesmith.experiment import answer
from ratesmith.experiment.notes import Note
from ratesmith.experiment.ranking import Row, changes_nothing
from ratesmith.experiment.standing import seeds_change_nothing
from ratesmith.experiment.statistics import FEWEST_FOR_INTERVAL
from ratesmith.experiment.trial import Run, RunLayout
from ratesmith.experiment.wording import listed
from ratesmith.exporters.scheduler import identifier
from ratesmith.horizon import Horizon

if TYPE_CHECKING:
    from ratesmith.experiment.comparison import Comparison


NO_VERDICT: Final = MappingProxyType({"RS322": "rate", "RS325": "schedule"})
"""What makes a comparison worthless, and what the training does not take."""
NO_ANSWER: Final = MappingProxyType(
    {"RS313": "every run diverged", "RS314": "no strategy has a rate at which every run ended well"}
)
"""What leaves a comparison without a winner, in the headline's words."""


def verdict(comparison: Comparison) -> str:
    """Return the outcome as a few sentences: that runs are missing, if they are, then the answer."""
    lines = {note.code: note.spelled(comparison.option_names) for note in comparison.verdict_notes}
    for code in NO_VERDICT:
        if code in lines:
            return f"No verdict. {lines[code]}"
    incomplete = [line for code, line in lines.items() if code == "RS320"]
    best = comparison.best
    if best is None or NO_ANSWER.keys() & lines.keys():
        return " ".join([*incomplete, *(line for code, line in lines.items() if code in NO_ANSWER)])
    return " ".join([*incomplete, *answer.sentences(comparison, best)])


def headline(comparison: Comparison) -> str:
    """Return the answer in 20 words or fewer: what to use, and whether it beats the baseline."""
    notes, best = {note.code for note in comparison.verdict_notes}, comparison.best
    for code, ignored in NO_VERDICT.items():
        if code in notes:
            return f"No answer: the {ignored} that is given changes nothing in this training."
    for code, why in NO_ANSWER.items():
        if code in notes or (best is None and code == "RS314"):
            return f"No answer: {why}."
    text = answer.headline(comparison, best) if best is not None else ""
    if "RS320" not in notes:
        return text
    verb = text.startswith(("Keep ", "Use "))  # a name keeps its first letter
    return f"Incomplete: {text[0].lower()}{text[1:]}" if verb else f"Incomplete: {text}"


def caveats(comparison: Comparison) -> list[Note]:
    """Return what the verdict warns of beside its sentences."""
    told = {"RS320", *NO_VERDICT, *NO_ANSWER}
    return [note for note in comparison.verdict_notes if note.code not in told]


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
    return [*notes, *_of_answer(comparison, best)]


def _of_answer(comparison: Comparison, best: Row) -> Iterator[Note]:
    """Yield what a reader of the answer must mind: rates that may not be the best yet, and seeds that are few."""
    if end := _at_end(comparison, best):
        text = (
            f"The rate of {best.chosen}, {best.base_lr:g}, is the {end} tried: a better one may lie beyond it; "
            "give others with "
        )
        yield Note("RS311", (text, Option("rates="), "."), best.strategy)
    others = [row for row in comparison.rows[1:] if row.base_lr is not None]
    if others and all(_pairs(comparison, row) < FEWEST_FOR_INTERVAL for row in others):
        text = f"Fewer than {FEWEST_FOR_INTERVAL} seeds have no interval, so they tell nothing apart: give more with "
        yield Note("RS312", (text, Option("seeds="), "."))
    if without := [row.strategy for row in comparison.rows if row.base_lr is None]:
        yield Note("RS316", (f"Without a rate at which every run ended well: {listed(without)}.",))
    if early := [row.strategy for row in others if _stopped_early(comparison, row)]:
        seeds = max(_pairs(comparison, row) for row in others if row.strategy in early)
        text = (
            f"{listed(early)} may be as good as far as {seeds} of {len(comparison.question.seeds)} seeds tell: no "
            "more were trained."
        )
        yield Note("RS326", (text,))
    if doubtful := [row for row in comparison.rows if _rate_in_doubt(comparison, row)]:
        amounts = [f"{row.strategy} by {_doubt(comparison, row)}" for row in doubtful]
        text = (
            f"Another rate may be better than the one that was chosen: for {listed(amounts)}. The intervals are wider "
            "for that; look closer with "
        )
        yield Note("RS327", (text, Option("rates="), "."))


def _pairs(comparison: Comparison, row: Row) -> int:
    """Return by how many seeds a strategy and the first are compared."""
    difference = answer.against_best(comparison, row)
    return 0 if difference is None else difference.pairs


def _stopped_early(comparison: Comparison, row: Row) -> bool:
    """Whether a strategy is not told apart from the first, though seeds were left that nobody trained."""
    difference = answer.against_best(comparison, row)
    if difference is None or difference.conclusion != "not told apart" or row.missing or comparison.best is None:
        return False
    if _is_behind(comparison, row):
        return False
    return FEWEST_FOR_INTERVAL <= difference.pairs < len(comparison.question.seeds) and not comparison.best.missing


def _rate_in_doubt(comparison: Comparison, row: Row) -> bool:
    """Whether the rate of a strategy that may be the best is not known to the margin."""
    return row.base_lr is not None and row.doubt > comparison.question.margin and not _is_behind(comparison, row)


def _is_behind(comparison: Comparison, row: Row) -> bool:
    """Whether a strategy is shown not to be the best: the first beats it, or the baseline."""
    beaten = row.difference is not None and row.difference.conclusion == "worse"
    return beaten or answer.conclusion_to_best(comparison, row) == "worse"


def _doubt(comparison: Comparison, row: Row) -> str:
    return f"{-100 * math.expm1(-row.doubt):.2g} %" if relative(comparison) else f"{row.doubt:.2g}"


def codes_of(comparison: Comparison, row: Row) -> tuple[str, ...]:
    """Return the codes of what is to be minded of one strategy, in order."""
    notes = (*comparison.verdict_notes, *comparison.notes)
    codes = {note.code for note in notes if note.strategy == row.strategy}
    if row.base_lr is None:
        codes.add("RS316")
    if row.missing:
        codes.add("RS317")
    if _rate_in_doubt(comparison, row):
        codes.add("RS327")
    if _stopped_early(comparison, row):
        codes.add("RS326")
    return tuple(sorted(codes))


def _at_end(comparison: Comparison, row: Row) -> str:
    """Return of which end a strategy's rate is the last that was tried: "lowest", "highest", or "" inside."""
    tried = sorted({run.trial.base_lr for run in comparison.runs if run.trial.strategy == row.chosen})
    if len(tried) < 2 or row.base_lr not in (tried[0], tried[-1]):
        return ""
    return "lowest" if row.base_lr == tried[0] else "highest"


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


def relative(comparison: Comparison) -> bool:
    """Whether differences are shares of a loss, and not in units of the metric."""
    differences = [each for row in comparison.rows for each in (row.difference, row.to_best) if each is not None]
    return all(difference.relative for difference in differences)


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
