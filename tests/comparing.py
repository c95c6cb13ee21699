"""What the tests of comparisons share: a task, strategies, a small comparison, and one of given results."""

from pathlib import Path

from numpy_task import LogisticTask

from ratesmith.experiment import Comparison, Point, Run, RunLayout, RunStatus, Trial, compare
from ratesmith.experiment.question import Choice, Question
from ratesmith.experiment.ranking import rank

TASK = f"{Path(__file__).with_name('numpy_task.py')}:task"
STRATEGIES = ['step(every="30%")', "cosine()", "plateau(factor=0.3, patience=1)"]
CHOICE, FRESH = (0, 1), (1000, 1001)
LAYOUT = RunLayout(10, 10)


def small(task, folder, strategies=("cosine()",), **options):
    standard = {"steps": 60, "seeds": 2, "choice_seeds": 2, "rates": [0.03, 0.3, 3.0], "version": "1"}
    return compare(task, strategies, folder=folder, **{**standard, **options})


def judged(finals, mode="min", metric="loss", baseline="constant()"):
    """Return a comparison of strategies by their final values; None failed, "diverged" did."""
    seeds = tuple(range(1000, 1000 + max(map(len, finals.values()))))
    runs = {}
    for name, values in finals.items():
        for seed, value in zip(seeds, values, strict=True):
            trial, start = Trial(name, 0.1, seed, 10), Point(0, None, {"loss": 3.0, metric: 3.0})
            if value is None:
                runs[trial] = Run(trial, RunStatus.FAILED, 3, 0.0, message="no")
            elif value == "diverged":
                runs[trial] = Run(trial, RunStatus.DIVERGED, 3, 0.0, curve=(start,))
            else:
                end = {"loss": 1.0, metric: value}
                runs[trial] = Run(trial, RunStatus.DONE, 10, 0.0, metrics=end, curve=(start, Point(10, 1.0, end)))
    question = Question({name: (name,) for name in finals}, baseline, metric, mode, 0.01, (0,), seeds)
    chosen = {name: Choice(name, 0.1) for name in finals}
    rows = rank(runs, chosen, question, LAYOUT, (metric,))
    return Comparison(rows=rows, question=question, layout=LAYOUT, runs=tuple(runs.values()))


def study(folder, **options):
    """Compare one strategy with the baseline, and keep it in a folder."""
    standard = {"steps": 60, "seeds": 2, "rates": [0.1, 0.3], "version": "1"}
    return compare(LogisticTask(), ["cosine()"], folder=folder, **{**standard, **options})
