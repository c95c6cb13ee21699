"""What the tests of comparisons share: a task, strategies, a small comparison, and one of given results."""

from pathlib import Path

from numpy_task import LogisticTask

from ratesmith.experiment import Comparison, Point, Run, RunLayout, RunStatus, Trial, compare
from ratesmith.experiment.question import Choice, Question
from ratesmith.experiment.ranking import rank
from ratesmith.experiment.standing import Standing

TASK = f"{Path(__file__).with_name('numpy_task.py')}:task"
STRATEGIES = ['step(every="30%")', "cosine()", "plateau(factor=0.3, patience=1)"]
CHOICE, FRESH = (0, 1), (1000, 1001)
LAYOUT = RunLayout(10, 10)


def small(task, folder, strategies=("cosine()",), **options):
    standard = {"steps": 60, "seeds": 2, "choice_seeds": 2, "rates": [0.03, 0.3, 3.0], "version": "1"}
    return compare(task, strategies, folder=folder, **{**standard, **options})


def judged(finals, mode="min", metric="loss", baseline="constant()", doubts=None):
    """Return a comparison of strategies by their final values; None failed, "diverged" did. Few values: few seeds."""
    seeds = tuple(range(1000, 1000 + max(map(len, finals.values()))))
    runs = {}
    for name, values in finals.items():
        for seed, value in zip(seeds, values, strict=False):
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
    asked = {name: len(values) for name, values in finals.items()}
    rows = rank(runs, chosen, question, LAYOUT, (metric,), asked=asked, doubts=doubts or {})
    return Comparison(rows=rows, question=question, layout=LAYOUT, runs=tuple(runs.values()))


def standing(values, *, cap=10, mode="min", metric="loss", margin=0.01, paired=True, **others):
    """Return where strategies stand by their values: a list for each, or by seed. The first is the baseline."""
    finals = {name: given if isinstance(given, dict) else dict(enumerate(given)) for name, given in values.items()}
    families = {name: (name,) for name in finals}
    question = Question(families, next(iter(finals)), metric, mode, margin, (), tuple(range(cap)), paired=paired)
    asked = {name: len(its_values) for name, its_values in finals.items()}
    return Standing(finals, others.pop("asked", asked), question, **others)


def study(folder, **options):
    """Compare one strategy with the baseline, and keep it in a folder."""
    standard = {"steps": 60, "seeds": 2, "rates": [0.1, 0.3], "version": "1"}
    return compare(LogisticTask(), ["cosine()"], folder=folder, **{**standard, **options})
