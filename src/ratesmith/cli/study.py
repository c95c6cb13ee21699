"""ratesmith study: what to do with the folders that comparisons leave."""

from __future__ import annotations

import contextlib
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import click

from ratesmith.cli.common import Mistake, wide_console
from ratesmith.cli.compare import Output, mistakes, needs_extra, run_and_print

FOLDER = click.argument("folder", type=click.Path(path_type=Path))


@click.group(short_help="Manage what comparisons have kept.")
def study() -> None:
    """List, check, export, resume and delete the studies that `ratesmith compare` keeps."""
    needs_extra()


@study.command("list")
@click.argument("root", type=click.Path(path_type=Path, exists=True, file_okay=False), default=Path("runs"))
def list_(root: Path) -> None:
    """List the studies in ROOT (default: runs) and below it."""
    from rich.table import Table

    from ratesmith.experiment.studies import list_studies

    with mistakes():
        studies = list_studies(root)
    if not studies:
        print(f"There is no study in {root}.")
        return
    table = Table("folder", "task", "steps", "runs", "waiting", "size", "now")
    for stored in studies:
        runs = ", ".join(f"{count} {status}" for status, count in stored.runs.items()) or "none"
        state = "running" if stored.running else "at rest"
        waiting, size = str(stored.unfinished), _size(stored.bytes)
        table.add_row(str(stored.folder), stored.task, f"{stored.steps:,}", runs, waiting, size, state)
    wide_console().print(table, highlight=False)


@study.command("verify")
@FOLDER
def verify_(folder: Path) -> int:
    """Check a study: its database, every run, every state that is waited for."""
    from ratesmith.experiment.studies import describe, verify

    with mistakes():
        wrong = verify(folder)
        stored = describe(folder)
    for line in wrong:
        print(f"{folder}: {line}")
    if not wrong:
        print(f"{folder}: whole, {sum(stored.runs.values())} runs, {stored.unfinished} branches waiting.")
    return 1 if wrong else 0


@study.command()
@FOLDER
@click.argument("file", type=click.Path(path_type=Path))
def export(folder: Path, file: Path) -> None:
    """Write every measurement of every run to FILE: .csv, .jsonl or .parquet."""
    from ratesmith.experiment.export import to_file

    with mistakes():
        rows = to_file(folder, file)
    print(f"{file}: {rows:,} rows.")


@study.command()
@FOLDER
@click.option("--workers", type=int, help="Another number of processes than before.")
@click.option("--quiet", is_flag=True, help="Print the verdict, and what to mind, alone.")
def resume(folder: Path, workers: int | None, quiet: bool) -> int:
    """Run the command of a study again: it goes on where it was stopped.

    It may be given anywhere: relative paths, also those in the task's file, are read as in the first call.
    """
    from ratesmith.experiment.studies import stored_call

    with mistakes():
        call = stored_call(folder)
        options = call.options if workers is None else replace(call.options, workers=workers)
        if Path.cwd() != call.working_folder:
            folder = folder.resolve()
    command = shlex.join(["ratesmith", *sys.argv[1:]])
    with contextlib.chdir(call.working_folder):
        return run_and_print(call.task, options, Output(folder, command, quiet=quiet, agreed=True))


@study.command()
@FOLDER
@click.option("--yes", is_flag=True, help="Do not ask.")
def rm(folder: Path, yes: bool) -> None:
    """Delete a study: its runs, states, results and report; other files stay."""
    from ratesmith.experiment.studies import count_runs, remove

    with mistakes():
        runs = count_runs(folder)
        if not yes:
            agreed = sys.stdin.isatty() and click.confirm(f"Delete {runs} runs in {folder}?")
            if not agreed:
                raise Mistake(f"study rm: {folder} is kept: nobody said yes; say it, or give --yes")
        remove(folder)
    print(f"{folder}: deleted.")


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.0f} kB"
