"""One training of a search: of a task, which is led update by update, or of a script, which is told its schedule."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from ratesmith.finder.result import FinderError
from ratesmith.schedule import Schedule
from ratesmith.script_process import (
    Ending,
    Script,
    ScriptError,
    ScriptMessage,
    ScriptProcess,
    ScriptTimeout,
    has_risen,
    last_report,
)
from ratesmith.task import FindTask, FindTraining, TaskError, is_pretrained, loss_of

PROMPT: Final = 512
"""Scripts tell each training loss of trainings up to this length at once; of longer ones with their reports."""
Hear = Callable[[Sequence[float], int], bool]
"""Hears of so many further updates, with the training loss of each, or with none; returns whether to go on."""


class NoLossesError(FinderError):
    """A script keeps its training losses to itself, so that it cannot be swept."""


class NotMeasuredError(TaskError):
    """A script has not measured where its training was to end."""


class Course(NamedTuple):
    """The rates of a training: `lr` times `schedule`, for `steps` updates from `seed` on."""

    seed: int
    lr: float
    schedule: Schedule
    steps: int
    rates: Sequence[float]
    """The same, worked out: one for each update."""


class Trained(NamedTuple):
    """What is known of a training at its end."""

    metrics: Mapping[str, float]
    """What was measured after the last update; nothing if that was not asked for, or if it was stopped before."""
    base_lr: float
    """The optimizer's own rate."""
    pretrained: bool
    group_lrs: Mapping[str, float] = {}
    """The own rates of the parameter groups, by name, if there is more than one."""


class Facts(NamedTuple):
    """What is known of a training before its first update."""

    base_lr: float
    steps_per_epoch: int | None
    metrics: Mapping[str, float]
    """What the first weights measure; nothing if that cannot be known."""
    measures: bool = True
    """Whether trainings can be measured at all."""


class Trainable(Protocol):
    """What a search trains."""

    def facts(self, seed: int, *, must_measure: bool = False) -> Facts:
        """Return what is known before the first update; raise the task's own error if it must measure, and can't."""

    def train(self, course: Course, hear: Hear, *, measure: bool) -> Trained:
        """Train, and tell `hear` of each update, until it has heard enough."""


class TaskTraining:
    """The trainings of a task."""

    def __init__(self, task: FindTask) -> None:
        """Take the task."""
        self._task = task

    def facts(self, seed: int, *, must_measure: bool = False) -> Facts:
        """Measure a training that has not begun."""
        training = self._task.start(seed)
        measures = must_measure or getattr(self._task, "can_measure", True)
        return Facts(training.base_lr, training.steps_per_epoch, training.evaluate() if measures else {}, measures)

    def train(self, course: Course, hear: Hear, *, measure: bool) -> Trained:
        """Train update by update."""
        training = self._task.start(course.seed)
        for rate in course.rates:
            if not hear([loss_of(training.step(rate))], 1):
                return self._trained(training, {})
        return self._trained(training, training.evaluate() if measure else {})

    def _trained(self, training: FindTraining, metrics: Mapping[str, float]) -> Trained:
        group_lrs = getattr(training, "group_lrs", {})
        return Trained(metrics, training.base_lr, is_pretrained(self._task, training), group_lrs)


class ScriptTask:
    """A script of the user's own, to find a rate for: it asks for its trial by `ratesmith.get_trial`.

    Each training is a process. A sweep needs `trial.report_train(loss)` after each update, a race the report at
    `trial.steps`. `limit` is the seconds that one training may take.
    """

    pretrained: bool | None = None

    def __init__(
        self, path: str, *, arguments: Sequence[str] = (), launch: str = "", limit: float | None = None
    ) -> None:
        """Take what the script is started with; raise TaskError if it is not there."""
        if not Path(path).is_file():
            raise TaskError(f"{path}: there is no such file; give the path of a script")
        self._script, self._limit = Script(path, tuple(arguments), launch), limit

    @property
    def name(self) -> str:
        """The script's name."""
        return self._script.name

    @cached_property
    def asked(self) -> dict[str, Any]:
        """What the script asks for by itself: lr, schedule, steps, seed, steps_per_epoch, functions."""
        asked: dict[str, Any] = {}

        def hear(message: ScriptMessage) -> dict[str, Any]:
            asked.update(message.content["asked"])
            return {"do": "stop", "reason": "its settings are known"}

        self._run(hear)
        return asked

    def facts(self, seed: int, *, must_measure: bool = False) -> Facts:
        """Return what the script asks for; what its first weights measure is not known."""
        return Facts(self.asked["lr"], self.asked["steps_per_epoch"], {})

    def train(self, course: Course, hear: Hear, *, measure: bool) -> Trained:
        """Start the script with the schedule; its losses come as it reports them.

        Raises NotMeasuredError if it goes on where it should have measured, or ends before.
        """
        metrics: dict[str, float] = {}
        enough = overdue = False
        losses: list[float] = []
        step = told = 0
        prompt = not measure or course.steps <= PROMPT

        def answer(message: ScriptMessage) -> dict[str, Any]:
            nonlocal enough, overdue, step, told
            content = message.content
            if content["kind"] == "hello":
                settings = {"lr": course.lr, "schedule": str(course.schedule), "steps": course.steps}
                return {"do": "go", "trial": {**settings, "seed": course.seed, "every_loss": prompt}}
            go_on = True
            if content["kind"] == "train":
                overdue = measure and len(losses) == course.steps and not metrics
                losses.append(content["loss"])
                told += 1
                go_on = not overdue and hear(losses[-1:], 1) and (measure or len(losses) < course.steps)
            elif content["kind"] == "report":
                step = content["step"]
                made, told = max(step - told, 0), max(step, told)
                if measure:
                    losses.extend(content["losses"])
                    go_on = step <= course.steps and hear(content["losses"], made)
                elif made and not losses:
                    raise NoLossesError(
                        f"sweep: {self.name} must report the training loss of each update, got a report without; call "
                        "trial.report_train(loss) after each, or give steps, the length of the training to come"
                    )
                if step == course.steps:
                    metrics.update(content["metrics"])
                overdue = measure and step > course.steps and not metrics
            elif content["kind"] == "end" and not enough:
                losses.extend(content["losses"])
                go_on = hear(content["losses"], len(content["losses"]))
            enough = enough or not go_on
            return {"do": "stop", "reason": "the search has seen enough"} if enough else {"do": "go"}

        ending = self._run(answer)
        if not enough and not metrics and losses and has_risen(losses[0], losses[-1]):
            enough = not hear([math.nan], 0)  # a script that sees its loss rise or become NaN often ends itself
        if ending.failed and not enough and not metrics:
            raise TaskError(f"{self.name}: {ending.how}")
        if measure and not metrics and (overdue or not enough):
            raise NotMeasuredError(f"{self.name}: {last_report(course.steps, step)}")
        return Trained(metrics, float(self.asked["lr"]), bool(self.pretrained))

    def _run(self, answer: Callable[[ScriptMessage], dict[str, Any]]) -> Ending:
        """Run the script once; return how it ended."""
        with (
            tempfile.TemporaryDirectory() as folder,
            ScriptProcess(self._script, log=Path(folder) / "output.log", limit=self._limit) as process,
        ):
            try:
                for message in process.messages():
                    message.answer(answer(message))
            except ScriptTimeout as error:
                raise TaskError(f"{self.name}: {error}") from None
            ending = process.ending()
            if not process.greeted:
                raise ScriptError(f"{self.name}: {ending.how}")
            return ending


Searched = FindTask | ScriptTask | TaskTraining
"""What a rate is found for: a task, a script, or what trains in its own way."""


def trainable(task: Searched) -> Trainable:
    """Return what a search trains."""
    return task if isinstance(task, ScriptTask | TaskTraining) else TaskTraining(task)
