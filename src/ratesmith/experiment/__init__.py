"""Experiments: strategies at several initial rates and seeds, trained, kept, and judged on a validation set."""

from ratesmith._extras import needs

with needs("ratesmith.experiment", extra="compare"):
    from ratesmith.experiment.compare import compare
    from ratesmith.experiment.comparison import Comparison
    from ratesmith.experiment.engine import cores
    from ratesmith.experiment.notes import Note
    from ratesmith.experiment.options import BASELINE, DEFAULT_STRATEGIES, ComparisonError
    from ratesmith.experiment.plan import Plan
    from ratesmith.experiment.ranking import Row
    from ratesmith.experiment.runner import Progress
    from ratesmith.experiment.statistics import Difference, Estimate
    from ratesmith.experiment.trial import Point, Run, RunLayout, RunStatus, Trial
    from ratesmith.study_database import StudyError

__all__ = [
    "BASELINE",
    "DEFAULT_STRATEGIES",
    "Comparison",
    "ComparisonError",
    "Difference",
    "Estimate",
    "Note",
    "Plan",
    "Point",
    "Progress",
    "Row",
    "Run",
    "RunLayout",
    "RunStatus",
    "StudyError",
    "Trial",
    "compare",
    "cores",
]
