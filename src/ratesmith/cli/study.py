"""ratesmith study: what to do with the folders that comparisons leave."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from ratesmith.cli.common import Mistake, user_mistakes, wide_console
from ratesmith.cli.compare import needs_extra, run_and_print

FOLDER = click.argument("folder", type=click.Path(path_type=Path))


@click.group()
def study() -> None:
    """List, check, export, resume and delete the studies that `ratesmith compare` keeps."""
    needs_extra()


@study.command("list")
@click.argument("root", type=click.Path(path_type=Path, exists=True, file_okay=False), default=Path("runs"))
def list_(root: Path) -> None:
    """List the studies in ROOT (default: runs) and below it."""
    from rich.table import Table

    from ratesmith.experiment import StudyError, shelf

    with user_mistakes(StudyError):
        found = shelf.studies(root)
    if not found:
        click.echo(f"There is no study in {root}.")
        return
    table = Table("folder", "task", "steps", "runs", "waiting", "size", "now")
    for one in found:
        runs = ", ".join(f"{count} {status}" for status, count in one.runs.items()) or "none"
        state = "running" if one.running else "at rest"
        table.add_row(str(one.folder), one.task, f"{one.steps:,}", runs, str(one.unfinished), _size(one.bytes), state)
    wide_console().print(table, highlight=False)


@study.command()
@FOLDER
def verify(folder: Path) -> int:
    """Check a study: its database, every run, every state that is waited for."""
    from ratesmith.experiment import StudyError, shelf

    with user_mistakes(StudyError):
        wrong = shelf.verify(folder)
        known = shelf.describe(folder)
    for line in wrong:
        click.echo(f"{folder}: {line}")
    if not wrong:
        click.echo(f"{folder}: whole, {sum(known.runs.values())} runs, {known.unfinished} bundles waiting.")
    return 1 if wrong else 0


@study.command()
@FOLDER
@click.argument("file", type=click.Path(path_type=Path))
def export(folder: Path, file: Path) -> None:
    """Write every measurement of every run to FILE: .csv, .jsonl or .parquet."""
    from ratesmith.experiment import StudyError, shelf

    with user_mistakes(StudyError):
        rows = shelf.export(folder, file)
    click.echo(f"{file}: {rows:,} rows.")


@study.command()
@FOLDER
@click.option("--workers", type=int, help="Another number of processes than before.")
@click.option("--quiet", is_flag=True, help="Print the verdict, and what to mind, alone.")
def resume(folder: Path, workers: int | None, quiet: bool) -> int:
    """Return the command of a study again: it goes on where it was stopped."""
    from ratesmith.experiment import StudyError, shelf

    with user_mistakes(StudyError):
        options = shelf.call(folder)
    options |= {"quiet": quiet, "yes": True}
    if workers is not None:
        options["workers"] = workers
    return run_and_print(options.pop("task"), folder, shlex.join(["ratesmith", *sys.argv[1:]]), options)


@study.command()
@FOLDER
@click.option("--yes", is_flag=True, help="Do not ask.")
def rm(folder: Path, yes: bool) -> None:
    """Delete a study: its runs, states, results and report; other files stay."""
    from ratesmith.experiment import StudyError, shelf

    with user_mistakes(StudyError):
        known = shelf.describe(folder)
        if not yes:
            agreed = sys.stdin.isatty() and click.confirm(f"Delete {sum(known.runs.values())} runs in {folder}?")
            if not agreed:
                raise Mistake(f"study rm: {folder} is kept: nobody said yes; say it, or give --yes")
        shelf.remove(folder)
    click.echo(f"{folder}: deleted.")


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.0f} kB"
