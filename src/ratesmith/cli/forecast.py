"""ratesmith forecast: read finished runs, say what other schedules would give, and which one to run."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from ratesmith.cli.common import SEE_STRATEGIES, Mistake, round_limits, tick, user_mistakes, wide_console
from ratesmith.strategy import parse

if TYPE_CHECKING:  # it needs NumPy and SciPy, which the command line is imported without
    from ratesmith.forecast import Candidates, Curve, Law, Prediction

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
SPELLED = (
    ("columns={'step': ...}", "--column step=NAME"),
    ("columns={'lr': ...}", "--column lr=NAME"),
    ("columns={'loss': ...}", "--column loss=NAME"),
    ("give schedule and base_lr", "give --schedule and --schedule-lr"),
    ("base_lr must be given where the log", "--schedule-lr must be given where the log"),
    ("see base_lr, steps", "see --schedule-lr, --schedule-steps"),
    ("per_step", "--per-step"),
)
"""What options are called in Python and here."""
RANKED = "Last loss, as forecast; ranked by three laws together"
MARKED = 16
"""Points of a line that bear its mark where there are no colours."""


@click.command(epilog=f"{EXAMPLES}\n{SEE_STRATEGIES}")
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
def forecast(html: Path | None, as_json: bool, **options: Any) -> int:
    """Forecast the loss of schedules that have not been run, from the logs of one or two runs that have.

    RUN is CSV, JSON lines, Parquet, a TensorBoard event file, a Weights & Biases export, Hugging Face's
    trainer_state.json, Lightning's metrics.csv, or the folder of a ratesmith compare. Best are two runs with different
    schedules at the same peak rate, one of them annealed. It takes seconds, always gives the same, and says how far to
    trust it. The last line is the schedule to run first.
    """
    try:
        from ratesmith.forecast import fit
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        raise Mistake(f"forecast: it needs {name}; install Ratesmith with its extra [compare]") from None
    with user_mistakes(OSError), _by_options():
        runs, unseen = _read(options)
        law = fit(runs, epochs=options["epochs"])
        checks = [(run, law.under(run.name, run.rates, run.steps.tolist())) for run in unseen]
        parts = Asked(law, _candidates(law, **options), checks, _cooldown(law, options["cooldown"]))
        page = _write_page(parts, html) if html else None
    if as_json:
        click.echo(json.dumps(parts.to_dict(), indent=1, allow_nan=False))
        return 0
    _print_all(parts)
    if page:
        click.echo(page)
    click.echo(f"\n{parts.candidates.best.name}")
    return 0


@dataclass(frozen=True)
class Asked:
    """What was asked of a law, and its answers."""

    law: Law
    candidates: Candidates
    checks: list[tuple[Curve, Prediction]]
    """Further runs, each with the forecast under its own rates."""
    cooldown: Candidates | None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data for JSON."""
        checks = [
            {"name": run.name, "measured": run.losses.tolist(), "prediction": said.to_dict()}
            for run, said in self.checks
        ]
        return {
            "law": self.law.to_dict(),
            "candidates": self.candidates.to_dict(),
            "checks": checks,
            "cooldown": self.cooldown.to_dict() if self.cooldown else None,
        }


def _candidates(
    law: Law,
    candidates: tuple[str, ...],
    steps: int | None,
    base_lr: float | None,
    baseline: str | None,
    design: bool,
    **_: Any,
) -> Candidates:
    """Compare what was named, or the habits, with the best that the design finds where it is asked for."""
    from ratesmith.forecast.design import habits

    names = [str(parse(text)) for text in candidates] or habits(law, steps or law.longest)
    if design:
        names.append(law.design(steps, base_lr).best.name)
    if baseline:
        baseline = str(parse(baseline))
        names.append(baseline)
    return law.compare(list(dict.fromkeys(names)), base_lr, steps, baseline)


def _cooldown(law: Law, asked: bool) -> Candidates | None:
    """Return what annealing would, unless no run has a rate left to anneal."""
    last = [curve for curve in law.curves if curve.rates[curve.steps[-1] - 1] > 0]
    if asked and not last:
        click.echo("forecast: --cooldown: every run ended at a rate of 0, nothing is left to anneal", err=True)
    return law.what_if_cooldown() if asked and last else None


@contextmanager
def _by_options() -> Iterator[None]:
    """Name the command's options where a mistake names those of Python."""
    try:
        yield
    except ValueError as error:
        text = str(error)
        for python, option in SPELLED:
            text = text.replace(python, option)
        raise ValueError(text) from error


def _read(options: dict[str, Any]) -> tuple[list[Curve], list[Curve]]:
    """Read the runs, and those that the forecast is tried on; those of one name are told apart by their folders."""
    paths = [*options["runs"], *options["check"]]
    schedules = options["schedule"]
    if len(schedules) > 1 and len(schedules) != len(paths):
        raise Mistake(
            f"forecast: --schedule must be given once, or once a run, got {len(schedules)} for {len(paths)} runs; "
            "give as many"
        )
    if not schedules and (options["schedule_lr"] is not None or options["schedule_steps"] is not None):
        raise Mistake("forecast: --schedule-lr and --schedule-steps say more of --schedule, got none; give it too")
    if twice := [path for path in options["check"] if path.resolve() in {run.resolve() for run in options["runs"]}]:
        raise Mistake(f"forecast: --check must be a run that the law has not seen, got {twice[0]} twice; name another")
    found = [
        (path, curve, place < len(options["runs"]))
        for place, path in enumerate(paths)
        for curve in _curves(path, schedules[place % len(schedules)] if schedules else None, options)
    ]
    names = [curve.name for _, curve, _ in found]
    if len(set(names)) < len(names):
        found = [
            (path, replace(curve, name=f"{path.resolve().parent.name}/{curve.name}"), seen)
            for path, curve, seen in found
        ]
    return [curve for _, curve, seen in found if seen], [curve for _, curve, seen in found if not seen]


def _curves(path: Path, schedule: str | None, options: dict[str, Any]) -> list[Curve]:
    from ratesmith.forecast import read, read_study

    given = {name: options[name] for name in ("kind", "per_step") if options[name] is not None}
    if columns := _columns(options["column"]):
        given["columns"] = columns
    if schedule:
        given |= {"schedule": schedule, "steps": options["schedule_steps"], "base_lr": options["schedule_lr"]}
    if not (path / "study.sqlite").exists():
        return [read(path, **given)]
    if given:
        raise Mistake(
            f"forecast: {path} is the folder of a comparison, which knows its own rates and losses; leave out "
            "--schedule, --column, --kind and --per-step"
        )
    return read_study(path)


def _columns(texts: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    if wrong := [text for text, (_, sign, name) in zip(texts, pairs, strict=True) if not (sign and name)]:
        raise Mistake(f"forecast: --column must be such as loss=NAME, got {wrong[0]!r}; write it so")
    return {what: name for what, _, name in pairs}


def _print_all(asked: Asked) -> None:
    console = wide_console()
    _print_picture(asked, console)
    click.echo(asked.law.explain())
    console.print(_table(asked.candidates, RANKED, console.width >= NARROW), highlight=False)
    if asked.checks:
        console.print(_checks_table(asked.checks), highlight=False)
    if asked.cooldown:
        console.print(
            _table(asked.cooldown, "Annealing from now on, beside keeping the rate", console.width >= NARROW),
            highlight=False,
        )
    if told := asked.candidates.tried_on(asked.checks):
        click.echo(told)
    lines = [line for found in (asked.candidates, asked.cooldown) if found for line in asked.law.new_in(found)]
    click.echo("\n".join(dict.fromkeys([*lines, *_cold(asked)])))


def _cold(asked: Asked) -> list[str]:
    """Say it where the runs warmed up and a candidate does not."""
    from ratesmith.logs.rates import rates_of

    warmup = asked.law.warmup_steps
    named = {row.name: row.prediction for row in asked.candidates.rows}
    cold = [name for name, said in named.items() if rates_of(name, 1.0, int(said.steps[-1]))[0] > 0.9]
    if not warmup or not cold:
        return []
    return [f"The runs warmed up for {warmup} steps, and {cold[0]} does not: try it behind warmup({warmup}) >>."]


def _table(found: Candidates, title: str, wide: bool) -> Table:
    """Return candidates beside their baseline, the most promising first."""
    from ratesmith.forecast.predicted import chance

    table = Table(title=f"{title} [80 % band]", show_lines=not wide)
    beside = [f"against {found.baseline}", "better", "worth"] if wide else ["difference"]
    if wide and all(row.fewer is None for row in found.rows):
        beside.pop()
    if len(found.rows) == 1 and found.best.name == found.baseline:
        beside = []
    for heading in ("#", "candidate", "loss", *beside):
        table.add_column(heading, overflow="fold", no_wrap=heading != "candidate")
    between = " " if wide else "\n"
    for place, row in enumerate(found.rows, 1):
        said = row.prediction
        loss = f"{row.final:.4f}{between}[{said.low()[-1]:.4f}, {said.high()[-1]:.4f}]"
        low, high = row.bands[80]
        apart = [f"{row.difference:+.4f}{between}[{low:+.4f}, {high:+.4f}]", chance(row.better), row.equivalent]
        if row.name == found.baseline:
            apart = ["baseline", "", ""]
        elif not wide:
            apart = [apart[0], f"better: {apart[1]}", *([apart[2]] if row.fewer is not None else [])]
        table.add_row(str(place), row.name, loss, *(apart if wide else ["\n".join(apart).strip()])[: len(beside)])
    return table


def _checks_table(checks: list[tuple[Curve, Prediction]]) -> Table:
    table = Table(title="Tried on runs that it has not seen: the last loss")
    for heading in ("run", "forecast [80 % band]", "measured", "off by", "band"):
        table.add_column(heading, overflow="fold")
    for run, said in checks:
        low, high, loss = said.low()[-1], said.high()[-1], float(run.losses[-1])
        held = "holds" if said.holds(loss) else "missed"
        table.add_row(
            run.name, f"{said.final:.4f} [{low:.4f}, {high:.4f}]", f"{loss:.4f}", f"{said.final - loss:+.4f}", held
        )
    return table


def _print_picture(asked: Asked, console: Any) -> None:
    """Draw the runs so far in white, and what the first candidates promise, without the steep beginning.

    Runs are marked with letters, and candidates with their numbers in the table.
    """
    import plotille

    rows = asked.candidates.rows[:DRAWN]
    curves = {f"{chr(97 + n)} {run.name}": (run.steps, run.losses) for n, run in enumerate(asked.law.curves)}
    curves |= {f"{n} {row.name}": (row.prediction.steps, row.prediction.losses) for n, row in enumerate(rows, 1)}
    last = max(int(steps[-1]) for steps, _ in curves.values())
    points = {
        name: [(int(s), float(v)) for s, v in zip(steps, losses, strict=True) if s > last / 4]
        for name, (steps, losses) in curves.items()
    }
    values = [value for known in points.values() for _, value in known]
    figure = plotille.Figure()
    figure.width = 80 if console.width >= NARROW else max(20, min(50, console.width - 18))
    bottom, top, figure.height = round_limits(min(values), max(values))
    figure.set_x_limits(0, last)
    figure.set_y_limits(bottom, top)
    figure.color_mode, figure.with_colors, figure.origin = "names", console.is_terminal, False
    figure.x_label, figure.y_label = "step", "loss"
    for kind in (float, int):
        figure.register_label_formatter(kind, tick)
    for index, (name, known) in enumerate(points.items()):
        colour = "white" if index < len(asked.law.curves) else COLOURS[index % len(COLOURS)]
        if known and console.is_terminal:
            figure.plot(*zip(*known, strict=True), label=name, lc=colour)
        elif known:
            few = [*known[: -1 : -(-len(known) // MARKED)], known[-1]]
            figure.plot(*zip(*few, strict=True), label=name[2:], marker=name[0])
    click.echo(figure.show(legend=True))


def _write_page(asked: Asked, file: Path) -> str:
    command = shlex.join(["ratesmith", *sys.argv[1:]])
    title = ", ".join(run.name for run in asked.law.curves)
    try:
        from ratesmith.report import write_html

        write_html(asked.candidates, file, checks=asked.checks, title=title, command=command)
    except ModuleNotFoundError as error:
        return f"No page: it needs {error.name}; install Ratesmith with its extra [compare]"
    return f"Page: {file}"
