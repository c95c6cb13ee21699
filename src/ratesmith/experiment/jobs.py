"""The jobs that a driver gives to an engine, each done as the training is given: a task, or one that drives itself."""

from __future__ import annotations

from collections.abc import Iterator

from ratesmith.experiment import script_inspection, script_worker, worker
from ratesmith.experiment.branch_trainer import Part
from ratesmith.experiment.engine import Message, begins_itself
from ratesmith.experiment.options import CompareOptions
from ratesmith.experiment.run_context import AnySource, RunContext, TaskProfile
from ratesmith.experiment.script_source import FunctionSource
from ratesmith.experiment.shapes import StrategyShape, shape_of
from ratesmith.experiment.sharing import Arrangement, Branch, Rates
from ratesmith.experiment.trial import Trial
from ratesmith.horizon import Horizon
from ratesmith.lengths import LengthNote, length_notes
from ratesmith.script_process import Script
from ratesmith.strategy.contender import notation_of


def inspect(source: AnySource, options: CompareOptions) -> TaskProfile:
    """Return what must be known of a training before a comparison is planned, having tried it."""
    if isinstance(source, Script | FunctionSource):
        return script_inspection.inspect_script(source, options)
    steps = "10ep" if options.steps is None else options.steps
    return worker.inspect_task(
        source, steps, options.evaluate_every, options.variants, options.named_optimizers, options.folds
    )


def find_centre(context: RunContext, optimizer: str = "") -> tuple[float | None, int]:
    """Return the rate that a sweep of one seed finds, None if it finds none, and the updates that it took.

    `optimizer` is the name of one that strategies give; "" is the task's own.
    """
    if isinstance(context.source, Script | FunctionSource):
        return script_worker.find_centre(context)
    return worker.find_centre(context, optimizer)


def arrange_trials(context: RunContext, trials: tuple[Trial, ...], share: bool) -> Arrangement:
    """Arrange trials on branches that begin together, or each alone; raise ValueError for a rule that goes wrong."""
    if isinstance(context.source, Script | FunctionSource):
        return script_worker.arrange_runs(context, trials, share=share)
    return worker.arrange_trials(context, trials, share)


def shapes_of(context: RunContext, strategies: tuple[str, ...]) -> tuple[StrategyShape, ...]:
    """Return what the choice of rates must know of each strategy's schedule."""
    rates = _rates_of(context)
    return tuple(shape_of(strategy, rates) for strategy in strategies)


def length_notes_of(context: RunContext, strategies: tuple[str, ...]) -> dict[str, tuple[LengthNote, ...]]:
    """Return what is to be said of the lengths in each strategy, where something is."""
    rates = _rates_of(context)
    horizon = Horizon(rates.whole, rates.steps_per_epoch)
    notes = {text: tuple(length_notes(notation_of(text), horizon, rates.functions)) for text in strategies}
    return {text: each for text, each in notes.items() if each}


def _rates_of(context: RunContext) -> Rates:
    if isinstance(context.source, Script | FunctionSource):
        return script_worker.rates_of(context)
    return worker.rates_of(context)


@begins_itself
def train_branch(context: RunContext, branch: Branch, finals: bool = False) -> Iterator[Part | Message]:
    """Train a branch: yield runs as they end, forks where trials leave, and now and then a checkpoint.

    `finals` keeps the trained state of each run of a task in the folder. A script is stopped at its time limit here,
    with all that it has started, so an engine has nothing to time.
    """
    if isinstance(context.source, Script | FunctionSource):
        if isinstance(context.source, FunctionSource):
            yield Message.BEGUN
        yield from script_worker.train_script(context, branch)
    else:
        yield from worker.train_branch(context, branch, finals)
