"""What is done in a worker for a user's own script or function: find its rates, arrange its runs, make them."""

from __future__ import annotations

import functools
import hashlib
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ratesmith.experiment.branch_trainer import Part
from ratesmith.experiment.checkpoints import state_file
from ratesmith.experiment.engine import Died, TimedOut
from ratesmith.experiment.run_context import RunContext, own_of
from ratesmith.experiment.script_branch import Reporting, ScriptBranch
from ratesmith.experiment.script_inspection import FIRST_SEED
from ratesmith.experiment.script_rates import ScriptRates, report_blocks, unknown_rule
from ratesmith.experiment.script_run import carried_out
from ratesmith.experiment.script_source import FunctionSource, require_unchanged
from ratesmith.experiment.sharing import Arrangement, Branch, steps_of_tree
from ratesmith.experiment.study_folder import LOGS
from ratesmith.experiment.trial import Trial
from ratesmith.finder import FinderError, ScriptTask, find
from ratesmith.script_process import Ending, ScriptTimeout


def find_centre(context: RunContext) -> tuple[float | None, int]:
    """Return the rate that a sweep of one seed finds, None if it finds none, and the updates that it took.

    A script that keeps its training losses to itself cannot be swept.
    """
    source = own_of(context)
    if isinstance(source, FunctionSource) or not context.reports_losses:
        return None, 0
    task = ScriptTask(source.path, arguments=source.arguments, launch=source.launch, limit=context.limit)
    try:
        result = find(task, method="sweep", seeds=[FIRST_SEED])
    except FinderError:
        return None, 0
    return result.suggestion, result.updates


def rates_of(context: RunContext) -> ScriptRates:
    """Return the rates of a script's trials."""
    functions = dict.fromkeys(context.functions, unknown_rule)
    return ScriptRates(context.layout.steps, context.layout.steps_per_epoch, functions)


def arrange_runs(context: RunContext, trials: Iterable[Trial], *, share: bool) -> Arrangement:
    """Arrange trials on branches, each alone unless they may share what comes before the first report they differ at.

    What listens to measurements, and a rule of the script's own, is alone: its rates are known only as it trains.
    """
    trials, every = tuple(trials), context.layout.evaluate_every
    planned = sum(trial.steps for trial in trials)
    if not share:
        return Arrangement(tuple(Branch((trial,)) for trial in trials), planned, planned)
    blocks = report_blocks(trials, rates_of(context), every)
    together: dict[tuple[Any, ...], list[Trial]] = {}
    for trial in trials:
        known = blocks[trial]
        # The rate and the length are told to the script, which may use them otherwise: they are shared with none else.
        key = (trial.seed, trial.steps, trial.base_lr, known[0]) if known else trial
        together.setdefault(key, []).append(trial)
    numbers: dict[bytes, int] = {}
    run = 0
    for alike in together.values():
        tables = [np.array([numbers.setdefault(block, len(numbers)) for block in blocks[trial]]) for trial in alike]
        alone = sum(trial.steps for trial in alike)
        run += min(steps_of_tree(tables) * every, alone) if len(alike) > 1 else alone
    return Arrangement(tuple(Branch(tuple(alike)) for alike in together.values()), planned, run)


def train_script(context: RunContext, branch: Branch) -> Iterator[Part]:
    """Train a branch: yield runs as they end, forks where trials leave, and now and then a checkpoint.

    Raise Died if a signal ended the script, and TimedOut if it took longer than it may: it may be tried again.
    """
    source = own_of(context)
    if context.files and not isinstance(source, FunctionSource):
        require_unchanged(source, context.files)
    with tempfile.TemporaryDirectory() as temporary:
        # Without a shared folder the states travel, and the output stays behind.
        states = context.folder or Path(temporary)
        log = states.parent / LOGS / log_name(branch.trials[0]) if context.folder else states / "output.log"
        reporting = Reporting(
            name=source.name,
            metric=context.metric,
            rates=rates_of(context),
            layout=context.layout,
            state_path=functools.partial(state_file, states),
            travels=context.folder is None,
            checkpoint_seconds=context.checkpoint_seconds,
            log_path=f"{LOGS}/{log.name}" if context.folder else None,
        )
        listener = ScriptBranch(branch, reporting)
        try:
            ending = yield from carried_out(source, listener, log, context.limit)
        except ScriptTimeout as error:
            if not listener.is_over:
                yield from listener.taken()
                raise TimedOut(str(error)) from None
            ending = Ending(f"it was {error}", failed=True)  # after its last report: its result stands
        if ending.died and not listener.is_over:
            yield from listener.taken()
            raise Died(f"the script {ending.how.removeprefix('it ')}")
        yield from listener.finish(ending.how, failed=ending.failed)


def log_name(trial: Trial) -> str:
    """Return the name of a run's log file, which tells the trial, and is the same whenever it is tried.

    >>> log_name(Trial('warmup("5%") >> cosine()', 0.1, 3, 100))[:-13]
    'warmup-5-cosine-lr0.1-seed3-steps100'
    """
    words = "-".join(re.findall(r"[A-Za-z0-9.]+", trial.strategy))[:60]
    digest = hashlib.sha256(repr(tuple(trial)).encode()).hexdigest()[:8]
    return f"{words}-lr{trial.base_lr:g}-seed{trial.seed}-steps{trial.steps}-{digest}.log"
