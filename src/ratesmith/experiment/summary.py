"""A comparison in words: its verdict, what to mind, and the lines to paste."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ratesmith import exporters
from ratesmith._checks import Option
from ratesmith.experiment import answer
from ratesmith.experiment.notes import Note
from ratesmith.experiment.ranking import Row, changes_nothing
from ratesmith.experiment.standing import seeds_change_nothing
from ratesmith.experiment.statistics import FEWEST_FOR_INTERVAL
from ratesmith.experiment.trial import FINAL, Run, RunLayout
from ratesmith.experiment.wording import listed
from ratesmith.exporters.scheduler import constant_rate, identifier, without_framework
from ratesmith.exporters.source import Source
from ratesmith.horizon import Horizon
from ratesmith.strategy.contender import contender_of, notation_of, optimizer_of

if TYPE_CHECKING:
    from ratesmith.experiment.comparison import Comparison


OF_TORCH: Final = ("torch", "lightning", "transformers")
"""Forms of code that are of use in a training with PyTorch alone."""
FEW_NAMES: Final = 2
"""So many strategies are named in a note; of more it says how many, and the table marks them with the code."""
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
    if side := _open_end(comparison, best):
        text = (
            f"No rate {side} that of {best.chosen}, {best.base_lr:g}, was seen to be worse: a better one may lie "
            "there; look further with "
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
            f"{listed(early)} may be as good as far as {seeds} of {len(comparison.question.seeds)} seeds tell. No "
            "more were trained: only better rates could tell."
        )
        yield Note("RS326", (text,))
    if doubtful := [row for row in comparison.rows if _rate_in_doubt(comparison, row)]:
        text = (
            f"Another rate may be better than the one that was chosen: {_doubts(comparison, doubtful)}. The intervals "
            "are wider for that; look closer with "
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
    """Whether a strategy is not the best: the first beats it, or the baseline, or it is far behind."""
    beaten = row.difference is not None and row.difference.conclusion == "worse"
    return beaten or answer.conclusion_to_best(comparison, row) in ("worse", answer.FAR_BEHIND)


def _doubts(comparison: Comparison, rows: Sequence[Row]) -> str:
    """Return by how much another rate may be better; of more than two strategies the least and the most."""
    if len(rows) <= FEW_NAMES:
        return f"for {listed([f'{row.strategy} by {_doubt(comparison, row)}' for row in rows])}"
    least, most = (_doubt(comparison, row) for row in (min(rows, key=_its_doubt), max(rows, key=_its_doubt)))
    amounts = least if least == most else f"{least.removesuffix(' %') if most.endswith(' %') else least} to {most}"
    return f"for {len(rows)} strategies, by {amounts}"


def _its_doubt(row: Row) -> float:
    return row.doubt


def _doubt(comparison: Comparison, row: Row) -> str:
    return f"{-100 * math.expm1(-row.doubt):.2g} %" if answer.relative(comparison) else f"{row.doubt:.2g}"


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


def _open_end(comparison: Comparison, row: Row) -> str:
    """Return on which side of a strategy's rate nothing was seen to be worse: "above", "below", or "" if bounded.

    By any strategy of its optimizer, against what the same strategy gave on this side: what one shows of the rates is
    used for the others.
    """
    tried: dict[str, dict[float, list[float]]] = {}
    for run in comparison.runs:
        text, base_lr, seed, steps = run.trial
        if seed in comparison.question.choice_seeds and steps == comparison.layout.steps and run.status in FINAL:
            value = math.nan if run.diverged else run.metrics.get(comparison.metric, math.nan)
            cost = comparison.question.cost(value) if math.isfinite(value) else math.inf
            if optimizer_of(text) == optimizer_of(row.chosen):
                tried.setdefault(text, {}).setdefault(base_lr, []).append(cost)
    chosen = row.base_lr
    if chosen is None or len({rate for costs in tried.values() for rate in costs}) < 2:
        return ""
    for side, sign in (("above", 1), ("below", -1)):
        for costs in tried.values():
            beyond = [cost for rate, each in costs.items() if sign * rate > sign * chosen for cost in each]
            within = [cost for rate, each in costs.items() if sign * rate <= sign * chosen for cost in each]
            if math.inf in beyond or (beyond and within and max(beyond) > min(within)):
                break
        else:
            return side
    return ""


def idle(rows: Iterable[Row], runs: Iterable[Run], layout: RunLayout) -> Iterator[Note]:
    """Yield a note for each strategy that never changed the rate, and so was nothing but a constant one."""
    rates: dict[str, set[int]] = {}
    for run in runs:
        if run.done and run.trial.steps == layout.steps:
            rates.setdefault(run.trial.strategy, set()).add(len({rate for _, rate in run.rates}))
    for row in rows:
        if rates.get(row.chosen) == {1} and notation_of(row.chosen) != "constant()":
            text = (
                f"{row.chosen} never changed its rate within {layout.steps:,} steps: it was a constant rate. Give it "
                "shorter lengths or less patience, or more steps with "
            )
            yield Note("RS310", (text, Option("steps="), "."), row.strategy)


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
    optimizer, notation = contender_of(best.chosen)
    if form == "ratesmith" and not comparison.uses_torch:
        code = without_framework(Source.of(notation, best.base_lr, _horizon(comparison)))
    else:
        code = exporters.code(notation, best.base_lr, _horizon(comparison), form)
    function = comparison.question.optimizers.get(optimizer)
    return code if function is None else f"# with the optimizer {optimizer}, which {function}(model) makes\n{code}"


def paste_forms(comparison: Comparison) -> tuple[str, ...]:
    """Return the forms in which `paste` gives the winner exactly; none without a winner.

    A constant rate has no other form than its number, and a task of another framework none of PyTorch's.
    """
    best = comparison.best
    if best is None or best.base_lr is None or not paste(comparison):
        return ()
    notation, horizon = notation_of(best.chosen), _horizon(comparison)
    try:
        if constant_rate(Source.of(notation, best.base_lr, horizon)):
            return ("ratesmith",)
        forms = exporters.forms(notation, horizon, best.base_lr)
    except ValueError:  # a text that cannot be built makes no page fail
        return ()
    return forms if comparison.uses_torch else tuple(form for form in forms if form not in OF_TORCH)


def _horizon(comparison: Comparison) -> Horizon:
    return Horizon(comparison.layout.steps, comparison.layout.steps_per_epoch)
