"""ratesmith find: measure the initial rate, draw the curve, and print the line to paste."""

from __future__ import annotations

import json
import os
import shlex
import sys
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from ratesmith.cli.common import (
    Bar,
    Mistake,
    folder_name,
    number_list,
    user_mistakes,
    warn_of_mode,
    wide_console,
)
from ratesmith.cli.find_picture import picture_of
from ratesmith.cli.signals import status_of, stopped_by
from ratesmith.finder import METHODS, RULES, FinderError, FinderResult, ScriptTask, default_method, find
from ratesmith.finder.race import check_mode, planned
from ratesmith.finder.result import check_group
from ratesmith.finder.sweep import PLANNED
from ratesmith.horizon import Horizon
from ratesmith.script_process import is_script
from ratesmith.strategy import as_schedule, parse
from ratesmith.task import TaskError, callables, fail_in_user_code, load_task, one_thread

EXAMPLES = """\b
Examples:
  ratesmith find train.py
  ratesmith find train.py --budget 1000 -- --data digits
  ratesmith find digits.py:task
  ratesmith find digits.py:task --steps 20ep --schedule 'warmup("5%") >> cosine()'
  ratesmith find digits.py:task --method grid --steps 10ep --rates 0.01,0.03,0.1,0.3,1 --metric accuracy --mode max
"""


@click.command(name="find", short_help="Measure the initial rate.", epilog=EXAMPLES)
@click.argument("task", metavar="TRAIN.py|FILE.py:NAME")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGUMENTS]")
@click.option("--launch", default="", help="A launcher for a script, as 'torchrun --nproc-per-node 2'.")
@click.option("--timeout", type=float, help="Seconds that one training of a script may take.")
@click.option(
    "--method",
    help=f"One of {', '.join(METHODS)}. Default: race, or sweep if --rule, --low or --high is given.",
)
@click.option(
    "--pretrained/--from-scratch",
    default=None,
    help="Whether the model was trained before. Default: as the task says, or as its first loss shows.",
)
@click.option("--steps", help="How long the training to come lasts, for race and grid: steps, or epochs as 10ep.")
@click.option("--budget", type=int, help="The updates that a race may take in all, as 500.")
@click.option("--around", type=float, help="The rate to race around, as 0.1, instead of a sweep's.")
@click.option("--group", metavar="NAME", help="The parameter group whose rate to give. Default: the first.")
@click.option("--schedule", help="The schedule to race with, in notation. Default: cosine().")
@click.option("--rates", help="The rates of a grid, as 0.01,0.1,1.")
@click.option("--seeds", type=int, help="Orders of the data (and first weights) to try. Default: 3; race and grid 1.")
@click.option("--rule", help=f"How a sweep's curve is read: {', '.join(RULES)}. Default: {next(iter(RULES))}.")
@click.option("--low", type=float, help="The lowest rate of a sweep.")
@click.option("--high", type=float, help="The highest rate of a sweep.")
@click.option("--metric", help="The validation metric that race and grid judge by. Default: loss.")
@click.option("--mode", help="Whether the metric is better small (min) or large (max).")
@click.option("--out", type=Path, help="Folder for page and data. Default: runs/find-FILE-NAME.")
@click.option("--png", type=Path, metavar="FILE", help="Draw into a PNG file too (needs matplotlib).")
@click.option("--json", "as_json", is_flag=True, help="Print all as JSON instead.")
def find_rate(
    task: str,
    arguments: tuple[str, ...],
    launch: str,
    timeout: float | None,
    out: Path | None,
    png: Path | None,
    as_json: bool,
    group: str | None,
    **options: Any,
) -> int:
    """Measure the initial rate for a script, or for a task.

    A race makes a sweep of rising rates, and then three short trainings around what it shows: about 400 updates. With
    --steps, the length of your training, they last for half of it, and the answer errs less. A sweep alone takes about
    300 updates, and errs more.

    TRAIN.py is a script of your own that asks for its trial by ratesmith.get_trial; what stands after -- is handed to
    it. It must report its training losses: trial.report_train(loss). Or NAME is a function (or object) in FILE.py that
    gives a task. It runs on one thread, unless OMP_NUM_THREADS says otherwise.
    """
    folder = out or Path("runs") / f"find-{folder_name(task)}"
    # What a task prints by itself is no JSON.
    printed: AbstractContextManager[Any] = redirect_stdout(sys.stderr) if as_json else nullcontext()
    with user_mistakes(TaskError, FinderError, OSError), printed, ShownUpdates() as shown:
        if is_script(task) and group is not None:
            raise Mistake("find: --group is for a task; drop it: a script's groups keep their ratio to trial.lr")
        if not is_script(task):
            _refuse_for_tasks(arguments=arguments, launch=launch, timeout=timeout)
        with nullcontext() if "OMP_NUM_THREADS" in os.environ else one_thread():
            loaded, functions = _script(task, arguments, launch, timeout) if is_script(task) else _task(task)
        try:
            chosen = _options(loaded, functions, **options)
            if group is not None:
                check_group(group, getattr(loaded.start(0), "group_lrs", {}))
            shown.cost = "" if as_json else _cost(**chosen)
            result = find(loaded, on_progress=shown.update, **chosen)
        except KeyboardInterrupt as error:
            print(
                f"ratesmith: stopped by {stopped_by(error)}; nothing was changed, and nothing is kept.", file=sys.stderr
            )
            return status_of(error)
        except (ValueError, TypeError, TaskError, FinderError, OSError, click.ClickException):
            raise
        except Exception as error:  # the task's own
            fail_in_user_code(task, Path(task.rpartition(":")[0] or task), error)
    with user_mistakes(OSError):
        data = json.dumps(result.to_data(), indent=1, allow_nan=False)
        if as_json:
            print(data)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "found.json").write_text(data, encoding="utf-8")
        if png:
            _draw(result, png)
        page = _write_page(result, folder / "found.html", task)
    if result.suggestion is None:
        raise Mistake(f"find: {' '.join(result.explain().splitlines()[1:-1])}")
    rate = result.suggestion if group is None else result.rate_of(group)
    if not as_json:
        print(picture_of(result, wide_console()))
        print(result.explain())
        print(page)
        print(f"\nlr={rate:.2g}" + (f"  # {group}" if group else ""))
    return 0


def _task(reference: str) -> tuple[Any, dict[str, Any]]:
    task, module = load_task(reference)
    return task, callables(module)


def _script(path: str, arguments: tuple[str, ...], launch: str, timeout: float | None) -> tuple[Any, dict[str, Any]]:
    return ScriptTask(path, arguments=arguments, launch=launch, limit=timeout), {}


def _refuse_for_tasks(**options: Any) -> None:
    for name, value in options.items():
        if value:
            raise Mistake(f"find: --{name} is for a script; give path/to/train.py, or drop it")


def _options(task: Any, functions: Any, method: str | None, pretrained: bool | None, **given: Any) -> dict[str, Any]:
    """Return the options of the method, and refuse those that belong to another."""
    chosen = {"method": method, "pretrained": pretrained}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    method = method or default_method(options)
    own = {
        "sweep": {"seeds", "rule", "low", "high"},
        "race": {"seeds", "steps", "budget", "around", "schedule", "metric", "mode"},
        "grid": {"seeds", "steps", "schedule", "metric", "mode", "rates"},
    }
    foreign = sorted(set(options) - own.get(method, set(options)))
    if foreign:
        raise Mistake(f"find: --{foreign[0]} is not for the method {method}; drop it, or choose another --method")
    if method in ("race", "grid"):
        _refuse_early(method, options)
    if "seeds" in options:
        if options["seeds"] < 1:
            raise Mistake(f"find: --seeds must be at least 1, got {options['seeds']}; give a larger number")
        options["seeds"] = range(options["seeds"])
    if method in ("race", "grid"):
        if isinstance(task, ScriptTask):
            options = _of_script(task, long="steps" in options or chosen["method"] is not None) | options
        for needed in ("steps", "rates") if method == "grid" else ():
            if needed not in options:
                raise Mistake(f"find: grid needs --{needed}; add it")
        options["functions"] = functions
        if "steps" in options:
            options["steps"] = _steps(task, options["steps"])
    elif isinstance(task, ScriptTask):
        _ = task.asked  # a script that does not ask for its trial is told so at once
    if "rates" in options:
        options["rates"] = number_list("find", options["rates"])
    if isinstance(options.get("schedule"), str):
        options["schedule"] = str(parse(options["schedule"]))
    return {**chosen, **options}


def _refuse_early(method: str, options: dict[str, Any]) -> None:
    """Refuse what no training is needed for to see it, before a script is run; and warn of a doubtful mode."""
    if "steps" in options and not options["steps"].isdecimal():
        try:
            Horizon(1, 1).resolve(options["steps"])
        except ValueError:
            got = f"got {options['steps']!r}; write 500 or 10ep"
            raise Mistake(f"find: --steps must be a number of steps or epochs, {got}") from None
    metric, mode = options.get("metric", "loss"), options.get("mode")
    check_mode(method, metric, mode)
    warn_of_mode(metric, mode)


def _steps(task: Any, text: str) -> int:
    if text.isdecimal():
        return int(text)
    epoch = task.asked["steps_per_epoch"] if isinstance(task, ScriptTask) else task.start(0).steps_per_epoch
    return Horizon(1, epoch).resolve(text)


def _of_script(task: ScriptTask, *, long: bool) -> dict[str, Any]:
    """Return the schedule that a script has by itself, and its length if that is to be raced for.

    A controller is no schedule to race with.
    """
    options: dict[str, Any] = {"steps": str(task.asked["steps"])} if long else {}
    strategy = parse(task.asked["schedule"])
    if strategy.controllers() or strategy.functions():
        return options
    return {**options, "schedule": as_schedule(strategy, Horizon(task.asked["steps"], task.asked["steps_per_epoch"]))}


def _cost(method: str | None, **options: Any) -> str:
    """Say what a search will take, before it begins."""
    method = method or default_method(options)
    seeds = len(options.get("seeds", ())) or 1
    if method == "sweep":
        orders = len(options.get("seeds", range(3)))
        return f"find: a sweep of {'1 order' if orders == 1 else f'{orders} orders, each'} of about {PLANNED} updates"
    if method == "grid":
        count, steps = len(options["rates"]) * seeds, options["steps"]
        return f"find: {count} trainings of {steps} updates, {count * steps:,} in all"
    return f"find: {planned('find', options.get('steps'), options.get('budget'), seeds, swept='around' not in options)}"


class ShownUpdates(Bar):
    """The progress bar of updates made, below a line that says what they will cost."""

    cost = ""
    """What the search will take: shown with its first update, so that a mistake in the options is one line alone."""

    def __init__(self) -> None:
        """Make the bar."""
        columns = (TextColumn("finding"), BarColumn(), MofNCompleteColumn(), TextColumn("updates"))
        super().__init__(*columns, TimeRemainingColumn(compact=True), transient=True)
        self.row = self.bar.add_task("finding", total=None)

    def update(self, done: int, planned: int) -> None:
        """Take in how many updates have been made."""
        if self.cost:
            self.console.print(self.cost, markup=False, highlight=False, soft_wrap=True)
            self.cost = ""
        self.bar.update(self.row, completed=done, total=planned)


def _write_page(result: FinderResult, file: Path, task: str) -> str:
    try:
        from ratesmith.report import write_html

        write_html(result, file, title=task, command=shlex.join(["ratesmith", *sys.argv[1:]]))
    except ModuleNotFoundError as error:
        return f"No page: it needs {error.name}; install Ratesmith with its extra [compare]"
    return f"Page: {file}"


def _draw(result: FinderResult, file: Path) -> None:
    try:
        result.plot().savefig(file, format="png", bbox_inches="tight")
    except ModuleNotFoundError as error:
        raise Mistake(f"find: --png needs {error.name}; install Ratesmith with its extra [plot]") from None
