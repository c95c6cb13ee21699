"""ratesmith compare: show the plan, train every strategy, show how far it is, print the ranking and the verdict."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict, Unpack

import click

from ratesmith._extras import needs
from ratesmith.cli.common import (
    SEE_STRATEGIES,
    Mistake,
    folder_name,
    number_list,
    option_names,
    user_mistakes,
    warn_of_mode,
    wide_console,
)
from ratesmith.cli.progress import ShownProgress
from ratesmith.cli.signals import status_of, stopped_by
from ratesmith.script_process import is_script
from ratesmith.strategy.contender import notation_of
from ratesmith.task import TaskError

if TYPE_CHECKING:
    from ratesmith.experiment import Comparison, Row
    from ratesmith.experiment.options import CompareOptions

STRATEGY, METRIC, AGAINST, REACHED, GAP = 20, 18, 14, 10, 12
"""Columns of a terminal that the table gives its parts: 80 in all, with the deciding metric alone."""
OWN_UNIT: Final = 2
"""So many columns go from the metric to the difference if that is no percentage but in the metric's own unit."""
NARROWEST: Final = 80
INCOMPLETE: Final = 3
"""The exit status if the verdict was given without some runs."""
EXAMPLES: Final = """\b
Examples:
  ratesmith compare train.py --strategy 'cosine()' --strategy 'linear()' -- --data digits
  ratesmith compare digits.py:task
  ratesmith compare digits.py:task --strategy 'cosine()' --strategy 'wsd(decay=["10%","20%","40%"])'
  ratesmith compare digits.py:task --steps 20ep --rates 0.01,0.1,1 --metric accuracy --mode max
  ratesmith compare digits.py:task --budget 10m --rung 0.25

\b
An option given as a list is tried with each value, and the strategy is judged by its best.

\b
Exit status:
  0    the verdict is given
  1    an error, or output or a tracker that could not be written
  2    a mistake in the command, the task or the folder
  3    the verdict is given, but some runs have no outcome: they failed, took too long or were killed
  130  Ctrl-C; 143 is SIGTERM, 129 SIGHUP: finished runs are kept"""


class Given(TypedDict):
    """What click reads of a command, but for the task and the folder."""

    arguments: tuple[str, ...]
    launch: str
    strategies: tuple[str, ...]
    baseline: str
    steps: str | None
    rates: str | None
    seeds: int
    choice_seeds: int
    metric: str
    mode: str | None
    margin: float
    target: float | None
    evaluate_every: str
    rungs: tuple[float, ...]
    optimizers: tuple[str, ...]
    folds: int
    budget: str | None
    yes: bool
    timeout: float | None
    workers: int | None
    engine: str
    address: str | None
    gpus: float
    tensorboard: Path | None
    mlflow: str | None
    quiet: bool


@dataclass(frozen=True)
class Output:
    """Where results go, and how much of them is shown."""

    folder: Path
    command: str
    """The command that was given, for the page."""
    quiet: bool = False
    agreed: bool = False
    """Whether the plan was agreed to beforehand."""
    tensorboard: Path | None = None
    mlflow: str | None = None


@click.command(short_help="Train every strategy; say which is best.", epilog=f"{EXAMPLES}\n\n{SEE_STRATEGIES}")
@click.argument("task", metavar="TRAIN.py|FILE.py:NAME")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGUMENTS]")
@click.option("--launch", default="", help="A launcher for a script, as 'torchrun --nproc-per-node 2'.")
@click.option(
    "--strategy",
    "strategies",
    multiple=True,
    help="A strategy in notation; repeat for more. Default: step, multistep, exponential, cosine and plateau.",
)
@click.option("--baseline", default="constant()", show_default=True, help="What the others are compared with.")
@click.option(
    "--optimizer",
    "optimizers",
    multiple=True,
    help="Another optimizer: NAME=FUNCTION of the task's file, or NAME=FUNCTION@1 to fix its rate. A strategy is then "
    "'NAME: cosine()'. Repeat for more.",
)
@click.option("--steps", help="Length of a run: optimizer steps, or epochs as 10ep. Default: 10ep; a script's own.")
@click.option("--rates", help="Where to look for rates, as 0.01,1; one alone is that rate. Default: around a sweep's.")
@click.option("--seeds", default=10, show_default=True, help="Fresh seeds of the verdict, at the most.")
@click.option("--folds", default=0, help="Cut the data into so many parts; each seed is measured on one of them.")
@click.option("--choice-seeds", default=3, show_default=True, help="Seeds for one rate of the choice, at the most.")
@click.option("--metric", default="loss", show_default=True, help="The validation metric that decides.")
@click.option("--mode", help="Whether the metric is better small (min) or large (max); the loss is min.")
@click.option("--margin", default=0.01, show_default=True, help="A tie: share of the loss, or units of the metric.")
@click.option("--target", type=float, help="Also say after how many steps this metric is reached.")
@click.option("--evaluate-every", default="1ep", show_default=True, help="Steps or epochs between two measurements.")
@click.option(
    "--rung",
    "--round",
    "rungs",
    multiple=True,
    type=float,
    help="Choose by complete runs of this share of --steps first, as 0.25. Repeat for more.",
)
@click.option(
    "--budget", help="Fit the plan into so many steps, or a time as 30m; at a terminal, ask before it is run."
)
@click.option("--yes", is_flag=True, help="Agree to the plan beforehand.")
@click.option("--timeout", type=float, help="Seconds that a worker may spend on one trial, from where that begins.")
@click.option("--workers", type=int, help="Processes that train side by side; 0: this one. Default: one a core.")
@click.option("--engine", default="local", show_default=True, help="Where trials are trained: local or ray.")
@click.option("--address", help="The Ray cluster to join. Default: one is started on this machine.")
@click.option(
    "--gpus",
    "--gpus-per-trial",
    "gpus",
    type=float,
    default=0,
    help="GPUs for each trial; 0.5 lets two share one. Default: all trials see all.",
)
@click.option("--out", type=Path, help="Folder for runs and report. Default: runs/FILE-NAME.")
@click.option("--tensorboard", type=Path, help="Also write every run to this folder, for TensorBoard.")
@click.option("--mlflow", help="Also log every run to this MLflow tracking address.")
@click.option("--quiet", is_flag=True, help="Print the verdict, and what to mind, alone.")
def compare(task: str, out: Path | None, **given: Unpack[Given]) -> int:
    """Train every strategy at several initial rates; say which is best on the validation set.

    TRAIN.py is a script of your own that asks for its trial by ratesmith.get_trial; what stands after -- is handed to
    it. Or NAME is a function (or object) in FILE.py that gives a task. Each strategy's rate is chosen on some seeds,
    and the verdict is given on fresh ones. Finished runs are kept: the same command goes on where it was stopped.
    """
    needs_extra()
    with mistakes():
        options = _options(given)
    if not given["quiet"]:  # the note at the end says it then
        warn_of_mode(given["metric"], given["mode"])
    output = Output(
        folder=out or Path("runs") / folder_name(task),
        command=shlex.join(["ratesmith", *sys.argv[1:]]),
        quiet=given["quiet"],
        agreed=given["yes"],
        tensorboard=given["tensorboard"],
        mlflow=given["mlflow"],
    )
    return run_and_print(task, options, output)


def _options(given: Given) -> CompareOptions:
    from ratesmith.experiment import DEFAULT_STRATEGIES
    from ratesmith.experiment.options import CompareOptions

    return CompareOptions(
        strategies=given["strategies"] or DEFAULT_STRATEGIES,
        baseline=given["baseline"],
        steps=None if given["steps"] is None else _length(given["steps"]),
        rates=None if given["rates"] is None else tuple(number_list("compare", given["rates"])),
        seeds=given["seeds"],
        choice_seeds=given["choice_seeds"],
        metric=given["metric"],
        mode=given["mode"],
        margin=given["margin"],
        target=given["target"],
        evaluate_every=_length(given["evaluate_every"]),
        rungs=given["rungs"],
        budget=given["budget"],
        timeout=given["timeout"],
        workers=_workers(given["gpus"]) if given["workers"] is None else given["workers"],
        engine=given["engine"],
        address=given["address"],
        gpus=given["gpus"],
        arguments=given["arguments"],
        launch=given["launch"],
        optimizers=_optimizers(given["optimizers"]),
        folds=given["folds"],
    )


def _optimizers(texts: tuple[str, ...]) -> dict[str, str] | None:
    """Read `NAME=function` texts; None if there are none, as where none were asked for."""
    named: dict[str, str] = {}
    for text in texts:
        name, equals, function = text.partition("=")
        if not equals:
            raise Mistake(f"compare: --optimizer must be NAME=FUNCTION, got {text!r}; write muon=make_muon")
        if name.strip() in named:
            raise Mistake(f"compare: --optimizer must give a name once, got {name.strip()!r} twice; call one otherwise")
        named[name.strip()] = function.strip()
    return named or None


def _workers(gpus: float) -> int:
    """Return how many processes there are by default: one a core, or as many as the GPUs have room for."""
    from ratesmith.experiment import cores
    from ratesmith.experiment.devices import room, visible_devices

    return min(cores(), room(visible_devices(), gpus)) or 1 if gpus > 0 else cores()


def _length(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


def spelling() -> dict[str, str]:
    """Return the options of `compare` by their names in Python, as its command has them, whatever command runs."""
    with click.Context(compare).scope():
        return {**option_names(), "rungs": "--rung", "folder": "--out"}


@contextmanager
def mistakes() -> Iterator[None]:
    """Turn what a user can cause in a comparison or its study into one line."""
    from ratesmith.study_database import StudyError

    with user_mistakes(TaskError, StudyError, OSError, names=spelling()):
        yield


def needs_extra() -> None:
    """Say what to install if the extra is not there."""
    try:
        with needs("compare", extra="compare"):
            import ratesmith.experiment
            import ratesmith.report  # noqa: F401
    except ModuleNotFoundError as error:
        raise Mistake(str(error)) from None


def _replaces(kept: Path, results: str) -> bool:
    """Whether other results are there already, which these take the place of."""
    return kept.is_file() and kept.read_text(encoding="utf-8", errors="replace") != results


def run_and_print(task: str, options: CompareOptions, output: Output) -> int:
    """Compare, write results and report, and print what came out."""
    from ratesmith.experiment.compare import run_comparison
    from ratesmith.experiment.study_folder import refuse_foreign_results, results_written
    from ratesmith.report import write_html

    folder = output.folder
    progress = ShownProgress(folder, output.quiet, ask=not output.agreed and options.budget is not None)
    try:
        with mistakes():
            refuse_foreign_results(folder)
            with progress:
                if is_script(task) and Path(task).is_file():
                    progress.begin(f"{task} is run to its first reports, two or three times, to see what it measures")
                comparison = run_comparison(
                    task, options, folder=folder, on_progress=progress.update, on_plan=progress.show_plan
                )
            comparison = replace(comparison, option_names=spelling())
            results = json.dumps(comparison.to_dict(), indent=1, allow_nan=False)
            replaced = _replaces(folder / "results.json", results)
            with results_written(folder) as place:
                (place / "results.json").write_text(results, encoding="utf-8")
                write_html(comparison, place / "report.html", title=task, command=output.command)
    except KeyboardInterrupt as error:
        print(f"ratesmith: stopped by {stopped_by(error)}; {progress.kept()}", file=sys.stderr)
        return status_of(error)
    if output.quiet:
        print("\n".join([comparison.verdict(), *comparison.note_lines()]))
    else:
        print_table(comparison)
        print_verdict(comparison)
        print(f"Report: {folder / 'report.html'}{' (in place of the last one; --out keeps both)' if replaced else ''}")
    status = INCOMPLETE if comparison.missing_runs else 0
    return status if _write_to_trackers(comparison, output) else 1


def _write_to_trackers(comparison: Comparison, output: Output) -> bool:
    """Whether all trackers have the runs; what one lacks is said, and costs nothing that is there already."""
    from ratesmith.experiment.export import to_tracker
    from ratesmith.report.secrets import PASSWORD
    from ratesmith.study_database import StudyError

    whole = True
    for kind, where in (("tensorboard", output.tensorboard), ("mlflow", output.mlflow)):
        if where is None:
            continue
        try:
            to_tracker(kind, comparison, str(where))
        except StudyError as error:
            whole = False
            remedy = f"give the same command again, or use `ratesmith study export {output.folder} runs.csv`"
            line = f"ratesmith: {error.spelled(spelling())}; all results are kept: {remedy}"
            print(PASSWORD.sub("//", line), file=sys.stderr)
    return whole


def print_table(comparison: Comparison) -> None:
    """Print the ranking: quality, speed and overfitting; metrics that do not decide where there is room for them."""
    from rich import box
    from rich.table import Table

    from ratesmith.experiment.answer import relative
    from ratesmith.experiment.ranking_table import facts, reached_heading, tells_overfitting
    from ratesmith.experiment.wording import range_of
    from ratesmith.strategy.labels import labels

    console = wide_console()
    metric, question = comparison.metric, comparison.question
    more = [name for name in (comparison.best.estimates if comparison.best else ()) if name != metric]
    metrics = [metric, *more[: max(0, console.width - NARROWEST) // (METRIC + 1)]]
    shown = labels([question.baseline, *question.families, *(row.chosen for row in comparison.rows)])
    with_gap = tells_overfitting(comparison)
    title = f"On the validation set after {comparison.layout.steps:,} steps, with 95 % intervals"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=0, show_edge=False)
    baseline, moved = shown[question.baseline], 0 if relative(comparison) else OWN_UNIT
    against = f"against {baseline if len(baseline) <= AGAINST else 'the baseline'}"
    table.add_column("#")
    table.add_column("strategy", overflow="fold", min_width=STRATEGY)
    for name in metrics:
        table.add_column(name, overflow="fold", min_width=METRIC - moved)
    table.add_column(against, overflow="fold", width=AGAINST + moved)
    table.add_column(reached_heading(comparison), overflow="fold", width=REACHED)
    if with_gap:
        table.add_column("validation - training", overflow="fold", width=GAP)
    for place, row in enumerate(comparison.rows, 1):
        figures = [row.estimates.get(name) for name in metrics]
        values = ["–" if each is None else f"{each.mean:.4g}\n{range_of(each)}" for each in figures]
        *others, overfitting = facts(comparison, row, "\n")
        name = "\n".join([shown[row.strategy], *_small_print(comparison, row, shown)])
        table.add_row(str(place), name, *values, *others, *([overfitting] if with_gap else []))
    table.caption, table.caption_justify = _caption(comparison, with_gap), "left"
    console.print(table, highlight=False)


def _caption(comparison: Comparison, with_gap: bool) -> str:
    """Return what the columns of speed and of overfitting mean."""
    target = comparison.question.target
    goal = "is as good as the baseline's end" if target is None else f"reaches {target:g}"
    speed = f"Speed: the share of the steps until it {goal}."
    return f"{speed}\nOverfitting: how far validation ends above training, and where it turned." if with_gap else speed


def _small_print(comparison: Comparison, row: Row, shown: Mapping[str, str]) -> list[str]:
    """Return the lines below a strategy's name: what was chosen, and what is to be minded of it."""
    from ratesmith.experiment.answer import STOPPED
    from ratesmith.experiment.ranking_table import is_far_behind, judged_by

    lines = [] if row.chosen == row.strategy else [shown[row.chosen]]
    if row.base_lr is not None:
        lines.append(judged_by(row))
    if is_far_behind(comparison, row):
        lines.append(STOPPED)
    if row.diverged:
        lines.append(f"{row.diverged} of {row.runs} runs diverged")
    if codes := comparison.codes_of(row):
        lines.append(" ".join(f"[{code}]" for code in codes))
    return lines


def print_verdict(comparison: Comparison) -> None:
    """Print the outcome, what it cost, what to mind, and the lines to paste."""
    from ratesmith.experiment.wording import figure

    print(f"\n{comparison.verdict()}")
    if comparison.test:
        measured = ", ".join(f"{name} {figure(estimate)}" for name, estimate in comparison.test.items())
        print(f"On the test set, looked at for the winner only: {measured}.")
    for line in comparison.note_lines():
        print(line)
    costs = comparison.costs
    share = f" ({100 * costs.run / costs.planned:.0f} %)" if costs.planned else ""
    print(
        f"The runs have {costs.planned:,} steps in all, {costs.shared:,} of them shared with another run: "
        f"{costs.run:,} were made{share}."
    )
    if lines := comparison.paste():
        print(f"\nTo use it:\n\n{lines}\n")
    if line := without_ratesmith(comparison):
        print(f"{line}\n")


def without_ratesmith(comparison: Comparison) -> str:
    """Return the sentence that says where the winner's code without Ratesmith is; nothing if it has none."""
    best = comparison.best
    forms = [form for form in ("torch", "python") if form in comparison.paste_forms()]
    if best is None or not forms:
        return ""
    layout = comparison.layout
    epoch = "" if layout.steps_per_epoch is None else f" --steps-per-epoch {layout.steps_per_epoch}"
    options = f"--steps {layout.steps}{epoch} --lr {best.base_lr!r} --code {forms[0]}"
    notation = shlex.quote(notation_of(best.chosen))
    return f"The same without Ratesmith: the report's page, or `ratesmith show {notation} {options}`"
