"""How good the rates are that Ratesmith's ways to find suggest, from trainings that were recorded once: in a minute.

Each way is run as it is, and its trainings are answered from `trainings.csv` and `sweeps.csv`. A suggestion's ratio is
the final loss to expect from it over the best of the grid, mean over seeds. The interval is counted as right where it
holds the best rate of the cell's problem and optimizer. Rules and constants are chosen on twelve problems; the six
others are looked at by --unseen, when all is chosen.

    python benchmarks/find/judge.py [--unseen] [--cells] [--markdown]
"""

import argparse
import itertools
import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import sweeps
from printed import SPREAD, show, spread
from problems import OPTIMIZERS, PROBLEMS, SETS
from trainings import RATES, SEEDS, WARMUP, Key, curves, rows

from ratesmith.finder import FinderResult, find
from ratesmith.finder.training import Course, Facts, Hear, TaskTraining, Trained

OWN_RATES = {"sgd": 0.1, "adamw": 1e-3}
COLUMNS = (
    *("way", *SPREAD, "updates", "trainings"),
    *("interval holds the best", "Wilson 95%", "width"),
)


@dataclass(frozen=True)
class Cell(TaskTraining):
    """A training by its records: what a search asks for is looked up."""

    problem: str
    optimizer: str
    seed: int
    validated: bool = True
    """Whether it has validation data."""

    @property
    def steps(self) -> int:
        """Updates of a whole training."""
        return PROBLEMS[self.problem].steps

    def facts(self, seed: int, *, must_measure: bool = False) -> Facts:
        """Return what the first weights measure."""
        row = rows()[Key(self.problem, self.optimizer, seed, self.steps, 0.0)]
        return Facts(OWN_RATES[self.optimizer], None, {"loss": row.initial} if self.validated else {}, self.validated)

    def train(self, course: Course, hear: Hear, *, measure: bool) -> Trained:
        """Return what was recorded: of a sweep each loss, of a training its end."""
        known = Trained({}, OWN_RATES[self.optimizer], pretrained=False)
        place = sweeps.key(self.problem, self.optimizer, course.seed, course.rates)
        if place in sweeps.by_key():
            for loss in sweeps.by_key()[place]:
                if not hear([loss], 1):
                    break
            return known
        row = rows()[Key(self.problem, self.optimizer, course.seed, course.steps, 0.0)]
        grid = RATES[self.optimizer]
        rate = min(max(course.lr, grid[0]), grid[-1])
        nearest = min(range(len(grid)), key=lambda index: abs(math.log(grid[index] / rate)))
        assert math.isclose(grid[nearest], rate, rel_tol=1e-4), f"{course.lr} is not recorded"
        if not math.isfinite(row.validation[nearest]):
            hear([math.nan], course.steps)
            return known
        hear([row.training[nearest]] * course.steps, course.steps)
        return known._replace(metrics={"loss": row.validation[nearest]} if measure else {})


Way = Callable[[Cell], FinderResult]
WAYS: dict[str, Way] = {
    "find (the default)": lambda cell: find(cell, seeds=[cell.seed]),
    "the same without validation data": lambda cell: find(
        Cell(cell.problem, cell.optimizer, cell.seed, validated=False), seeds=[cell.seed]
    ),
    "race, the length given": lambda cell: find(cell, steps=cell.steps, seeds=[cell.seed]),
    "sweep of three orders": lambda cell: find(
        cell, method="sweep", seeds=[cell.seed + more for more in sweeps.ORDERS]
    ),
    "sweep of one order": lambda cell: find(cell, method="sweep", seeds=[cell.seed]),
}


@dataclass(frozen=True)
class Judged:
    """An answer beside the truth."""

    cell: Cell
    rate: float | None
    ratio: float
    safe: float
    """The ratio of the safe rate."""
    best: float
    held: bool | None
    """Whether the interval holds the best rate; None if there is no interval."""
    width: float
    """The interval's width in decades."""
    updates: int


def judged(way: Way, cell: Cell) -> Judged:
    """Ask once."""
    found = way(cell)
    curve = curves()[cell.problem, cell.optimizer]
    best = vertex(curve.rates, curve.losses)
    low, high = found.interval or (math.nan, math.nan)
    return Judged(
        cell,
        found.suggestion,
        curve.loss(found.suggestion) / curve.best[1],
        curve.loss(found.safe) / curve.best[1],
        best,
        low <= best <= high if found.interval else None,
        math.log10(high / low) if found.interval else math.nan,
        found.updates,
    )


def vertex(rates: tuple[float, ...], losses: tuple[float, ...]) -> float:
    """Return the best rate: where the parabola through the best loss and its neighbours is lowest, in logarithms."""
    place = losses.index(min(losses))
    if place in (0, len(losses) - 1):
        return rates[place]
    around = slice(place - 1, place + 2)
    bend, slope, _ = np.polyfit(np.log(rates[around]), np.log(losses[around]), 2)
    return float(min(max(math.exp(-slope / (2 * bend)), rates[place - 1]), rates[place + 1]))


def wilson(right: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share. Source: Wilson, "Probable inference", 1927."""
    z, share = 1.96, right / count
    centre = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count) * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return centre - half, centre + half


def line(name: str, answers: list[Judged]) -> list[str]:
    """Return a way's line of the table."""
    ratios = [answer.ratio for answer in answers]
    held = [answer.held for answer in answers if answer.held is not None]
    low, high = wilson(sum(held), len(held)) if held else (math.nan, math.nan)
    return [
        name,
        *spread(ratios, digits=3),
        f"{statistics.mean(answer.updates for answer in answers):.0f}",
        f"{statistics.mean(answer.updates / answer.cell.steps for answer in answers):.1f}",
        f"{statistics.mean(held):.0%}" if held else "",
        f"{low:.0%} to {high:.0%}" if held else "",
        f"{statistics.mean(answer.width for answer in answers if answer.held is not None):.2f}" if held else "",
    ]


def facts() -> list[str]:
    """Return what the best rates say by themselves: which side to err on, and what a warm-up gains."""
    known = curves()
    lines = []
    for factor in (0.25, 0.5, 2, 4):
        ratios = [curve.loss(curve.best[0] * factor) / curve.best[1] for curve in known.values()]
        lines.append(f"{factor} of the best rate: {statistics.geometric_mean(ratios):.2f}, worst {max(ratios):.2f}")
    gains = []
    for (problem, optimizer), curve in known.items():
        ends = [rows()[Key(problem, optimizer, seed, PROBLEMS[problem].steps, WARMUP)] for seed in SEEDS]
        columns = zip(*([min(loss, row.initial) for loss in row.validation] for row in ends), strict=True)
        means = [statistics.geometric_mean(column) for column in columns if not any(map(math.isnan, column))]
        gains.append(1 - min(means) / curve.best[1])
    more = sum(gain > 0.05 for gain in gains)
    lines.append(
        f"A warm-up of {WARMUP:.0%} at its own best rate: median gain {statistics.median(gains):.1%}, largest "
        f"{max(gains):.0%}, above 5 % in {more} of {len(gains)}, smallest {min(gains):.0%}"
    )
    return lines


def main() -> None:
    """Judge, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--unseen", action="store_true", help="look at the problems that chose nothing")
    parser.add_argument("--cells", action="store_true", help="print each cell that errs by more than 1.2")
    parser.add_argument("--markdown", action="store_true")
    given = parser.parse_args()
    print(*facts(), sep="\n")
    for name in ("choose", "unseen") if given.unseen else ("choose",):
        cells = [Cell(*cell) for cell in itertools.product(SETS[name], OPTIMIZERS, SEEDS)]
        answers = {way: [judged(WAYS[way], cell) for cell in cells] for way in WAYS}
        lines = [line(way, judgements) for way, judgements in answers.items()]
        default = next(iter(answers.values()))
        safe = [answer.safe for answer in default]
        show(f"{name}: {len(cells)} cells of {', '.join(SETS[name])}", COLUMNS, lines, given.markdown)
        print(f"The safe rate of the default: {statistics.geometric_mean(safe):.2f}, worst {max(safe):.2f}")
        for answer in (answer for way in answers.values() for answer in way if given.cells and answer.ratio > 1.2):
            print(f"{answer.cell}: {answer.rate:.3g} for {answer.best:.3g}, x {answer.ratio:.2f}")


if __name__ == "__main__":
    main()
