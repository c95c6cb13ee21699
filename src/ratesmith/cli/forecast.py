"""ratesmith forecast: read finished runs, say what other schedules would give, and which one to run."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from ratesmith._extras import needs
from ratesmith.cli.common import SEE_STRATEGIES, Mistake, user_mistakes, wide_console
from ratesmith.cli.picture import Line, draw, headings, limits_of, room_of, with_colours
from ratesmith.strategy import parse

if TYPE_CHECKING:  # it needs NumPy and SciPy, which the command line is imported without
    from ratesmith.forecast import Candidates, Curve, Forecaster, Prediction

EXAMPLES = """\b
Examples:
  ratesmith forecast run.csv --compare 'linear()' --compare 'wsd(decay="20%")' --steps 50000
  ratesmith forecast constant.csv cosine.csv --design --html forecast.html
  ratesmith forecast run.csv --schedule 'warmup(500) >> cosine()' --schedule-lr 3e-4 --check other.csv
"""
NARROW = 140
"""Below so many columns a band goes under its loss."""
COLOURS = ("blue", "magenta", "green", "red", "yellow")
DRAWN = 4
"""Candidates that the small picture shows."""
READING = {
    "base_lr": "--schedule-lr",
    "steps": "--schedule-steps",
    "columns": "--column",
    **{f"columns={{{what!r}: ...}}": f"--column {what}=NAME" for what in ("step", "lr", "loss")},
}
"""What the options of `read` are called here; those that are missing have one name."""
ASKING = {"schedule": "--compare"}
"""What the options of a forecast are called here; those that are missing have one name."""
RANKED = "Last loss, as forecast; ranked by three laws together"
BEGINNING = 0.25
"""The share of the run to come that the picture leaves out, for there a loss falls steeply."""


@dataclass(frozen=True)
class Logs:
    """Which logs to read, and how."""

    runs: tuple[Path, ...]
    checks: tuple[Path, ...]
    """Runs that the forecast is tried on."""
    schedules: tuple[str, ...]
    """What set the rates: none, one for all runs, or one for each."""
    schedule_lr: float | None
    schedule_steps: int | None
    columns: tuple[str, ...]
    """As written: WHAT=NAME."""
    kind: str | None
    per_step: float | None


@click.command(short_help="Forecast schedules that have not been run.", epilog=f"{EXAMPLES}\n{SEE_STRATEGIES}")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=Path)
@click.option(
    "--compare",
    "candidates",
    multiple=True,
    help="A schedule in notation; repeat. Default: linear(), two cosines and a WSD.",
)
@click.option("--steps", type=int, help="How long the run to come lasts. Default: as long as the longest of these.")
@click.option("--base-lr", type=float, help="Its rate, which a schedule's factors multiply. Default: the largest seen.")
@click.option("--baseline", help="What the others stand beside. Default: the first candidate, or linear decay.")
@click.option("--design", is_flag=True, help="Search a family of usual schedules for the one that promises most.")
@click.option("--cooldown", is_flag=True, help="Say what annealing the least annealed run from its end on would give.")
@click.option("--check", multiple=True, type=Path, metavar="RUN", help="A further run, to try the forecast on; repeat.")
@click.option("--epochs", type=float, help="How often the longest run saw its data.")
@click.option("--schedule", multiple=True, help="What set the rates of a run whose log has none; one for all or each.")
@click.option("--schedule-lr", type=float, help="The rate that --schedule's factors multiplied.")
@click.option("--schedule-steps", type=int, help="The steps that it was laid out for. Default: the last logged.")
@click.option("--column", multiple=True, metavar="WHAT=NAME", help="A column by name: step=, lr= or loss=; repeat.")
@click.option("--kind", help="Which losses to read: validation or training.")
@click.option("--per-step", type=float, help="How far the step column rises in an update, where it counts tokens.")
@click.option("--html", type=Path, metavar="FILE", help="Write a page with pictures.")
@click.option("--json", "as_json", is_flag=True, help="Print all as JSON instead.")
def forecast(
    *,
    runs: tuple[Path, ...],
    candidates: tuple[str, ...],
    steps: int | None,
    base_lr: float | None,
    baseline: str | None,
    design: bool,
    cooldown: bool,
    check: tuple[Path, ...],
    epochs: float | None,
    schedule: tuple[str, ...],
    schedule_lr: float | None,
    schedule_steps: int | None,
    column: tuple[str, ...],
    kind: str | None,
    per_step: float | None,
    html: Path | None,
    as_json: bool,
) -> int:
    """Forecast the loss of schedules that have not been run, from the logs of one or two runs that have.

    RUN is CSV, JSON lines, Parquet, a TensorBoard event file, a Weights & Biases export, Hugging Face's
    trainer_state.json, Lightning's metrics.csv, or the folder of a ratesmith compare. Best are two runs with different
    schedules at the same peak rate, one of them annealed. It takes seconds, always gives the same, and says how far to
    trust it. The last line is the schedule to run first.
    """
    try:
        with needs("forecast", extra="forecast"):
            from ratesmith.forecast import fit
    except ModuleNotFoundError as error:
        raise Mistake(str(error)) from None
    logs = Logs(runs, check, schedule, schedule_lr, schedule_steps, column, kind, per_step)
    with user_mistakes(OSError, names=READING):
        fitted, unseen = _read_logs(logs)
    with user_mistakes(OSError, names=ASKING):
        forecaster = fit(fitted, epochs=epochs)
        checks = [(run, forecaster.under(run.name, run.rates, run.steps.tolist())) for run in unseen]
        ranked = _candidates(forecaster, candidates, steps, base_lr, baseline, design)
        answers = Answers(forecaster, ranked, checks, _cooldown(forecaster) if cooldown else None)
        page = _write_page(answers, html) if html else None
    if as_json:
        print(json.dumps(answers.to_dict(), indent=1, allow_nan=False))
        return 0
    _print_all(answers)
    if page:
        print(page)
    print(f"\n{ranked.best.name}")
    return 0


@dataclass(frozen=True)
class Answers:
    """What a forecaster answered."""

    forecaster: Forecaster
    candidates: Candidates
    checks: list[tuple[Curve, Prediction]]
    """Further runs, each with the forecast under its own rates."""
    cooldown: Candidates | None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data for JSON."""
        checks = [
            {"name": run.name, "measured": run.losses.tolist(), "prediction": prediction.to_dict()}
            for run, prediction in self.checks
        ]
        return {
            "law": self.forecaster.to_dict(),
            "candidates": self.candidates.to_dict(),
            "checks": checks,
            "cooldown": self.cooldown.to_dict() if self.cooldown else None,
        }


def _candidates(
    forecaster: Forecaster,
    candidates: tuple[str, ...],
    steps: int | None,
    base_lr: float | None,
    baseline: str | None,
    design: bool,
) -> Candidates:
    """Compare what was named, or the habits, with the best that the design finds if it is asked for."""
    names = [str(parse(text)) for text in candidates] or forecaster.habits(steps or forecaster.longest)
    if design:
        names.append(forecaster.design(steps, base_lr).best.name)
    if baseline:
        baseline = str(parse(baseline))
        names.append(baseline)
    return forecaster.compare(list(dict.fromkeys(names)), base_lr, steps, baseline)


def _cooldown(forecaster: Forecaster) -> Candidates | None:
    """Return what annealing would give, unless no run has a rate left to anneal."""
    if any(curve.rates[curve.steps[-1] - 1] > 0 for curve in forecaster.curves):
        return forecaster.what_if_cooldown()
    print("forecast: --cooldown: every run ended at a rate of 0, nothing is left to anneal", file=sys.stderr)
    return None


def _read_logs(logs: Logs) -> tuple[list[Curve], list[Curve]]:
    """Read the runs, and those that the forecast is tried on; those of one name are told apart by their folders."""
    paths, schedules = [*logs.runs, *logs.checks], logs.schedules
    if len(schedules) > 1 and len(schedules) != len(paths):
        raise Mistake(
            f"forecast: --schedule must be given once, or once a run, got {len(schedules)} for {len(paths)} runs; "
            "give as many"
        )
    if not schedules and (logs.schedule_lr is not None or logs.schedule_steps is not None):
        raise Mistake("forecast: --schedule-lr and --schedule-steps say more of --schedule, got none; give it too")
    if twice := [path for path in logs.checks if path.resolve() in {run.resolve() for run in logs.runs}]:
        raise Mistake(f"forecast: --check must be a run that the law has not seen, got {twice[0]} twice; name another")
    read = [
        (path, curve, place < len(logs.runs))
        for place, path in enumerate(paths)
        for curve in _curves(path, schedules[place % len(schedules)] if schedules else None, logs)
    ]
    names = [curve.name for _, curve, _ in read]
    if len(set(names)) < len(names):
        read = [
            (path, replace(curve, name=f"{path.resolve().parent.name}/{curve.name}"), fitted)
            for path, curve, fitted in read
        ]
    return [curve for _, curve, fitted in read if fitted], [curve for _, curve, fitted in read if not fitted]


def _curves(path: Path, schedule: str | None, logs: Logs) -> list[Curve]:
    from ratesmith.forecast import read, read_study

    columns = _columns(logs.columns)
    if (path / "study.sqlite").exists():
        if columns or schedule or logs.kind is not None or logs.per_step is not None:
            raise Mistake(
                f"forecast: {path} is the folder of a comparison, which knows its own rates and losses; leave out "
                "--schedule, --column, --kind and --per-step"
            )
        with user_mistakes(names={"evaluate_every": "--evaluate-every", "folder": "--out"}):  # those of `compare`
            return read_study(path)
    curve = read(
        path,
        schedule=schedule or None,
        base_lr=logs.schedule_lr if schedule else None,
        steps=logs.schedule_steps if schedule else None,
        columns=columns or None,
        kind=logs.kind,
        per_step=1 if logs.per_step is None else logs.per_step,
    )
    return [curve]


def _columns(texts: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    if wrong := [text for text, (_, sign, name) in zip(texts, pairs, strict=True) if not (sign and name)]:
        raise Mistake(f"forecast: --column must be such as loss=NAME, got {wrong[0]!r}; write it so")
    return {what: name for what, _, name in pairs}


def _print_all(answers: Answers) -> None:
    console = wide_console()
    wide = console.width >= NARROW
    _print_picture(answers, console)
    print(answers.forecaster.explain())
    console.print(_table(answers.candidates, RANKED, wide), highlight=False)
    if answers.checks:
        console.print(_checks_table(answers.checks), highlight=False)
    if answers.cooldown:
        title = "Annealing from now on, beside keeping the rate"
        console.print(_table(answers.cooldown, title, wide), highlight=False)
    if summary := answers.candidates.summary_of_checks(answers.checks):
        print(summary)
    several = (answers.candidates, answers.cooldown)
    lines = [line for each in several if each for line in answers.forecaster.lines_new_in(each)]
    print("\n".join(dict.fromkeys(lines)))


def _table(candidates: Candidates, title: str, wide: bool) -> Table:
    """Return candidates beside their baseline, the most promising first."""
    from ratesmith.forecast.results import chance

    table = Table(title=f"{title} [80 % band]", show_lines=not wide)
    beside = [f"against {candidates.baseline}", "better", "worth"] if wide else ["difference"]
    if wide and all(row.fewer is None for row in candidates.rows):
        beside.pop()
    if len(candidates.rows) == 1 and candidates.best.name == candidates.baseline:
        beside = []
    for heading in ("#", "candidate", "loss", *beside):
        table.add_column(heading, overflow="fold", no_wrap=heading != "candidate")
    between = " " if wide else "\n"
    for place, row in enumerate(candidates.rows, 1):
        prediction = row.prediction
        loss = f"{row.final:.4f}{between}[{prediction.low()[-1]:.4f}, {prediction.high()[-1]:.4f}]"
        low, high = row.bands[80]
        apart = [f"{row.difference:+.4f}{between}[{low:+.4f}, {high:+.4f}]", chance(row.better), row.equivalent]
        if row.name == candidates.baseline:
            apart = ["baseline", "", ""]
        elif not wide:
            apart = [apart[0], f"better: {apart[1]}", *([apart[2]] if row.fewer is not None else [])]
        table.add_row(str(place), row.name, loss, *(apart if wide else ["\n".join(apart).strip()])[: len(beside)])
    return table


def _checks_table(checks: list[tuple[Curve, Prediction]]) -> Table:
    table = Table(title="Tried on runs that it has not seen: the last loss")
    for heading in ("run", "forecast [80 % band]", "measured", "off by", "band"):
        table.add_column(heading, overflow="fold")
    for run, prediction in checks:
        low, high, loss = prediction.low()[-1], prediction.high()[-1], float(run.losses[-1])
        held = "holds" if prediction.holds(loss) else "missed"
        table.add_row(
            run.name,
            f"{prediction.final:.4f} [{low:.4f}, {high:.4f}]",
            f"{loss:.4f}",
            f"{prediction.final - loss:+.4f}",
            held,
        )
    return table


def _print_picture(answers: Answers, console: Any) -> None:
    """Draw the runs so far in white, and what the first candidates promise, without the steep beginning.

    Runs are marked with letters, and candidates with their numbers in the table.
    """
    rows = answers.candidates.rows[:DRAWN]
    runs = answers.forecaster.curves
    curves = [(f"{chr(97 + n)}", run.name, run.steps, run.losses) for n, run in enumerate(runs)]
    curves += [(f"{n}", row.name, row.prediction.steps, row.prediction.losses) for n, row in enumerate(rows, 1)]
    last = max(int(steps[-1]) for _, _, steps, _ in curves)
    first = BEGINNING * last
    lines = []
    for place, (letter, name, steps, losses) in enumerate(curves):
        points = [(int(step), float(loss)) for step, loss in zip(steps, losses, strict=True) if step > first]
        colour = "white" if place < len(runs) else COLOURS[place % len(COLOURS)]
        if points:
            lines.append(Line(name, points, letter, colour))
    room, colours = room_of(console), with_colours(console)
    picture = draw(
        lines,
        names=("step", "loss"),
        x_limits=(first, last),
        y_limits=limits_of(lines, from_zero=False),
        room=room,
        colours=colours,
    )
    print("\n".join([picture, *headings(lines, room, colours)]))


def _write_page(answers: Answers, file: Path) -> str:
    command = shlex.join(["ratesmith", *sys.argv[1:]])
    title = ", ".join(run.name for run in answers.forecaster.curves)
    try:
        from ratesmith.report import write_html

        write_html(answers.candidates, file, checks=answers.checks, title=title, command=command)
    except ModuleNotFoundError as error:
        return f"No page: it needs {error.name}; install Ratesmith with its extra [forecast]"
    return f"Page: {file}"
