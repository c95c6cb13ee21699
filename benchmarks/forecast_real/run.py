"""Forecasts of a real training, written down before it is made: two runs are fitted, eight others follow.

A character transformer of 112,384 parameters learns text that ships with Python, with AdamW, on one thread. Two runs
(constant, and cosine to a tenth) are made first, forecasts of the others are written to forecasts.json from these two
alone, and only then are the others made: the dates in forecasts.json and in each run's first line show it. Runs are
kept in runs/, so that an interruption loses nothing, and a table can be printed again at once.

    python benchmarks/forecast_real/run.py [--quick] [--refit] [--pairs] [--base-lr RATE] [--picture FILE.svg]

`--quick` makes two short runs and two others in a folder that is thrown away, in about two minutes of one core.
`--refit` shows what the code of today would have forecast from the same two runs, beside the same measurements.
`--pairs` shows how well every run and every two of the runs forecast the last losses of all others, with today's code.
`--base-lr` makes the shorter of the runs at another rate, in a folder of its own.
"""

import argparse
import csv
import datetime
import itertools
import json
import re
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from rich import box
from rich.console import Console
from rich.table import Table
from train import BASE_LR, EVERY, train

from ratesmith import Horizon, __version__, parse
from ratesmith.forecast import Curve, Forecaster, fit, read
from ratesmith.forecast.compare import Pair
from ratesmith.forecast.results import chance
from ratesmith.forecast.uncertainty import FACTORS

HERE = Path(__file__).parent
COLUMNS = ("step", "lr", "val_loss", "train_loss")
Plan = Mapping[str, tuple[str, int, int]]
"""By the name of a run: its schedule, its steps and its seed."""

FIT: Plan = {
    "constant": ("warmup(200) >> constant()", 8000, 0),
    "cosine to 10 %": ("warmup(200) >> cosine(final=0.1)", 8000, 0),
}
OTHERS: Plan = {
    "linear": ("warmup(200) >> linear()", 8000, 0),
    "WSD 20 %": ('warmup(200) >> wsd(decay="20%")', 8000, 0),
    "WSD 50 %, 1-sqrt": ('warmup(200) >> wsd(decay="50%", shape="1-sqrt")', 8000, 0),
    "drop to 0.3 half-way": ('warmup(200) >> multistep(milestones=["50%"], gamma=0.3)', 8000, 0),
    "two cosine cycles": ("warmup(200) >> cosine_restarts(2)", 8000, 0),
    "cosine, half as long": ("warmup(200) >> cosine()", 4000, 0),
    "cosine, 1.5 x as long": ("warmup(200) >> cosine()", 12_000, 0),
    "WSD 40 %, 1.5 x as long": ('warmup(200) >> wsd(decay="40%")', 12_000, 0),
}
AGAIN: Plan = {"linear, another seed": ("warmup(200) >> linear()", 8000, 1)}
"""Not forecast: it says how much a seed moves the loss."""
SHORTER: Plan = {name: run for name, run in OTHERS.items() if run[1] <= 8000}
"""What is made at another rate."""
QUICK_FIT: Plan = {name: (text.replace("(200)", "(100)"), 2000, 0) for name, (text, _, _) in FIT.items()}
QUICK_OTHERS: Plan = {"linear": (OTHERS["linear"][0].replace("(200)", "(100)"), 2000, 0)}


def now() -> str:
    """Return the time in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def file_of(folder: Path, name: str) -> Path:
    """Return the file that a run is kept in."""
    return folder / "runs" / f"{'-'.join(re.findall(r'[A-Za-z0-9.]+', name))}.csv"


def make(folder: Path, plan: Plan, base_lr: float) -> None:
    """Make the runs that are not there yet, and write each down when it is whole."""
    for name, (text, steps, seed) in plan.items():
        file = file_of(folder, name)
        if file.exists():
            continue
        began = now()
        rows = train(parse(text).build(Horizon(steps)), steps, seed, base_lr)
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w", newline="", encoding="utf-8") as to:
            to.write(f"# {name}: {text}, {steps} steps, seed {seed}, torch {torch.__version__}, {began} to {now()}\n")
            writer = csv.writer(to, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows([row.step, f"{row.lr:.9g}", f"{row.loss:.5f}", f"{row.train_loss:.5f}"] for row in rows)
        print(f"made {file.name}", file=sys.stderr, flush=True)


def measured(folder: Path, plan: Plan, base_lr: float) -> dict[str, Curve]:
    """Return runs that have been made, with the rates of their schedules."""
    return {
        name: read(file_of(folder, name), name=name, schedule=text, base_lr=base_lr, steps=steps, optimizer="AdamW")
        for name, (text, steps, _) in plan.items()
    }


def forecast(forecaster: Forecaster, text: str, steps: int) -> dict[str, Any]:
    """Return a forecast as plain data: at the steps that will be measured, with the 80 % band."""
    prediction = forecaster.predict(text, None, steps, at=range(EVERY, steps + 1, EVERY))
    rounded = {"loss": prediction.losses, "low": prediction.low(80), "high": prediction.high(80)}
    return {
        "schedule": text,
        "steps": steps,
        "grade": prediction.grade,
        "final bands": {
            str(level): [round(float(end[-1]), 4) for end in prediction.bands[level]] for level in prediction.bands
        },
        **{key: [round(float(value), 4) for value in values] for key, values in rounded.items()},
    }


def forecasts(folder: Path, fitted: Plan, others: Plan, base_lr: float) -> dict[str, Any]:
    """Fit the two runs, and forecast the others and the schedule that the law designs."""
    forecaster = fit(measured(folder, fitted, base_lr).values())
    steps = max(steps for _, steps, _ in fitted.values())
    plan = {name: (text, length) for name, (text, length, _) in others.items()}
    plan["designed"] = (forecaster.design(steps).best.name, steps)
    return {
        "written": now(),
        "ratesmith": __version__,
        "fitted to": list(fitted),
        "law": forecaster.to_dict(),
        "forecasts": {name: forecast(forecaster, text, length) for name, (text, length) in plan.items()},
    }


def designed(record: Mapping[str, Any]) -> Plan:
    """Return the designed schedule as a run to make."""
    entry = record["forecasts"]["designed"]
    return {"designed": (entry["schedule"], entry["steps"], 0)}


class Result(NamedTuple):
    """A forecast beside what was measured."""

    name: str
    schedule: str
    steps: int
    forecast: float
    low: float
    high: float
    measured: float
    along: float
    """The mean of |forecast - measured| along the curve, after the first tenth."""

    @property
    def error(self) -> float:
        """How far the forecast of the last loss was too high."""
        return self.forecast - self.measured


def results(record: Mapping[str, Any], runs: Mapping[str, Curve]) -> list[Result]:
    """Set each forecast beside its run."""
    rows = []
    for name, entry in record["forecasts"].items():
        losses = runs[name].losses.tolist()
        pairs = list(zip(entry["loss"], losses, strict=True))[len(losses) // 10 :]
        along = statistics.fmean(abs(guess - loss) for guess, loss in pairs)
        low, high = entry["final bands"]["80"]
        final = entry["loss"][-1]
        rows.append(Result(name, entry["schedule"], entry["steps"], final, low, high, losses[-1], along))
    return sorted(rows, key=lambda result: result.measured)


def table(rows: list[Result]) -> Table:
    """Return the results as a table, the best measured first."""
    shown = Table("run", "steps", box=box.MARKDOWN)
    for column in ("forecast", "80 % band", "measured", "error", "error along the curve"):
        shown.add_column(column, justify="right")
    for row in rows:
        band, error = f"{row.low:.3f} to {row.high:.3f}", f"{row.error:+.4f}"
        shown.add_row(
            row.name, str(row.steps), f"{row.forecast:.4f}", band, f"{row.measured:.4f}", error, f"{row.along:.4f}"
        )
    return shown


def summary(rows: list[Result], runs: Mapping[str, Curve], again: float | None) -> list[str]:
    """Say in sentences how good the forecasts were, and how good it would have been to expect the cosine's loss."""
    errors = [abs(row.error) for row in rows]
    naive = [abs(runs["cosine to 10 %"].losses[-1] - row.measured) for row in rows]
    same = [row for row in rows if row.steps == runs["cosine to 10 %"].length]
    inside = sum(row.low <= row.measured <= row.high for row in rows)
    chosen = min(same, key=lambda row: row.forecast)
    lines = [
        f"Mean error of the last loss {statistics.fmean(errors):.4f} "
        f"({statistics.fmean(e / row.measured for e, row in zip(errors, rows, strict=True)):.2%} of it), "
        f"worst {max(errors):.4f}; {inside} of {len(rows)} inside their 80 % band.",
        f"To expect the cosine run's loss each time errs by {statistics.fmean(naive):.4f}, worst {max(naive):.4f}.",
        f"Of the {len(same)} of {same[0].steps} steps the forecasts put first {chosen.name!r}, which ended "
        f"{chosen.measured - min(row.measured for row in same):.4f} above the best of them.",
    ]
    if again is not None:
        linear = next(row for row in rows if row.name == "linear")
        lines.append(f"Another seed moved the last loss of 'linear' by {again - linear.measured:+.4f}.")
    return lines


def pairs(runs: Mapping[str, Curve]) -> Table:
    """Forecast the last loss of every run from every other one, and from every two others."""
    drop, two = "drop to 0.3 half-way", ("constant", "cosine to 10 %")
    kinds: dict[str, Callable[[tuple[str, ...]], bool]] = {
        "constant rate + cosine, as then": lambda names: names == two,
        "cosine + drop half-way": lambda names: set(names) == {two[1], drop},
        "every two of the runs": lambda names: len(names) == 2,
        "every two, one of them with the drop": lambda names: len(names) == 2 and drop in names,
        "every single run": lambda names: len(names) == 1,
    }
    errors_of: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
    for names in (names for count in (1, 2) for names in itertools.combinations(runs, count)):
        forecaster = fit([runs[name] for name in names])
        others = [run for name, run in runs.items() if name not in names] if forecaster.grade != "D" else []
        predictions = [(run, forecaster.under(run.name, run.rates, [int(run.steps[-1])])) for run in others]
        errors = [
            (abs(prediction.final - float(run.losses[-1])), float(prediction.sd[-1])) for run, prediction in predictions
        ]
        for kind, is_one in kinds.items():
            errors_of[kind] += errors if is_one(names) else []
    shown = Table("fitted to", "forecasts", "mean error", "inside the 50 / 80 / 95 % band", box=box.MARKDOWN)
    for kind, errors in errors_of.items():
        inside = (statistics.fmean(error <= width * sd for error, sd in errors) for width in FACTORS.values())
        mean = f"{statistics.fmean(error for error, _ in errors):.3f}"
        shown.add_row(kind, str(len(errors)), mean, " / ".join(f"{100 * share:.0f}" for share in inside) + " %")
    return shown


def choices(runs: Mapping[str, Curve]) -> list[str]:
    """Say how well every two runs forecast differences to linear decay, and which of its length to take."""
    same = [run for run in runs.values() if run.length == runs["linear"].length]
    measured = np.array([run.losses[-1] for run in same])
    scores: list[float] = []
    ranked: list[float] = []
    lowest: list[float] = []
    for names in itertools.combinations(runs, 2):
        forecaster = fit([runs[name] for name in names])
        if forecaster.grade == "D":
            continue
        rows = forecaster.rows([Pair(run.name, run.rates, runs["linear"].rates) for run in same])
        scores += [
            abs(row.difference - float(run.losses[-1] - runs["linear"].losses[-1])) / row.sd
            for row, run in zip(rows, same, strict=True)
            if row.name not in (*names, "linear")
        ]
        ranked.append(measured[int(np.argmin([row.score for row in rows]))] - measured.min())
        lowest.append(measured[int(np.argmin([row.final for row in rows]))] - measured.min())
    inside = [statistics.fmean(score <= width for score in scores) for width in FACTORS.values()]
    return [
        f"Of {len(scores)} differences to linear decay {' / '.join(f'{100 * share:.0f}' for share in inside)} % lie "
        "inside their 50 / 80 / 95 % bands.",
        f"What is ranked first of {len(same)} ends {statistics.fmean(ranked):.4f} above the best, what is forecast "
        f"lowest {statistics.fmean(lowest):.4f}, one taken blindly {float(measured.mean() - measured.min()):.4f}.",
    ]


def draw(record: Mapping[str, Any], runs: Mapping[str, Curve], file: Path) -> None:
    """Draw every forecast with its band, and what was measured."""
    from matplotlib import rcParams
    from matplotlib.figure import Figure

    rcParams["svg.hashsalt"] = "ratesmith"
    figure = Figure(figsize=(9, 7.5), layout="constrained")
    panels = figure.subplots(3, 3, sharey=True)
    low = min(float(runs[name].losses.min()) for name in record["forecasts"]) - 0.25
    for axes, (name, entry) in zip(panels.flat, record["forecasts"].items(), strict=False):
        run = runs[name]
        later = run.steps > run.length // 10
        axes.fill_between(
            run.steps[later], *(np.array(entry[end])[later] for end in ("low", "high")), color="#0091D540"
        )
        axes.plot(run.steps[later], np.array(entry["loss"])[later], color="#0091D5", label="forecast, 80 % band")
        axes.plot(run.steps[later], run.losses[later], ".", ms=2.5, color="#E69F00", label="measured later")
        every = max(1, run.length // 100)
        axes.fill_between(
            range(0, run.length, every), low, low + 0.2 * run.rates[::every] / run.peak, color="#88888860", lw=0
        )
        axes.set_title(name, fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    for axes in panels.flat[len(record["forecasts"]) :]:
        axes.set_axis_off()
    panels.flat[0].legend(frameon=False, fontsize=8)
    figure.supxlabel("step; in grey the rate", fontsize=9)
    figure.supylabel("validation loss, nats a character", fontsize=9)
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)


def run(folder: Path, fitted: Plan, others: Plan, again: Plan, given: argparse.Namespace) -> None:
    """Make what is missing, in the order that the docstring says, and show the results."""
    rate = given.base_lr
    make(folder, fitted, rate)
    file = folder / "forecasts.json"
    if not file.exists():
        file.write_text(json.dumps(forecasts(folder, fitted, others, rate), indent=1), encoding="utf-8")
    record = json.loads(file.read_text(encoding="utf-8"))
    plan = {**others, **designed(record)}
    make(folder, {**plan, **again}, rate)
    if given.refit:
        forecaster = fit(measured(folder, fitted, rate).values())
        record["forecasts"] = {name: forecast(forecaster, text, steps) for name, (text, steps, _) in plan.items()}
        same = {name: text for name, (text, steps, _) in plan.items() if steps == plan["designed"][1]}
        for row in forecaster.compare(same, steps=plan["designed"][1], baseline="linear").rows:
            print(f"{row.name}: better than linear with {chance(row.better)}")
    runs = measured(folder, {**fitted, **plan, **again}, rate)
    if given.pairs:
        made = {name: runs[name] for name in (*fitted, *plan)}
        Console(width=200).print(pairs(made))
        print(*choices(made), sep="\n")
        return
    rows = results(record, runs)
    Console(width=200).print(table(rows))
    seeds = [float(runs[name].losses[-1]) for name in again]
    print(*summary(rows, runs, seeds[0] if seeds else None), sep="\n")
    print(f"designed: {record['forecasts']['designed']['schedule']}")
    if given.picture:
        draw(record, runs, given.picture)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--refit", action="store_true")
    parser.add_argument("--pairs", action="store_true")
    parser.add_argument("--base-lr", type=float, default=BASE_LR)
    parser.add_argument("--picture", type=Path, metavar="FILE.svg")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.quick:
        with tempfile.TemporaryDirectory() as folder:
            run(Path(folder), QUICK_FIT, QUICK_OTHERS, {}, given)
    elif given.base_lr == BASE_LR:
        run(HERE, FIT, OTHERS, AGAIN, given)
    else:
        run(HERE / f"at-{given.base_lr:g}", FIT, SHORTER, {}, given)


if __name__ == "__main__":
    main()
