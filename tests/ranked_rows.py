"""Comparisons of given intervals, for tests of what is said of them."""

from comparing import LAYOUT

from ratesmith.experiment import Comparison, Difference, Estimate, Row, Run, RunStatus, Trial
from ratesmith.experiment.question import Question

BETTER, WORSE, TIED, WIDE = (-1.0, -0.2), (0.04, 0.09), (-0.005, 0.002), (-0.03, 0.02)


def differing(ends, *, mode="min", relative=True, pairs=10):
    """Return the difference with this interval; with an end alone one that has none."""
    if ends is None:
        return None
    if isinstance(ends, float):
        return Difference(ends, None, None, "not told apart", relative, pairs)
    return Difference(sum(ends) / 2, *ends, concluded(*ends, mode), relative, pairs)


def concluded(low, high, mode):
    """Return what an interval says, with a margin of 0.01."""
    if low >= -0.01 and high <= 0.01:
        return "tie"
    if low <= 0 <= high:
        return "not told apart"
    return "better" if (high < 0) == (mode == "min") else "worse"


def row_of(strategy, value, to_baseline=None, to_best=None, *, rate=0.1, mode="min", metric="loss", **more):
    relative = mode == "min" and value is not None and value > 0
    pairs = more.pop("pairs", 10)
    differences = (differing(ends, mode=mode, relative=relative, pairs=pairs) for ends in (to_baseline, to_best))
    standard = {"diverged": 0, "missing": 0, "tried": 1, "nearly": None, "reached": None, "runs": 1, "updates": 10}
    standard |= {"seconds": 0.0, "seeds": pairs, "doubt": 0.0, "gap": None, "turned": None}
    estimates = {} if value is None else {metric: Estimate(value, None, None)}
    return Row(strategy, strategy, rate, estimates, *differences, **{**standard, **more})


def ranked(*rows, mode="min", metric="loss", seeds=10):
    """Return a comparison of these rows, in this order; the baseline is constant()."""
    names = dict.fromkeys(["constant()", *(each.strategy for each in rows)])
    question = Question({name: (name,) for name in names}, "constant()", metric, mode, 0.01, (0,), tuple(range(seeds)))
    runs = tuple(
        Run(Trial(each.strategy, 0.1, 0, 10), RunStatus.DONE, 10, 0.0, metrics={metric: value.mean})
        for each in rows
        for value in each.estimates.values()
    )
    return Comparison(rows=rows, question=question, layout=LAYOUT, runs=runs)
