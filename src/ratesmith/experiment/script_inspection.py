"""What must be known of a script before a comparison is planned: its first reports, and whether they come again."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ratesmith._checks import Option
from ratesmith.experiment.branch_trainer import Part
from ratesmith.experiment.options import CompareOptions, ComparisonError
from ratesmith.experiment.run_context import TaskProfile, read_layout
from ratesmith.experiment.script_rates import fold_of, unknown_rule
from ratesmith.experiment.script_run import carried_out
from ratesmith.experiment.script_source import OwnTraining, identity_of
from ratesmith.experiment.trial import RunLayout
from ratesmith.horizon import Horizon
from ratesmith.script_process import Ending, ScriptTimeout, no_report
from ratesmith.strategy import as_schedule, as_strategy
from ratesmith.task import TaskError

FIRST_SEED: Final = 0
MOST_PROBED: Final = 10
"""Reports that are waited for until one has the metric that decides."""


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
    folds: int = 0
    """Into how many parts the script is to cut its data."""
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
                fold = fold_of(FIRST_SEED, self.folds)
                more = {"resume_from": str(self.state)} if self.after else {}
                return {"do": "go", "trial": {**settings, "steps": self.steps, "seed": FIRST_SEED, **fold, **more}}
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
            probe = _Probe(resolve, options.metric, reports, Path(folder) / "probe.state", options.folds, after)
            ending = _exhausted(carried_out(source, probe, Path(folder) / "probe.log", options.timeout))
            if not probe.heard and not after:
                how = ending.how if ending.failed else no_report(options.metric)
                raise TaskError(f"{source.name}: {how}") from ending.error  # a notebook shows its traceback too
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
    if options.folds and not report.get("fold_read"):
        raise ComparisonError(
            "compare: ",
            Option("folds"),
            f" needs a script that cuts its data by trial.fold, which {source.name} does not read; measure on the part "
            "trial.fold of trial.folds, and train on the others",
        )
    layout = RunLayout(first.steps, report["step"], first.asked["steps_per_epoch"], options.folds)
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
        folds=options.folds,
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
        if unheard := [name for name in as_strategy(strategy).metrics() if name not in metrics]:
            raise ComparisonError(
                f"{strategy}: it listens to {unheard[0]!r}, which is not reported, got {', '.join(metrics)}; name one "
                f'of these in it, as metric="{next(iter(metrics))}"'
            )
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
