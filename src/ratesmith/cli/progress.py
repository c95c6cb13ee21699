"""How far a comparison is: the plan before it, a live table with the time left, plain lines without a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ratesmith.cli.common import Bar

if TYPE_CHECKING:
    from ratesmith.experiment import Plan
    from ratesmith.experiment import Progress as ComparisonProgress


class _Live(Progress):
    """A bar under the table of what is best so far."""

    bests: tuple[tuple[str, float, float], ...] = ()

    def get_renderables(self) -> Iterable[RenderableType]:
        """Return the table, then the bar."""
        if self.bests:
            table = Table("best so far, on the seeds of the choice", "initial rate", "mean", box=None, pad_edge=False)
            for name, rate, value in self.bests[:12]:
                table.add_row(name, f"{rate:g}", f"{value:.4g}")
            yield table
        yield self.make_tasks_table(self.tasks)


class ShownProgress(Bar):
    """The live table with the time left; plain lines if stderr is no terminal; nothing if quiet."""

    kind = _Live
    bar: _Live

    def __init__(self, folder: Path, quiet: bool, ask: bool) -> None:
        """Make the bar; nothing is shown before the `with`. `ask` waits for a yes to the plan."""
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("runs at most, time left"),
            TimeRemainingColumn(compact=True),
        )
        self.folder, self.quiet, self.ask = folder, quiet, ask
        self.shown = self.shown and not quiet
        self.row = self.bar.add_task("starting workers", total=None)
        self.planned = self.done = 0
        self._tenth = ""

    def __exit__(self, *error: object) -> None:
        """Leave a full bar if all went well: how many runs there are in the end was not known before."""
        if self.shown and error[0] is None and self.planned:
            self.bar.update(self.row, description="done", completed=self.done, total=self.done)
            words = "runs" if self.done == self.planned else f"runs of at most {self.planned}"
            self.bar.columns = (*self.bar.columns[:3], TextColumn(words))
        super().__exit__(*error)

    def show_plan(self, plan: Plan) -> bool:
        """Print the plan, and ask if a budget was given and somebody can answer."""
        if self.quiet and not self.ask:
            return True
        if self.shown:
            self.bar.stop()
        table = Table("stage", "runs", "steps of each", "steps", title="Plan, at the most", title_justify="left")
        for stage in plan.stages:
            table.add_row(stage.name, f"{stage.runs:,}", f"{stage.steps:,}", f"{stage.to_run:,}")
        table.add_row("in all", f"{plan.runs:,}", "", f"{plan.to_run:,}")
        self.console.print(table, highlight=False)
        workers = f"{plan.workers} workers" if plan.workers > 1 else "one worker"
        time = f"about {_time(plan.time)} with {workers} once started"
        time += f", {plan.gpu_hours:.3g} GPU-hours" if plan.gpus else ""
        self.say(f"Up to {plan.to_run:,} steps, {time}; it ends earlier where strategies are soon told apart.")
        if plan.made_smaller:
            self.say(f"Made smaller to fit the budget of {plan.budget}: {plan.made_smaller}.")
        for line in plan.warnings:
            self.say(line)
        agreed = not self.ask or not sys.stdin.isatty() or click.confirm("Run it?", default=True, err=True)
        if self.shown:
            self.bar.start()
        return agreed

    def begin(self, line: str) -> None:
        """Say what comes before the plan, if anything is to be said."""
        if not self.quiet:
            self.say(line)

    def say(self, line: str) -> None:
        """Print a line on stderr."""
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def update(self, now: ComparisonProgress) -> None:
        """Take in how far the comparison is."""
        first = self.planned == 0
        if self.quiet:
            return
        if first and now.resumed:
            self.say(f"{now.resumed} finished runs are kept in {self.folder}, and are not made again")
        self.planned, self.done = now.planned, now.done
        if self.shown:
            self.bar.bests = now.bests
            self.bar.update(self.row, description=now.stage, completed=now.done, total=now.planned)
            return
        best = "" if now.best is None else f"; best so far: {now.best[0]} at {now.best[1]:g} ({now.best[2]:.4g})"
        tenth = f"{now.stage}, {10 * now.done // max(1, now.planned)}"
        if tenth != self._tenth:  # a line for each tenth of a stage, as a log file wants it
            self._tenth = tenth
            print(
                f"ratesmith: {now.stage}: {now.done} of at most {now.planned} runs{best}", file=sys.stderr, flush=True
            )

    def kept(self) -> str:
        """Say what a stopped comparison has kept, as the store has it, and how to go on."""
        from ratesmith.experiment.studies import describe
        from ratesmith.study_database import StudyError

        try:
            runs = describe(self.folder).runs
        except StudyError:
            runs = {}
        finished = runs.get("done", 0) + runs.get("diverged", 0)
        if not finished:
            return "no run had ended, so none is kept. The same command begins again."
        return f"{finished} finished runs are kept in {self.folder}. The same command goes on from there."


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
