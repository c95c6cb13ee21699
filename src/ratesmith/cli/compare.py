"""ratesmith compare: train every strategy, show how far it is, print the ranking and the verdict."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from ratesmith.cli.common import STRATEGIES, Bar, Mistake, number_list, user_mistakes, wide_console
from ratesmith.task import TaskError

NARROW = 140
"""Below so many columns an interval goes under its mean."""
EXAMPLES = """\b
Examples:
  ratesmith compare digits.py:task
  ratesmith compare digits.py:task --strategy 'cosine()' --strategy 'plateau(patience=2)'
  ratesmith compare digits.py:task --steps 20ep --rates 0.01,0.1,1 --seeds 5 --metric accuracy --mode max
"""


@click.command(epilog=f"{EXAMPLES}\n{STRATEGIES}")
@click.argument("task", metavar="FILE.py:NAME")
@click.option(
    "--strategy",
    "strategies",
    multiple=True,
    help="A strategy in notation; repeat for more. Default: step, multistep, exponential, cosine and plateau.",
)
@click.option("--steps", default="10ep", show_default=True, help="Length of a run: optimizer steps, or epochs as 10ep.")
@click.option(
    "--rates", help="Initial rates, as 0.01,0.1,1; more are added where the best is on an edge. Default: five."
)
@click.option("--seeds", default=3, show_default=True, help="How many seeds each strategy and rate is trained with.")
@click.option("--metric", default="loss", show_default=True, help="The validation metric that decides.")
@click.option("--mode", help="Whether the metric is better small (min) or large (max); the loss is min.")
@click.option("--evaluate-every", default="1ep", show_default=True, help="Steps or epochs between two measurements.")
@click.option("--workers", type=int, help="Processes that train side by side; 0: this one. Default: one a core.")
@click.option("--out", type=Path, help="Folder for runs and report. Default: runs/FILE-NAME.")
def compare(task: str, out: Path | None, workers: int | None, rates: str | None, **options: Any) -> int:
    """Train every strategy at several initial rates and seeds; say which is best on the validation set.

    NAME is a function (or object) in FILE.py that gives the task. The constant rate is always among the strategies, as
    the baseline. Finished runs are kept: the same command goes on where it was stopped.
    """
    try:
        from ratesmith.experiment import StudyError
        from ratesmith.experiment import compare as run_comparison
        from ratesmith.experiment.compare import DEFAULT_STRATEGIES
        from ratesmith.report import write_report
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        raise Mistake(f"compare: it needs {name}; install Ratesmith with its extra [compare]") from None

    file, _, name = task.rpartition(":")
    folder = out or Path("runs") / f"{Path(file).stem}-{name}"
    options["strategies"] = options["strategies"] or DEFAULT_STRATEGIES
    for option in ("steps", "evaluate_every"):
        options[option] = int(options[option]) if options[option].isdecimal() else options[option]
    progress = ShownProgress(folder)
    with user_mistakes(TaskError, StudyError, OSError):
        options["rates"] = None if rates is None else number_list("compare", rates)
        options["workers"] = _cores() if workers is None else workers
        try:
            with progress:
                found = run_comparison(task, folder=folder, on_progress=progress.update, **options)
        except KeyboardInterrupt:
            print(f"ratesmith: stopped; {progress.kept()}. The same command goes on from there.", file=sys.stderr)
            return 130
        command = shlex.join(["ratesmith", *sys.argv[1:]])
        (folder / "results.json").write_text(json.dumps(found.to_dict(), indent=1, allow_nan=False), encoding="utf-8")
        write_report(found, folder / "report.html", title=task, command=command)
    print_comparison(found)
    click.echo(f"Report: {folder / 'report.html'}")
    return 0


class ShownProgress(Bar):
    """The progress bar with the time left and the best so far; plain lines where stderr is no terminal."""

    def __init__(self, folder: Path) -> None:
        """Make the bar; nothing is shown before the `with`."""
        self.folder = folder
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            MofNCompleteColumn(),
            TextColumn("runs, time left"),
            TimeRemainingColumn(compact=True),
            TextColumn(
                "{task.fields[best]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)
            ),
            expand=True,
        )
        self.row = self.bar.add_task("starting workers", total=None, best="")
        self.done = self.planned = 0
        self._said = -1

    def update(self, now: Any) -> None:
        """Take in how far the comparison is."""
        first, self.done = self.done == 0, now.done
        best = "" if now.best is None else f"best so far: {now.best[0]} at {now.best[1]:g} ({now.best[2]:.4g})"
        if first and now.resumed:
            self.console.print(f"going on after {now.resumed} finished runs in {self.folder}", highlight=False)
        if 0 < self.planned < now.planned:
            self.console.print(
                f"a best rate lies on the edge of the grid: {now.planned - self.planned} runs more", highlight=False
            )
        self.planned = now.planned
        if self.console.is_terminal:
            self.bar.update(self.row, description="comparing", completed=now.done, total=now.planned, best=best)
        elif (tenth := 10 * now.done // now.planned) != self._said:
            self._said = tenth
            print(f"ratesmith: {now.done} of {now.planned} runs; {best}".rstrip("; "), file=sys.stderr, flush=True)

    def kept(self) -> str:
        """Say what a stopped comparison has kept."""
        return f"{self.done} finished runs are kept in {self.folder}"


def print_comparison(found: Any) -> None:
    """Print the ranking and the verdict; on a narrow terminal a strategy's facts stand under its name."""
    console = wide_console()
    wide = console.width >= NARROW
    names = tuple(found.best.estimates) if found.best else (found.metric,)
    table = Table(title="Validation set, after the last step: mean over the seeds [95 % interval]", show_lines=not wide)
    facts = ("strategy", "initial rate", "diverged", "cost")
    for heading in ("#", *(facts if wide else facts[:1]), *names):
        table.add_column(heading, overflow="fold", no_wrap=heading != "strategy")
    for place, row in enumerate(found.rows, 1):
        rate = "–" if row.base_lr is None else f"{row.base_lr:g}"
        cells = [row.strategy, rate, f"{row.diverged} of {row.runs}", f"{row.steps:,} steps, {row.seconds:.1f} s"]
        if not wide:
            cells = [f"{cells[0]}\ninitial rate {cells[1]}\n{cells[2]} diverged\n{cells[3]}"]
        figures = (str(row.estimates.get(name, "–")).replace(" [", " [" if wide else "\n[") for name in names)
        table.add_row(str(place), *cells, *figures)
    console.print(table, highlight=False)
    click.echo(found.verdict())
    if found.test:
        measured = ", ".join(f"{name} {estimate}" for name, estimate in found.test.items())
        click.echo(f"On the test set, looked at for the winner only: {measured}.")
    if found.tested > 1:
        click.echo(f"In this folder the test set has judged {found.tested} winners: its figure is no longer untouched.")


def _cores() -> int:
    usable: Callable[[int], Any] | None = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable else os.cpu_count() or 1
