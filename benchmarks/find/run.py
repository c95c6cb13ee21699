"""How good the rates are that finders suggest: the final loss to expect from each over the best of a grid of rates.

Each finder is asked on eighteen trainings, with two optimizers and three seeds. What to expect from its rate is read
off trainings.csv, which trainings.py made; no answer counts as the loss at initialisation. Suggestions are kept in a
file, so that a table can be printed again at once; those of a package whose version has changed are asked for anew.

    pip install lightning pytorch-ignite torch-lr-finder matplotlib mlxtend plotly rich scikit-learn
    python benchmarks/find/run.py [--quick] [--again ratesmith] [--markdown] [--out FILE]
"""

import argparse
import csv
import datetime
import importlib
import importlib.metadata
import itertools
import math
import platform
import statistics
import tempfile
from collections.abc import Callable
from concurrent.futures import as_completed
from pathlib import Path
from typing import NamedTuple

from peers import PEERS, quietly
from printed import SPREAD, show, spread
from problems import OPTIMIZERS, PROBLEMS, SETS
from rich.progress import track
from sweeps import ORDERS
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook
from trainings import RATES, SEEDS, curves, pool

from ratesmith.torch import TorchTask

FILE = Path(__file__).with_name("suggestions.csv")
QUICK = [("digits-mlp", "sgd", 0), ("cancer", "adamw", 0), ("gru", "adamw", 0)]
COLUMNS = (
    *("rule", *SPREAD, "no answer"),
    *("median log10(rate / best)", "updates"),
)
Cell = tuple[str, str, int]


class Suggestion(NamedTuple):
    """What a finder said of a cell; `rate` is None, and `failure` says why, where it gave no answer."""

    rule: str
    problem: str
    optimizer: str
    seed: int
    rate: float | None
    updates: int
    package: str
    date: str
    failure: str


def ours() -> dict[str, Callable[[TorchTask, int, int], float | None]]:
    """Return Ratesmith's own finders, each for a task, a seed and the number of updates of a whole training."""
    try:
        finder = importlib.import_module("ratesmith.finder")
    except ModuleNotFoundError:
        return {}
    return {
        "ratesmith": lambda task, seed, steps: finder.find(task, seeds=[seed]).suggestion,
        "ratesmith, the length given": lambda task, seed, steps: (
            finder.find(task, steps=steps, seeds=[seed]).suggestion
        ),
        "ratesmith sweep": lambda task, seed, steps: (
            finder.sweep(task, seeds=[seed + more for more in ORDERS]).suggestion
        ),
    }


def packages() -> dict[str, str]:
    """Return the package and version behind each rule."""
    names = {rule: package for rule, (package, _) in PEERS.items()} | dict.fromkeys(ours(), "ratesmith")
    return {rule: f"{name} {importlib.metadata.version(name)}" for rule, name in names.items()}


def suggest(rule: str, cell: Cell) -> Suggestion:
    """Ask a finder, and count the updates that it makes."""
    name, optimizer, seed = cell
    problem, updates, failure, rate = PROBLEMS[name], 0, "", None
    task = problem.task(optimizer)

    def count(_: Optimizer, *arguments: object) -> None:
        nonlocal updates
        updates += 1

    hook = register_optimizer_step_post_hook(count)
    try:
        with quietly():
            if rule in PEERS:
                rate = PEERS[rule][1](problem, optimizer, seed)
            else:
                rate = ours()[rule](task, seed, problem.steps)
    except Exception as error:  # whatever stops a finder, it gave no answer
        failure = f"{type(error).__name__}: {error}".splitlines()[0][:80]
    finally:
        hook.remove()
    if rate is not None and not (math.isfinite(rate) and rate > 0):
        rate, failure = None, f"gave {rate}"
    if rule == "whole grid, one seed":
        updates = problem.steps * len(RATES[optimizer])  # made once, by trainings.py
    date = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    return Suggestion(rule, *cell, rate, updates, packages()[rule], date, failure)


def read(file: Path) -> list[Suggestion]:
    """Read the suggestions that a file keeps."""
    if not file.exists():
        return []
    with file.open(newline="") as opened:
        return [
            Suggestion(
                *(row["rule"], row["problem"], row["optimizer"], int(row["seed"])),
                *(float(row["rate"]) if row["rate"] else None, int(row["updates"])),
                *(row["package"], row["date"], row["failure"]),
            )
            for row in csv.DictReader(opened)
        ]


def write(file: Path, found: list[Suggestion]) -> None:
    """Write suggestions with six digits of the rate."""
    with file.open("w", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(Suggestion._fields)
        writer.writerows(row._replace(rate=row.rate and float(f"{row.rate:.6g}")) for row in found)


def gather(file: Path, cells: list[Cell], again: str | None) -> list[Suggestion]:
    """Ask for what the file lacks, in two processes, and keep it there in order."""
    versions = packages()
    kept = {
        (row.rule, row[1:4]): row
        for row in read(file)
        if versions.get(row.rule, row.package) == row.package and not (again and again in row.rule)
    }
    wanted = list(itertools.product(versions, cells))
    with pool() as workers:
        jobs = [workers.submit(suggest, *job) for job in wanted if job not in kept]
        for job in track(as_completed(jobs), description="suggestions", total=len(jobs), disable=not jobs):
            row = job.result()
            kept[row.rule, row[1:4]] = row
            write(file, list(kept.values()))
    found = [kept[job] for job in wanted]
    others = [row for job, row in kept.items() if job not in set(wanted)]
    write(file, found + others)
    return found


def summary(rule: str, found: list[Suggestion]) -> list[str]:
    """Return one rule's line of the table."""
    known = curves()
    cells = [known[row.problem, row.optimizer] for row in found]
    ratios = [curve.loss(row.rate) / curve.best[1] for curve, row in zip(cells, found, strict=True)]
    offsets = [math.log10(row.rate / curve.best[0]) for curve, row in zip(cells, found, strict=True) if row.rate]
    return [
        rule,
        *spread(ratios),
        str(sum(row.rate is None for row in found)),
        f"{statistics.median(offsets):+.2f}" if offsets else "",
        f"{statistics.mean(row.updates for row in found):.0f}",
    ]


def report(found: list[Suggestion], markdown: bool) -> None:
    """Print what was asked, and a table for each set of problems."""
    versions = sorted({row.package for row in found} | {f"torch {importlib.metadata.version('torch')}"})
    print(f"{', '.join(versions)}, Python {platform.python_version()}, asked {max(row.date for row in found)}")
    asked = {row.problem for row in found}
    for name, problems in SETS.items():
        chosen = [row for row in found if row.problem in problems]
        whole = asked >= set(problems)
        if not whole and name != "all":
            continue
        rules = dict.fromkeys(row.rule for row in chosen)
        lines = [summary(rule, [row for row in chosen if row.rule == rule]) for rule in rules]
        lines.sort(key=lambda line: float(line[1]))
        cells = len({row[1:4] for row in chosen})
        names = ", ".join(dict.fromkeys(row.problem for row in chosen))
        show(f"{name if whole else 'quick'}: {cells} cells of {names}", COLUMNS, lines, markdown)


def main() -> None:
    """Ask, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three cells only; kept nowhere without --out")
    parser.add_argument("--again", metavar="WORD", help="ask anew where the rule's name contains this")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--out", type=Path, help=f"where suggestions are kept (default: {FILE.name} beside this file)")
    given = parser.parse_args()
    cells = QUICK if given.quick else list(itertools.product(PROBLEMS, OPTIMIZERS, SEEDS))
    with tempfile.TemporaryDirectory() as folder:
        default = Path(folder) / "quick.csv" if given.quick else FILE
        report(gather(given.out or default, cells, given.again), given.markdown)


if __name__ == "__main__":
    main()
