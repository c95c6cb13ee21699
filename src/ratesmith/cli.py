"""The command line: parses, calls, prints."""

from __future__ import annotations

import io
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from ratesmith import __version__
from ratesmith.horizon import Horizon
from ratesmith.notation import parse, signatures
from ratesmith.task import TaskError, load_functions

WIDE = 170
"""Columns to print to where the output is no terminal and so has no width."""
NARROW = 140
"""Below so many columns an interval goes under its mean."""


class Mistake(click.ClickException):
    """A user's mistake: one line on stderr and exit status 2."""

    exit_code = 2


def run(arguments: list[str] | None = None) -> int:
    """Run a command and give its exit status; a mistake is one line on stderr, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console that cannot show a curve's dots still shows the numbers
    try:
        given = sys.argv[1:] if arguments is None else arguments
        return int(commands.main(given or ["--help"], prog_name="ratesmith", standalone_mode=False) or 0)
    except click.ClickException as error:
        print(f"ratesmith: {error.format_message()}", file=sys.stderr)
        return error.exit_code
    except click.Abort:
        return 130


NAMES = "\n".join(f"  {signature}" for signature in signatures())
STRATEGIES = f"""\b
Strategies (lengths are steps as 500, shares of training as "5%", or epochs as "2ep"; join with >>, multiply with *):
{NAMES}

\b
custom names a function of yours, plateau's patience and cooldown count measurements (one an epoch by default)."""
SHOW_EXAMPLES = """\b
Examples:
  ratesmith show 'cosine(final=0.1)' --steps 1000
  ratesmith show 'warmup("5%") >> cosine()' 'step(every="2ep")' --steps 1000 --steps-per-epoch 100
"""
COMPARE_EXAMPLES = """\b
Examples:
  ratesmith compare digits.py:task
  ratesmith compare digits.py:task --strategy 'cosine()' --strategy 'plateau(patience=2)'
  ratesmith compare digits.py:task --steps 20ep --rates 0.01,0.1,1 --seeds 5 --metric accuracy --mode max
"""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120}, epilog=STRATEGIES)
@click.version_option(__version__)
def commands() -> None:
    """Choose, shape and adapt the learning rate, and prove the choice on a validation set."""


@commands.command(epilog=f"{SHOW_EXAMPLES}\n{STRATEGIES}")
@click.argument("notation", nargs=-1, required=True)
@click.option("--steps", required=True, type=int, help="How long training lasts, in optimizer steps.")
@click.option("--steps-per-epoch", type=int, help="What '2ep' means.")
@click.option("--functions", type=Path, metavar="FILE.py", help='The file with the function that custom("name") names.')
def show(notation: tuple[str, ...], steps: int, steps_per_epoch: int | None, functions: Path | None) -> None:
    """Draw schedules in the terminal and print their numbers, as shares of the initial rate."""
    import plotille

    with user_mistakes(TaskError):
        horizon = Horizon(steps, steps_per_epoch)
        known = load_functions(functions) if functions else {}
        strategies = [parse(text) for text in notation]
        controllers = [strategy.build(horizon, known) for strategy in strategies]
        curves = [sample(controller, steps) for controller in controllers]
    console = _console()
    figure = plotille.Figure()
    figure.width, figure.height = max(20, min(console.width - 18, 90)), 14
    figure.color_mode, figure.with_colors = "names", console.is_terminal and len(curves) > 1
    figure.x_label, figure.y_label = "step", "factor"
    figure.set_x_limits(0, steps)
    values = [value for curve in curves for _, value in curve]
    figure.set_y_limits(min(0.0, *values), 1.02 * max(1e-12, *values))
    for kind in (int, float):
        figure.register_label_formatter(kind, _tick)
    colours = ("green", "blue", "red", "magenta", "cyan", "yellow")
    for index, (strategy, curve) in enumerate(zip(strategies, curves, strict=True)):
        figure.plot(*zip(*curve, strict=True), label=str(strategy), lc=colours[index % len(colours)])
    click.echo(figure.show(legend=True))
    table = Table("step", *map(str, strategies))
    for step in sorted({round(steps * tenth / 10) for tenth in range(11)}):
        row = (controller.value(controller.init(), step) for controller in controllers)
        table.add_row(str(step), *(f"{value:.6g}" for value in row))
    console.print(table)
    if any("plateau" in str(strategy) for strategy in strategies):
        click.echo("plateau listens to a metric: here, with nothing measured, it makes no cut.")


def sample(controller: Any, steps: int) -> list[tuple[int, float]]:
    """Give up to a thousand (step, factor) pairs of a controller that has heard nothing."""
    state = controller.init()
    every = max(1, steps // 1000)
    return [(step, controller.value(state, step)) for step in (*range(0, steps, every), steps)]


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else WIDE, markup=False)


def _tick(value: float, chars: int, delta: float, left: bool = False) -> str:
    shown = f"{value:.4g}"
    return shown.ljust(chars) if left else shown.rjust(chars)


@commands.command(epilog=f"{COMPARE_EXAMPLES}\n{STRATEGIES}")
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
    from ratesmith.experiment import StudyError
    from ratesmith.experiment import compare as run_comparison
    from ratesmith.experiment.compare import DEFAULT_STRATEGIES
    from ratesmith.report import write_report

    file, _, name = task.rpartition(":")
    folder = out or Path("runs") / f"{Path(file).stem}-{name}"
    options["strategies"] = options["strategies"] or DEFAULT_STRATEGIES
    for option in ("steps", "evaluate_every"):
        options[option] = int(options[option]) if options[option].isdecimal() else options[option]
    progress = ShownProgress(folder)
    with user_mistakes(TaskError, StudyError, OSError):
        options["rates"] = None if rates is None else [_rate(text) for text in rates.split(",")]
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


class ShownProgress:
    """The progress bar with the time left and the best so far; plain lines where stderr is no terminal."""

    def __init__(self, folder: Path) -> None:
        """Make the bar; nothing is shown before the `with`."""
        self.folder = folder
        self.console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            MofNCompleteColumn(),
            TextColumn("runs, time left"),
            TimeRemainingColumn(compact=True),
            TextColumn(
                "{task.fields[best]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)
            ),
            console=self.console,
            expand=True,
        )
        self.row = self.bar.add_task("starting workers", total=None, best="")
        self.done = self.planned = 0
        self._said = -1

    def __enter__(self) -> ShownProgress:
        """Show it."""
        if self.console.is_terminal:
            self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave its last line standing."""
        if self.console.is_terminal:
            self.bar.stop()

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
    console = _console()
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


@contextmanager
def user_mistakes(*more: type[Exception]) -> Iterator[None]:
    """Turn what a user can cause into one line."""
    mistakes: tuple[type[Exception], ...] = (ValueError, TypeError, *more)
    try:
        yield
    except mistakes as error:
        raise Mistake(" ".join(str(error).split())) from error


def _rate(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise Mistake(f"compare: --rates must be numbers with commas, got {text!r}; write 0.01,0.1,1") from None


def _cores() -> int:
    usable: Callable[[int], Any] | None = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable else os.cpu_count() or 1
