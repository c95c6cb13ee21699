"""What every job of a comparison needs, and what must be known of a training before one can be planned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ratesmith._checks import Option, whole
from ratesmith.experiment.optimizers import NamedOptimizer
from ratesmith.experiment.options import ComparisonError, check_length, no_length
from ratesmith.experiment.script_source import FunctionSource, OwnTraining
from ratesmith.experiment.task_source import Source
from ratesmith.experiment.trial import RunLayout
from ratesmith.horizon import Horizon
from ratesmith.script_process import Script

AnySource = Source | OwnTraining
"""A task, by itself or in a file, or a training that drives itself: a script or a function."""


@dataclass(frozen=True)
class TaskProfile:
    """What has to be known of a task before a comparison can be planned."""

    base_lr: float
    metrics: tuple[str, ...]
    has_test: bool
    layout: RunLayout
    identity: dict[str, Any]
    """What tells this task from another: its file's content, and what it measures around its first update."""
    exact: bool
    """Whether a training that is saved and loaded goes on bit for bit; only then can trials share a beginning."""
    repeatable: bool
    """Whether the same seed begins the same training; else runs of one seed have nothing in common."""
    seconds: float
    """Of one update, about, with its share of the measurement that follows now and then."""
    unshared_because: str = ""
    """Why a repeatable training shares nothing, as a sentence; "" if it shares."""
    functions: tuple[str, ...] = ()
    """The rules of a script's own that strategies may name."""
    reports_losses: bool = True
    """Whether training losses are known, so that a sweep can be made."""
    base_lrs: Mapping[str, float] = field(default_factory=dict)
    """The own rates of the further optimizers, by their names."""
    folds: int = 0
    """Into how many parts the data is cut, by the comparison or by the task itself; 0: not at all."""
    uses_torch: bool = True
    """Whether it trains with PyTorch; a script writes what it needs itself."""


class RunContext(NamedTuple):
    """What a job needs beside its branch, the same for all jobs of a comparison."""

    source: AnySource
    layout: RunLayout
    folder: Path | None
    """Where states are kept; None if no folder is shared, and they travel themselves."""
    checkpoint_seconds: float
    metric: str = "loss"
    """The one that decides: a script must report it."""
    limit: float | None = None
    """Seconds that a script's run may take."""
    functions: tuple[str, ...] = ()
    """The rules of a script's own that strategies may name."""
    reports_losses: bool = True
    """Whether training losses are known, so that a sweep can be made."""
    optimizers: Mapping[str, NamedOptimizer] = {}  # a MappingProxyType cannot be sent to other processes
    """The further optimizers, by the names that strategies give."""
    files: str = ""
    """The digest of a script and of what it imports from beside it, as the comparison began; "" if it has none."""


def task_of(context: RunContext) -> Source:
    """Return the task of a context that has one."""
    assert not isinstance(context.source, Script | FunctionSource), "this training drives itself"
    return context.source


def own_of(context: RunContext) -> OwnTraining:
    """Return the script or function of a context that has one."""
    assert isinstance(context.source, Script | FunctionSource), "this is a task"
    return context.source


def read_layout(steps_per_epoch: int | None, steps: int | str, evaluate_every: int | str, folds: int = 0) -> RunLayout:
    """Read lengths that may be epochs."""
    check_length("steps", steps)
    epoch = Horizon(steps_per_epoch or 1, steps_per_epoch)
    if isinstance(steps, str) and steps_per_epoch is None:
        must = f" must be a number of updates here, got {steps!r}; write 500, or give get_trial its steps_per_epoch="
        raise ComparisonError("compare: ", Option("steps"), must)
    try:
        length = epoch.resolve(steps)
    except (ValueError, TypeError):
        raise no_length("steps", steps) from None
    horizon = Horizon(whole("compare", "steps", length, least=1), steps_per_epoch)
    try:
        every = horizon.resolve(evaluate_every)
    except (ValueError, TypeError):
        raise no_length("evaluate_every", evaluate_every) from None
    return RunLayout(horizon.steps, whole("compare", "evaluate_every", every, least=1), steps_per_epoch, folds)
