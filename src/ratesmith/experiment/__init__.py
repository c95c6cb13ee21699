"""Experiments: strategies at several initial rates and seeds, trained, kept, and judged on a validation set."""

from ratesmith.experiment.compare import BASELINE, ComparisonError, Progress, compare
from ratesmith.experiment.comparison import Comparison, Estimate, Row
from ratesmith.experiment.store import StudyError
from ratesmith.experiment.trial import Plan, Point, Run, Trial

__all__ = [
    "BASELINE",
    "Comparison",
    "ComparisonError",
    "Estimate",
    "Plan",
    "Point",
    "Progress",
    "Row",
    "Run",
    "StudyError",
    "Trial",
    "compare",
]
