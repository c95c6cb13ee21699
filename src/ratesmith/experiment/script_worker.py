"""What is done in a worker for a user's own script or function: inspect it, arrange its runs, make them."""

from __future__ import annotations

import functools
import hashlib
import re
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import numpy as np

from ratesmith._random_states import preserve_rng_state, seed_all
from ratesmith._script import ActiveTrial, TrialStopped
from ratesmith.experiment.branch_trainer import Part
from ratesmith.experiment.checkpoints import state_file
from ratesmith.experiment.engine import Died, TimedOut
from ratesmith.experiment.options import CompareOptions
from ratesmith.experiment.run_context import RunContext, TaskProfile, own_of, read_layout
from ratesmith.experiment.script_branch import Reporting, ScriptBranch
from ratesmith.experiment.script_rates import ScriptRates, report_blocks
from ratesmith.experiment.script_source import FunctionSource, OwnTraining, identity_of, require_unchanged
from ratesmith.experiment.sharing import Arrangement, Branch, steps_of_tree
from ratesmith.experiment.trial import RunLayout, Trial
from ratesmith.finder import FinderError, ScriptTask, find
from ratesmith.horizon import Horizon
from ratesmith.script_process import ScriptError, ScriptProcess, ScriptTimeout
from ratesmith.strategy import as_schedule
from ratesmith.task import TaskError

FIRST_SEED: Final = 0
MOST_PROBED: Final = 10
"""Reports that are waited for until one has the metric that decides."""
NO_REPORT: Final = "it ended without a report; call trial.report(loss=..., step=...) whenever it measures"


class Ending(NamedTuple):
    """How a script or function ended."""

    how: str
    """As a sentence's part."""
    failed: bool
    died: bool = False
    """Whether a signal that nobody here has sent ended its process."""


class Listener(Protocol):
    """Who answers a script."""

    def hear(self, content: dict[str, Any]) -> dict[str, Any]:
        """Take in a message, and return the answer."""

    def taken(self) -> Iterator[Part]:
        """Yield what came of the messages since the last call."""


def carried_out(
    source: OwnTraining, listener: Listener, log: Path, limit: float | None
) -> Generator[Part, None, Ending]:
    """Have a script or function train one run; yield what comes of its messages, and return how it ended."""
    if isinstance(source, FunctionSource):
        return (yield from _called(source, listener))
    with ScriptProcess(source, log=log, limit=limit) as process:
        for message in process.messages():
            message.answer(listener.hear(message.content))
            yield from listener.taken()
        status = process.status or 0
        how = f"it {process.how_it_ended()}"
        if not process.greeted and not status:
            raise ScriptError(
                f"{source.name}: it ended without asking for its trial; write trial = ratesmith.get_trial(lr=..., "
                f"steps=...) in it, or name the task in the file: {source.path}:task"
            )
        return Ending(how, failed=status != 0, died=status < 0)


class _Direct:
    """The channel of a function that is called in this process."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        return self._listener.hear(message)


def _called(source: FunctionSource, listener: Listener) -> Generator[Part, None, Ending]:
    channel = _Direct(listener)
    trial = None
    answer = channel.ask({"kind": "hello", "asked": source.asked})
    ending = Ending("it returned", failed=False)
    with preserve_rng_state():
        seed_all(answer["trial"]["seed"])
        try:
            trial = ActiveTrial(**answer["trial"], channel=channel)
            source.function(trial)
        except TrialStopped:
            pass
        except (Exception, SystemExit) as error:
            ending = Ending(source.error_text(error), failed=True)
    if trial is not None:
        trial.end()
    yield from listener.taken()
    return ending


# Inspecting


@dataclass
class _Probe:
    """Hears the first reports of a run with the script's own settings, and ends the run when it knows enough."""

    resolve: Callable[[dict[str, Any]], int]
    """Reads how long a run is, given what the script asks for."""
    metric: str
    """The one that decides; it may come in some of the reports alone."""
    reports: int
    """How many to hear, at different steps."""
    state: Path
    """Where the script saves at the first report, if two are to be heard."""
    after: int = 0
    """The step from which it resumes; 0: it begins. Up to there a report tells nothing."""
    asked: dict[str, Any] = field(default_factory=dict)
    steps: int = 0
    heard: list[dict[str, Any]] = field(default_factory=list)
    offers_checkpoint: bool = False
    saved: bool = False
    began: float = 0.0
    seconds: float = 0.0
    """From its beginning to the first report."""

    def hear(self, content: dict[str, Any]) -> dict[str, Any]:
        match content["kind"]:
            case "hello":
                self.asked, self.began = content["asked"], time.monotonic()
                self.steps = self.resolve(self.asked)
                settings = {name: self.asked[name] for name in ("lr", "schedule")}
                more = {"resume_from": str(self.state)} if self.after else {}
                return {"do": "go", "trial": {**settings, "steps": self.steps, "seed": FIRST_SEED, **more}}
            case "checkpoint":
                self.offers_checkpoint = True
            case "report" if content["step"] > self.after:
                return self._report(content)
            case "saved":
                self.saved = bool(content["saved"])
        return {"do": "go"}

    def _report(self, content: dict[str, Any]) -> dict[str, Any]:
        if self.heard and self.heard[-1]["step"] == content["step"]:
            self.heard[-1]["metrics"].update(content["metrics"])
        else:
            self.heard.append(content)
        if not self.seconds:
            self.seconds = time.monotonic() - self.began
            if self.offers_checkpoint and self.reports > 1:
                return {"do": "save", "path": str(self.state)}
        enough = self.reports if self.offers_checkpoint else 1
        over = len(self.heard) >= (enough if self.metric in self.metrics else MOST_PROBED)
        return {"do": "stop", "reason": "its first reports are known"} if over else {"do": "go"}

    @property
    def metrics(self) -> dict[str, float]:
        """The first of each metric that was reported."""
        return {name: value for report in reversed(self.heard) for name, value in report["metrics"].items()}

    def taken(self) -> Iterator[Part]:
        yield from ()


def inspect_script(source: OwnTraining, options: CompareOptions) -> TaskProfile:
    """Return what has to be known of a script before a comparison is planned, having run it to its first reports.

    It is run a second time, to see that the same seed makes the same reports; and a third time from the state that it
    has saved, if it offers to save one.
    """

    def resolve(asked: dict[str, Any]) -> int:
        steps = asked["steps"] if options.steps is None else options.steps
        return read_layout(asked["steps_per_epoch"], steps, 1).steps

    with tempfile.TemporaryDirectory() as folder:

        def probed(reports: int, after: int = 0) -> _Probe:
            probe = _Probe(resolve, options.metric, reports, Path(folder) / "probe.state", after)
            ending = _exhausted(carried_out(source, probe, Path(folder) / "probe.log", options.timeout))
            if not probe.heard and not after:
                raise TaskError(f"{source.name}: {ending.how if ending.failed else NO_REPORT}")
            return probe

        try:
            first, again = probed(2), probed(1)
            repeatable = _alike(first.heard[0], again.heard[0], options.metric)
            exact = False
            if repeatable and first.saved and len(first.heard) > 1:
                resumed = probed(1, after=first.heard[0]["step"])
                exact = bool(resumed.heard) and _alike(first.heard[1], resumed.heard[0], options.metric)
        except ScriptTimeout as error:
            raise TaskError(f"{source.name}: {error}") from None
    report = first.heard[0]
    if report["step"] > first.steps:
        raise TaskError(
            f"{source.name}: the first report must come by step {first.steps}, got step {report['step']}; report "
            "more often, or train longer"
        )
    layout = RunLayout(first.steps, report["step"], first.asked["steps_per_epoch"])
    functions = tuple(first.asked["functions"])
    try_strategies(options.variants, layout, functions, first.metrics)
    return TaskProfile(
        base_lr=first.asked["lr"],
        metrics=tuple(first.metrics),
        has_test=False,
        layout=layout,
        identity=identity_of(source),
        exact=exact,
        repeatable=repeatable,
        seconds=first.seconds / report["step"],
        unshared_because=_unshared(source.name, first, exact=exact),
        functions=functions,
        reports_losses=bool(report["losses"]),
    )


def _unshared(name: str, first: _Probe, *, exact: bool) -> str:
    if exact:
        return ""
    if not first.offers_checkpoint:
        return (
            f"{name} offers no state, so nothing was shared: trial.checkpoint(model, optimizer) in it lets runs share "
            "their beginnings."
        )
    if len(first.heard) < 2:
        return f"{name} reports once in a run, so nothing was shared."
    return f"A state of {name}'s, saved and loaded, does not go on to the same report: nothing was shared."


def try_strategies(
    strategies: Iterable[str], layout: RunLayout, functions: Sequence[str], metrics: Mapping[str, float]
) -> None:
    """Build and ask each once: a mistake in it, or a metric that is not reported, is found before any training."""
    horizon = Horizon(layout.steps, layout.steps_per_epoch)
    for strategy in strategies:
        controller = as_schedule(strategy, horizon, dict.fromkeys(functions, unknown_rule))
        controller.value(controller.observe(controller.init(), 0, metrics), 0)


def _exhausted(running: Generator[Part, None, Ending]) -> Ending:
    """Run to the end, and return how it ended."""
    while True:
        try:
            next(running)
        except StopIteration as stop:
            ending: Ending = stop.value
            return ending


def _alike(report: dict[str, Any], other: dict[str, Any], metric: str) -> bool:
    """Whether two reports tell the same; times and the like may differ, losses and what decides may not."""
    if report["step"] != other["step"] or repr(report["losses"]) != repr(other["losses"]):
        return False
    names = [name for name in report["metrics"] if "loss" in name or name == metric] or list(report["metrics"])
    return all(repr(report["metrics"][name]) == repr(other["metrics"].get(name)) for name in names)


# Running


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


def unknown_rule(step: int) -> float:
    """Stand for a rule that the script alone has."""
    return 1.0


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
        log = states.parent / "logs" / log_name(branch.trials[0]) if context.folder else states / "output.log"
        reporting = Reporting(
            name=source.name,
            metric=context.metric,
            rates=rates_of(context),
            layout=context.layout,
            state_path=functools.partial(state_file, states),
            travels=context.folder is None,
            checkpoint_seconds=context.checkpoint_seconds,
            log_path=f"logs/{log.name}" if context.folder else None,
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
