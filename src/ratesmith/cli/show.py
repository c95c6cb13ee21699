"""ratesmith show: draw schedules in the terminal or into a file, and tell what they do."""

from __future__ import annotations

import csv
import dataclasses
import json
import sys
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from ratesmith import exporters
from ratesmith._checks import FARTHEST, options_of
from ratesmith.cli.common import ListsStrategies, Mistake, user_mistakes, wide_console
from ratesmith.cli.measured import read_losses
from ratesmith.cli.picture import Line, draw, headings, letters_for, limits_of, room_of, with_colours
from ratesmith.controllers import Controller
from ratesmith.describe import ENDLESS_SHOWN, ScheduleSummary, extent, measure, sample
from ratesmith.example_metric import Measurements, example, follow, listeners
from ratesmith.horizon import Horizon
from ratesmith.lengths import LengthNote, length_notes
from ratesmith.schedule import Schedule
from ratesmith.strategy import parse, to_data
from ratesmith.task import TaskError, load_functions

EXAMPLES = """\b
Examples:
  ratesmith show 'cosine(final=0.1)' --steps 1000
  ratesmith show 'warmup("5%") >> cosine()' 'step(every="2ep")' --epochs 10 --steps-per-epoch 100
  ratesmith show 'wsd(warmup="2%", decay="20%")' 'one_cycle()' --steps 5000 --svg rates.svg
"""
CODE_HELP = (
    "Print code that gives these rates instead: python, torch, lightning, transformers, optax, keras or ratesmith."
)
TABLE_WIDTH = 118
"""Below so many columns the facts of the table are sentences."""
MOST_CHANGES = 5
"""Steps at which a schedule changes its shape that are named."""


@dataclass(frozen=True)
class Shown:
    """One schedule to show: its text, its value at every step, the facts, and the points to draw."""

    text: str
    controller: Controller[Any]
    at: Callable[[int], float]
    facts: ScheduleSummary
    curve: list[tuple[int, float]]
    notes: tuple[str, ...] = ()
    """What is to be minded of its lengths, with their codes."""


@click.command(cls=ListsStrategies, short_help="Draw schedules, and tell what they do.", epilog=EXAMPLES)
@click.argument("notation", nargs=-1, required=True)
@click.option("--steps", type=int, help="How long training lasts, in optimizer steps.")
@click.option("--epochs", type=float, help="How long training lasts, in epochs; needs --steps-per-epoch.")
@click.option("--steps-per-epoch", type=int, help="What '2ep' means.")
@click.option("--tokens-per-step", type=int, help="What '3Mtok' means.")
@click.option("--samples-per-step", type=int, help="What '50ksp' means: the batch size.")
@click.option("--functions", type=Path, metavar="FILE.py", help='The file with the function that custom("name") names.')
@click.option(
    "--losses",
    type=Path,
    metavar="FILE.csv",
    help="A run's log, or a column of losses: what plateau, greedy and spike_guard listen to. Default: an example.",
)
@click.option("--table", is_flag=True, help="Print the facts and values as tables.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the factor at every step as CSV instead.")
@click.option("--json", "as_json", is_flag=True, help="Print facts, data and curve as JSON instead.")
@click.option("--code", metavar="FORM", help=CODE_HELP)
@click.option("--lr", type=float, help="The initial rate for --code [default: 1].")
@click.option("--png", type=Path, metavar="FILE", help="Draw into a PNG file too (needs matplotlib).")
@click.option("--svg", type=Path, metavar="FILE", help="Draw into an SVG file too (needs matplotlib).")
def show(
    notation: tuple[str, ...],
    functions: Path | None,
    losses: Path | None,
    table: bool,
    as_csv: bool,
    as_json: bool,
    code: str | None,
    lr: float | None,
    **options: Any,
) -> None:
    """Draw schedules in the terminal, overlaid, and tell what they do, as shares of the initial rate.

    Values with a length of their own, such as 'Ramp(1, 0, 500)', need no --steps.
    """
    files = {form: options.pop(form) for form in ("png", "svg")}
    if as_csv + as_json + (code is not None) > 1:
        raise Mistake("show: --csv, --json and --code print different things; give one of them")
    if code is not None or lr is not None:
        if any(files.values()) or losses or table:
            raise Mistake("show: --code prints code alone; ask for the picture without it")
        with user_mistakes(names={"form": "--code", "base_lr": "--lr", "horizon": "--steps"}):
            horizon = _horizon(**options)
            print(_code(notation, horizon, lr, code))
            _warn(map(_spelled, length_notes(notation[0], horizon)))
        return
    with user_mistakes(TaskError, OSError, OverflowError):
        horizon = _horizon(**options)
        known = load_functions(functions) if functions else {}
        strategies = [parse(text) for text in notation]
        controllers = [strategy.build(horizon, known) for strategy in strategies]
        steps, measurements = _measured(controllers, horizon, losses)
        pairs = zip(map(str, strategies), controllers, strict=True)
        shown = [_look(text, controller, steps, measurements) for text, controller in pairs]
        shown = [
            dataclasses.replace(each, notes=tuple(map(_spelled, length_notes(strategy, horizon, known))))
            for each, strategy in zip(shown, strategies, strict=True)
        ]
        for form, file in files.items():
            if file:
                _draw(shown, horizon, file, form)
        if as_csv:
            _print_csv(shown, steps, horizon)
            _warn(note for each in shown for note in each.notes)
        elif as_json:
            print(json.dumps(_as_data(shown, steps, measurements), indent=1, allow_nan=False))
        else:
            _print_all(shown, steps, horizon, table=table)
    if measurements:
        _print_measurements(measurements, shown, err=as_csv or as_json)
    for file in files.values():
        if file:
            print(f"Drawn into {file}", file=sys.stderr if as_csv or as_json else sys.stdout)


def _spelled(note: LengthNote) -> str:
    return note.spelled({"steps_per_epoch": "--steps-per-epoch"})


def _warn(lines: Iterable[str]) -> None:
    """Print on stderr what is to be minded, where stdout is for a program."""
    for line in lines:
        print(f"show: {line}", file=sys.stderr)


def _code(notation: tuple[str, ...], horizon: Horizon | None, lr: float | None, form: str | None) -> str:
    if form is None:
        raise Mistake("show: --lr goes with --code; a schedule's factors are the same at every rate")
    if len(notation) > 1:
        raise Mistake(f"show: --code must be asked of one schedule, got {len(notation)}; give one at a time")
    strategy = parse(notation[0])
    if horizon is None:  # the values have a length of their own
        horizon = Horizon(max(1, _own_length(strategy.build())))
    return exporters.code(strategy, 1.0 if lr is None else lr, horizon, form)


def _measured(
    controllers: list[Controller[Any]], horizon: Horizon | None, losses: Path | None
) -> tuple[int, Measurements | None]:
    """Return how many steps are shown, and what the controllers listen to over them."""
    steps = horizon.steps if horizon else max(_own_length(controller) for controller in controllers)
    if losses is None:
        measurements = example(controllers, steps, horizon)
        text = f"{measurements.text}; --losses FILE.csv draws on yours." if measurements else ""
        return steps, measurements and dataclasses.replace(measurements, text=text)
    measurements = read_losses(losses, controllers, horizon.steps if horizon else None)
    return (horizon.steps if horizon else max(1, measurements.steps[-1])), measurements


def _print_measurements(measurements: Measurements, shown: list[Shown], *, err: bool) -> None:
    """Say what the controllers listened to, and which of them had nothing to do."""
    idle = [one.text for one in shown if listeners(one.controller) and not _acts(one, measurements)]
    text = f" It gave {' and '.join(idle)} nothing to do." if idle else ""
    text = textwrap.fill(measurements.text + text, room_of(wide_console()))
    print(text, file=sys.stderr if err else sys.stdout)


def _acts(one: Shown, measurements: Measurements) -> bool:
    return bool(follow(one.controller, measurements).changes)


def _print_all(shown: list[Shown], steps: int, horizon: Horizon | None, *, table: bool) -> None:
    console, unit = wide_console(), _unit(horizon)
    lines = [
        Line(one.text, [(step / unit, value) for step, value in one.curve], letter)
        for one, letter in zip(shown, letters_for(len(shown)), strict=True)
    ]
    room, colours = room_of(console), with_colours(console)
    picture = draw(
        lines,
        names=("epoch" if unit > 1 else "step", "factor"),
        x_limits=(0, steps / unit),
        y_limits=limits_of(lines, from_zero=True),
        room=room,
        colours=colours,
    )
    print(picture)
    for one, heading in zip(shown, headings(lines, room, colours), strict=True):
        print(heading)
        for sentence in [] if table else _sentences(one.facts, unit):
            print(textwrap.fill(sentence, room, initial_indent="   ", subsequent_indent="   "))
        for note in one.notes:
            print(textwrap.fill(note, room, initial_indent="   ", subsequent_indent="   "))
    if table:
        _print_facts(shown)
        _print_values(shown, steps, horizon)


def _sentences(facts: ScheduleSummary, unit: int) -> list[str]:
    """Return the peak and when, the last value and the end, the mean and where the shape changes: a line each."""
    if facts.peak_step == 0 and facts.peak_end == facts.steps and not facts.back:
        return [f"It stays at {facts.peak:.4g}."]
    steps = [f"{step}" for step, _ in facts.breakpoints[:MOST_CHANGES]]
    more = f" and {len(facts.breakpoints) - MOST_CHANGES} more" if len(facts.breakpoints) > MOST_CHANGES else ""
    changes = f"; changes shape at step{'s'[: len(steps) - 1]} {', '.join(steps)}{more}" if steps else ""
    return [
        f"Peak {facts.peak:.4g} {_peak(facts, unit)}.",
        f"Last update {facts.last:.4g}, end {facts.final:.4g}.",
        f"Mean {'' if facts.exact else 'about '}{facts.mean:.4g}{changes}.",
    ]


def _peak(facts: ScheduleSummary, unit: int) -> str:
    """Say from when to when the peak is."""
    first = _when(facts.peak_step, facts.steps, unit) if facts.peak_step else "the start"
    last = _when(facts.peak_end, facts.steps, unit) if facts.decay else "the end"
    if facts.back:
        return f"at {first}, and again up to {last}"
    return f"at {first}, falling from there" if facts.peak_end <= facts.peak_step else f"from {first} to {last}"


def _when(step: int, steps: int, unit: int) -> str:
    share = f"{100 * step / steps:.3g} %"
    return f"step {step} (epoch {step / unit:.4g}, {share})" if unit > 1 else f"step {step} ({share})"


def _horizon(
    steps: int | None, epochs: float | None, steps_per_epoch: int | None, **units: int | None
) -> Horizon | None:
    if epochs is not None:
        if steps is not None or steps_per_epoch is None:
            raise Mistake("show: --epochs goes with --steps-per-epoch and without --steps; drop one or add the other")
        if not 0 < epochs <= FARTHEST / max(steps_per_epoch, 1):
            raise Mistake(f"show: --epochs must be a finite number above 0, got {epochs:g}; give such a number")
        steps = round(epochs * steps_per_epoch)
    if steps is None and (steps_per_epoch or any(units.values())):
        raise Mistake("show: the length of training must be given; add --steps N or --epochs N")
    with options_of("show"):
        return None if steps is None else Horizon(steps, steps_per_epoch, **units)  # type: ignore[arg-type]


def _own_length(controller: Any) -> int:
    return extent(controller.steps, controller.breakpoints) if isinstance(controller, Schedule) else ENDLESS_SHOWN


def _look(text: str, controller: Any, steps: int, measurements: Measurements | None) -> Shown:
    curve = follow(controller, measurements if listeners(controller) else None)
    facts = measure(curve.at, steps, curve.breakpoints, own_length=steps)
    return Shown(text, controller, curve.at, facts, sample(curve.at, steps, curve.breakpoints(0, steps)))


def _print_facts(shown: list[Shown]) -> None:
    if (width := wide_console().width) < TABLE_WIDTH:  # a table would cut its numbers
        for one in shown:
            print(textwrap.fill(one.text, width))
            for sentence in str(one.facts).splitlines():
                print(textwrap.fill(sentence, width, initial_indent="  ", subsequent_indent="  "))
        return
    table = Table("", "peak", "at step", "last update", "end", "mean", "warm-up", "decay", "changes shape at step")
    for one in shown:
        facts = one.facts
        changes = ", ".join(str(step) for step, _ in facts.breakpoints[:5])
        changes += ", ..." if len(facts.breakpoints) > 5 else ""
        numbers = (f"{value:.4g}" for value in (facts.last, facts.final, facts.mean))
        shares = (f"{100 * share:.3g} %" for share in (facts.warmup, facts.decay))
        table.add_row(one.text, f"{facts.peak:.4g}", str(facts.peak_step), *numbers, *shares, changes or "–")
    wide_console().print(table, highlight=False)


def _print_values(shown: list[Shown], steps: int, horizon: Horizon | None) -> None:
    unit = _unit(horizon)
    table = Table("epoch" if unit > 1 else "step", *(one.text for one in shown))
    for step in sorted({round(steps * tenth / 10) for tenth in range(11)}):
        table.add_row(f"{step / unit:g}", *(f"{one.at(step):.6g}" for one in shown))
    wide_console().print(table, highlight=False)


def _print_csv(shown: list[Shown], steps: int, horizon: Horizon | None) -> None:
    unit = _unit(horizon)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["step", *(["epoch"] if unit > 1 else []), *(one.text for one in shown)])
    for step in range(steps + 1):
        epoch = [repr(step / unit)] if unit > 1 else []
        writer.writerow([step, *epoch, *(repr(one.at(step)) for one in shown)])


def _as_data(shown: list[Shown], steps: int, measurements: Measurements | None) -> dict[str, Any]:
    return {
        "steps": steps,
        **({"measurements": measurements.text} if measurements else {}),
        "schedules": [
            {
                "notation": one.text,
                "value": to_data(one.controller),
                "facts": {**dataclasses.asdict(one.facts), "warmup": one.facts.warmup, "decay": one.facts.decay},
                "curve": one.curve,
                "notes": list(one.notes),
            }
            for one in shown
        ],
    }


def _draw(shown: list[Shown], horizon: Horizon | None, file: Path, form: str) -> None:
    try:
        from ratesmith.plots import draw_curves
    except ModuleNotFoundError as error:
        raise Mistake(f"show: --{form} needs {error.name}; install Ratesmith with its extra [plot]") from None
    figure = draw_curves({one.text: one.curve for one in shown}, steps_per_epoch=_unit(horizon))
    figure.savefig(file, format=form, bbox_inches="tight")


def _unit(horizon: Horizon | None) -> int:
    """Return the steps in one unit of the axis: an epoch where it is known, else a step."""
    return horizon.steps_per_epoch or 1 if horizon else 1
