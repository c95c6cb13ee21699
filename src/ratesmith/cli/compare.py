"""ratesmith compare: show the plan, train every strategy, show how far it is, print the ranking and the verdict."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from ratesmith.cli.common import SEE_STRATEGIES, Mistake, number_list, user_mistakes, wide_console
from ratesmith.cli.progress import ShownProgress
from ratesmith.task import TaskError

NARROW = 150
"""Below so many columns a strategy's facts stand under its name."""
EXAMPLES = """\b
Examples:
  ratesmith compare digits.py:task
  ratesmith compare digits.py:task --strategy 'cosine()' --strategy 'wsd(decay=["10%","20%","40%"])'
  ratesmith compare digits.py:task --steps 20ep --rates 0.01,0.1,1 --metric accuracy --mode max
  ratesmith compare digits.py:task --budget 10m --round 0.25

\b
An option given as a list is tried with each value, and the strategy is judged by its best."""


@click.command(epilog=f"{EXAMPLES}\n\n{SEE_STRATEGIES}")
@click.argument("task", metavar="FILE.py:NAME")
@click.option(
    "--strategy",
    "strategies",
    multiple=True,
    help="A strategy in notation; repeat for more. Default: step, multistep, exponential, cosine and plateau.",
)
@click.option("--baseline", default="constant()", show_default=True, help="What the others are compared with.")
@click.option("--steps", default="10ep", show_default=True, help="Length of a run: optimizer steps, or epochs as 10ep.")
@click.option("--rates", help="Initial rates, as 0.01,0.1,1; more where a best is on an edge. Default: around find's.")
@click.option("--seeds", default=5, show_default=True, help="Fresh seeds of the verdict.")
@click.option("--choice-seeds", default=2, show_default=True, help="Seeds on which each strategy's rate is chosen.")
@click.option("--metric", default="loss", show_default=True, help="The validation metric that decides.")
@click.option("--mode", help="Whether the metric is better small (min) or large (max); the loss is min.")
@click.option("--margin", default=0.01, show_default=True, help="A tie: share of the loss, or units of the metric.")
@click.option("--target", type=float, help="Also say after how many steps this metric is reached.")
@click.option("--evaluate-every", default="1ep", show_default=True, help="Steps or epochs between two measurements.")
@click.option(
    "--round",
    "rounds",
    multiple=True,
    type=float,
    help="First complete runs of this share of --steps, as 0.25; what is clearly worse leaves. Repeat for more.",
)
@click.option(
    "--budget", help="Fit the plan into so many steps, or a time as 30m; at a terminal, ask before it is run."
)
@click.option("--yes", is_flag=True, help="Agree to the plan beforehand.")
@click.option("--timeout", type=float, help="Seconds that a worker may spend on one trial.")
@click.option("--workers", type=int, help="Processes that train side by side; 0: this one. Default: one a core.")
@click.option("--engine", default="local", show_default=True, help="Where trials are trained: local or ray.")
@click.option("--address", help="The Ray cluster to join. Default: one is started on this machine.")
@click.option("--gpus", type=float, default=0, help="GPUs for each trial, on Ray.")
@click.option("--out", type=Path, help="Folder for runs and report. Default: runs/FILE-NAME.")
@click.option("--tensorboard", type=Path, help="Also write every run to this folder, for TensorBoard.")
@click.option("--mlflow", help="Also log every run to this MLflow tracking address.")
@click.option("--quiet", is_flag=True, help="Print the verdict, and what to mind, alone.")
def compare(task: str, out: Path | None, **options: Any) -> int:
    """Train every strategy at several initial rates; say which is best on the validation set.

    NAME is a function (or object) in FILE.py that gives the task. Each strategy's rate is chosen on some seeds, and the
    verdict is given on fresh ones. Finished runs are kept: the same command goes on where it was stopped.
    """
    needs_extra()
    from ratesmith.experiment import DEFAULT_STRATEGIES, cores

    file, _, name = task.rpartition(":")
    folder = out or Path("runs") / f"{Path(file).stem}-{name}"
    options["strategies"] = options["strategies"] or DEFAULT_STRATEGIES
    for option in ("steps", "evaluate_every"):
        options[option] = int(options[option]) if options[option].isdecimal() else options[option]
    options["rates"] = None if options["rates"] is None else number_list("compare", options["rates"])
    options["workers"] = cores() if options["workers"] is None else options["workers"]
    return run_and_print(task, folder, shlex.join(["ratesmith", *sys.argv[1:]]), options)


def needs_extra() -> None:
    """Say what to install where the extra is not."""
    try:
        import ratesmith.experiment
        import ratesmith.report  # noqa: F401
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        raise Mistake(f"compare: it needs {missing}; install Ratesmith with its extra [compare]") from None


def run_and_print(task: str, folder: Path, command: str, options: dict[str, Any]) -> int:
    """Compare, write results and report, and print what came out."""
    from ratesmith.experiment import StudyError
    from ratesmith.experiment import compare as run_comparison
    from ratesmith.experiment.log import log_to
    from ratesmith.report import write_html

    loggers = {kind: options.pop(kind, None) for kind in ("tensorboard", "mlflow")}
    quiet, agreed = options.pop("quiet", False), options.pop("yes", False)
    progress = ShownProgress(folder, quiet, ask=not agreed and options["budget"] is not None)
    with user_mistakes(TaskError, StudyError, OSError):
        try:
            with progress:
                found = run_comparison(
                    task, folder=folder, on_progress=progress.update, on_plan=progress.show_plan, **options
                )
        except KeyboardInterrupt:
            print(f"ratesmith: stopped; {progress.kept()}. The same command goes on from there.", file=sys.stderr)
            return 130
        (folder / "results.json").write_text(json.dumps(found.to_dict(), indent=1, allow_nan=False), encoding="utf-8")
        write_html(found, folder / "report.html", title=task, command=command)
        for kind, where in loggers.items():
            if where is not None:
                log_to(kind, found, str(where))
    if quiet:
        click.echo("\n".join([found.verdict(), *found.notes]))
        return 0
    print_table(found)
    print_verdict(found)
    click.echo(f"Report: {folder / 'report.html'}")
    return 0


def print_table(found: Any) -> None:
    """Print the ranking; on a narrow terminal a strategy's facts stand under its name."""
    from rich.table import Table

    console = wide_console()
    wide = console.width >= NARROW
    names = tuple(found.best.estimates) if found.best else (found.metric,)
    title = f"Validation set, after the last step, over {len(found.question.seeds)} fresh seeds: mean [95 % interval]"
    table = Table(title=title, show_lines=not wide)
    facts = ("strategy", "chosen", "runs diverged")
    against = f"{found.metric} against {found.question.baseline}"
    for heading in ("#", *(facts if wide else facts[:1]), *names, against):
        table.add_column(heading, overflow="fold", no_wrap=heading not in (*facts, against))
    for place, row in enumerate(found.rows, 1):
        rate = "–" if row.base_lr is None else f"{row.base_lr:g}"
        chosen = f"at {rate}" if row.chosen == row.strategy else f"{row.chosen} at {rate}"
        cells = [row.strategy, chosen, f"{row.diverged} of {row.runs}"]
        if not wide:
            cells = [f"{cells[0]}\n{cells[1]}\n{cells[2]} runs diverged"]
        said = "" if row.difference is None else f"{row.difference}\n{row.difference.word}"
        figures = [*(str(row.estimates.get(name, "–")) for name in names), said]
        table.add_row(str(place), *cells, *(text.replace(" [", " [" if wide else "\n[") for text in figures))
    console.print(table, highlight=False)


def print_verdict(found: Any) -> None:
    """Print the outcome, what it cost, what to mind, and the lines to paste."""
    click.echo(found.verdict())
    if found.test:
        measured = ", ".join(f"{name} {estimate}" for name, estimate in found.test.items())
        click.echo(f"On the test set, looked at for the winner only: {measured}.")
    if found.tested > 1:
        click.echo(f"In this folder the test set has judged {found.tested} winners: its figure is no longer untouched.")
    for note in found.notes:
        click.echo(note)
    costs = found.costs
    share = f" ({100 * costs.run / costs.planned:.0f} %)" if costs.planned else ""
    click.echo(
        f"The runs have {costs.planned:,} steps in all, {costs.shared:,} of them shared with another run: "
        f"{costs.run:,} were made{share}."
    )
    if found.cuts:
        click.echo(f"Shorter rounds took out {len(found.cuts)} rates of single strategies: the report says why.")
    if lines := found.paste():
        click.echo(f"\nTo use it:\n\n{lines}\n")
