"""Experiments: strategies at several initial rates and seeds, trained, kept, and judged on a validation set."""

from ratesmith.experiment.compare import BASELINE, DEFAULT_STRATEGIES, compare
from ratesmith.experiment.comparison import Comparison, Row
from ratesmith.experiment.outline import Outline
from ratesmith.experiment.pool import cores
from ratesmith.experiment.stages import ComparisonError
from ratesmith.experiment.states import StudyError
from ratesmith.experiment.study import Progress
from ratesmith.experiment.trial import Plan, Point, Run, Trial
from ratesmith.experiment.verdict import Difference, Estimate

__all__ = [
    "BASELINE",
    "DEFAULT_STRATEGIES",
    "Comparison",
    "ComparisonError",
    "Difference",
    "Estimate",
    "Outline",
    "Plan",
    "Point",
    "Progress",
    "Row",
    "Run",
    "StudyError",
    "Trial",
    "compare",
    "cores",
]
