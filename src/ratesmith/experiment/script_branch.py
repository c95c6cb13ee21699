"""What is decided while a script trains the trials of a branch: when it saves, when others go on from there, its end.

A script trains by itself; all that is known of it are its reports. The trial that stands first is the one that the
script is told. The others share its training for as long as their rates are equal; shortly before they differ, at a
report, the script is asked to save, and they go on from there in processes of their own.
"""

from __future__ import annotations

import math
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ratesmith._text import one_line
from ratesmith.experiment.branch_trainer import Part
from ratesmith.experiment.checkpoints import digest_of
from ratesmith.experiment.memory import tells_out_of_memory
from ratesmith.experiment.open_run import Diverged, OpenRun
from ratesmith.experiment.script_rates import asked_of, departures
from ratesmith.experiment.sharing import Branch, Checkpoint, Fork, Rates
from ratesmith.experiment.trial import Point, RunLayout, RunStatus
from ratesmith.script_process import has_risen, last_report, no_report

RAN_ON: Final = "it went on behind its last step, and was ended there; train for trial.steps updates"


@dataclass(frozen=True)
class Reporting:
    """What all scripts of a comparison have in common."""

    name: str
    """The script's, for messages."""
    metric: str
    """The one that decides."""
    rates: Rates
    layout: RunLayout
    state_path: Callable[[str], Path]
    """Where a state of this name is saved."""
    travels: bool
    """Whether a state is sent as it is, since no folder is shared."""
    checkpoint_seconds: float
    log_path: str | None = None
    """Where the script's output is, from the study's folder."""


class ScriptBranch:
    """The engine's side of a script's run. `hear` answers each message; `taken` gives the parts that came of it.

    Invariant: at each report the trials of `runs` have had the same rate at every update so far.
    """

    def __init__(self, branch: Branch, reporting: Reporting) -> None:
        """Take up the branch's trials, at its step."""
        self.branch, self.reporting = branch, reporting
        records = branch.records or (None,) * len(branch.trials)
        rates, layout = reporting.rates, reporting.layout
        self.runs = [
            OpenRun(trial, rates, layout, record) for trial, record in zip(branch.trials, records, strict=True)
        ]
        self.trial = branch.trials[0]
        self.offers_checkpoint = False
        self.reports = 0
        """Reports of this process."""
        self.ran_on = False
        """Whether it reported after its last step."""
        self._departures = departures(branch.trials, rates)
        self._parts: list[Part] = []
        self._step, self._step_before = branch.step, branch.step
        self._last_losses: Sequence[float] = ()
        self._unreported: Sequence[float] = ()
        """Training losses that no report has followed."""
        self._decided = False
        self._status: RunStatus | None = None
        self._message = ""
        self._leaving: list[OpenRun] = []
        self._began = self._saved = time.monotonic()

    @property
    def is_over(self) -> bool:
        """Whether the outcome stands, whatever becomes of the process."""
        return self._decided or self._status is not None

    def taken(self) -> Iterator[Part]:
        """Yield the parts that have come since the last call."""
        parts, self._parts = self._parts, []
        yield from parts

    def hear(self, content: dict[str, Any]) -> dict[str, Any]:
        """Take in a message, and return the answer."""
        match content["kind"]:
            case "hello":
                self._began = self._saved = time.monotonic()
                asked = asked_of(self.trial, self.reporting.rates, self.reporting.layout.folds)
                return {"do": "go", "trial": {**asked, **self._resumption()}}
            case "checkpoint":
                self.offers_checkpoint = True
            case "report":
                return self._report(content)
            case "saved":
                self._take_state(content)
            case "end":
                self._unreported = content["losses"]
        return {"do": "go"}

    def finish(self, how: str, *, failed: bool) -> Iterator[Part]:
        """Yield what is left, once the process has ended; `how` is a sentence's part that says how it did."""
        if self._status is None and self._decided:
            self._end(RunStatus.DONE, f"{self.reporting.name}: {RAN_ON}" if self.ran_on else "")
        elif self._status is None and self.branch.step and not self.reports:
            # It could not go on from the state: each begins anew, as if nothing had been shared.
            self._parts += [Fork(Branch((run.trial,))) for run in self.runs]
            self.runs = []
        elif self._status is None:
            why = how if failed else self._what_is_missing()
            if (rise := self._rise()) and not tells_out_of_memory(why):
                self._end(RunStatus.DIVERGED, f"{rise}, and {why}", self._step + len(self._unreported))
            else:
                self._end(RunStatus.FAILED, f"{self.reporting.name}: {why}")
        yield from self.taken()

    # Reports

    def _report(self, content: dict[str, Any]) -> dict[str, Any]:
        step, metrics, steps, name = content["step"], content["metrics"], self.trial.steps, self.reporting.name
        if self._status is not None:
            return self._stop()
        if step > steps and self._decided:
            self.ran_on = True
            return {"do": "stop", "reason": f"the run has its {steps} steps"}
        if step > steps:
            return self._fail(
                f"{name}: the deciding report must come at step {steps}, got one at {step}; report when "
                "step == trial.steps"
            )
        if step < self._step and self.reports:
            return self._fail(
                f"{name}: steps must rise, got a report at step {step} after one at {self._step}; give the number of "
                "updates made"
            )
        # Several reports of one step are one; so are those before and after a state is loaded, as a loop may make them.
        again = step == self._step and (self.reports > 0 or self.branch.step > 0)
        self._let_go(self._restarted(step))
        self.reports += 1
        if not self._observe(step, metrics, content["losses"], content["lr"], again=again):
            return self._stop()
        self._decided = self._decided or (step == steps and self.reporting.metric in metrics)
        return self._save_if_due()

    def _observe(
        self, step: int, metrics: dict[str, float], losses: Sequence[float], lr: float | None, *, again: bool
    ) -> bool:
        """Note a report for every run, or add it to the one of the same step; return False if it ends them."""
        self._step_before, self._step = self._step if not again else self._step_before, step
        self._last_losses = losses or self._last_losses
        for run in self.runs:
            try:
                for place, loss in enumerate(losses):
                    # The updates since the report before; a script may report the losses of only some of them.
                    update = self._step_before + place * max(1, step - self._step_before) // len(losses)
                    run.note(update, run.table[update] if run.table is not None else math.nan, loss)
                self._judge(step, metrics)
                if again:
                    _merge(run, metrics)
                    continue
                run.observe(step, metrics)
            except Diverged as outcome:
                self._end(RunStatus.DIVERGED, str(outcome), outcome.step + 1)
                return False
            except (ValueError, TypeError) as error:  # a controller's own
                self._end(RunStatus.FAILED, one_line(error))
                return False
            if run.table is None and lr is not None:
                run.record.rates.append((step, lr))
        return True

    def _judge(self, step: int, metrics: dict[str, float]) -> None:
        """Raise Diverged if the metric that decides is not finite, whatever its name."""
        value = metrics.get(self.reporting.metric, 0.0)
        if step and not math.isfinite(value):
            raise Diverged(step - 1, f"validation {self.reporting.metric}", value)

    def _what_is_missing(self) -> str:
        """Return why a script that ended by itself has no result."""
        steps, metric = self.trial.steps, self.reporting.metric
        if not self.reports:
            return no_report(metric)
        if self._step < steps:
            return last_report(steps, self._step)
        return f"the report at step {steps} must have {metric!r}; report it there too"

    def _rise(self) -> str:
        """Return how the training loss has risen, as a sentence's part; "" if it has not."""
        losses = [*self._last_losses, *self._unreported]
        if not losses:
            return ""
        first, last = self.runs[0].record.first_loss, losses[-1]
        first = losses[0] if first is None else first
        return f"training loss {last:.3g} after {first:.3g} at first" if has_risen(first, last) else ""

    def _fail(self, message: str) -> dict[str, Any]:
        self._end(RunStatus.FAILED, message)
        return self._stop()

    def _stop(self) -> dict[str, Any]:
        return {"do": "stop", "reason": self._message or "the run is over"}

    # Sharing

    def _resumption(self) -> dict[str, Any]:
        if not self.branch.step:
            return {}
        state = self.branch.state
        if isinstance(state, bytes):
            path = self.reporting.state_path(self.branch.digest)
            path.write_bytes(state)
            state = str(path)
        return {"resume_from": state}

    def _restarted(self, step: int) -> list[OpenRun]:
        """Return the runs that part before this report: no state was saved in time, so they begin anew."""
        return [run for run in self.runs[1:] if self._departures[run.trial] < step]

    @property
    def _ahead(self) -> int:
        """The step of the next report, if reports come as far apart as the last two: who parts before goes now."""
        return 2 * self._step - self._step_before

    def _let_go(self, runs: Sequence[OpenRun]) -> None:
        """Let runs begin anew in processes of their own."""
        for run in runs:
            self.runs.remove(run)
            self._parts.append(Fork(Branch((run.trial,))))

    def _save_if_due(self) -> dict[str, Any]:
        """Ask for a save if a run parts before the report that is likely to be next, or if the last one is long ago."""
        self._leaving = [run for run in self.runs[1:] if self._departures[run.trial] < self._ahead]
        if self._leaving and not (self.offers_checkpoint and self._step):
            self._let_go(self._leaving)
            self._leaving = []
        due = self.offers_checkpoint and time.monotonic() - self._saved > self.reporting.checkpoint_seconds
        if not self._leaving and (not due or self._step == self.trial.steps):
            return {"do": "go"}
        return {"do": "save", "path": str(self._state_path())}

    def _state_path(self) -> Path:
        """Return where the state of this step is saved, for those that leave or as a checkpoint."""
        return self.reporting.state_path(repr((*self.trial, self._step, bool(self._leaving))))

    def _take_state(self, content: dict[str, Any]) -> None:
        """Let go from a state that was saved."""
        self._saved = time.monotonic()
        path = self._state_path()
        leaving, self._leaving = self._leaving, []
        if not content["saved"]:
            self.offers_checkpoint = False
            self._let_go(leaving)
            return
        digest = digest_of(path)
        state: str | bytes = path.read_bytes() if self.reporting.travels else str(path)
        if not leaving:
            self._parts.append(Checkpoint(self._branch(self.runs, state, digest, self.branch.shared_with)))
        groups: dict[bytes, list[OpenRun]] = {}
        for run in leaving:
            # Those that have the same rates until the next report share that far at the least.
            rates = run.table[self._step : self._ahead] if run.table is not None else array("d")
            groups.setdefault(rates.tobytes(), []).append(run)
        for runs in groups.values():
            for run in runs:
                self.runs.remove(run)
                run.record.shared, run.record.seconds = self._step, 0.0
            self._parts.append(Fork(self._branch(runs, state, digest, self.trial.strategy)))

    def _branch(self, runs: Sequence[OpenRun], state: str | bytes, digest: str, shared_with: str) -> Branch:
        self._clock()
        records = tuple(run.record.to_data() for run in runs)
        return Branch(tuple(run.trial for run in runs), self._step, records, state, digest, shared_with)

    # The end

    def _end(self, status: RunStatus, message: str = "", updates: int | None = None) -> None:
        """End every run: they were one training."""
        self._clock()
        self._status, self._message = status, message
        updates = self._step if updates is None else updates
        for place, run in enumerate(self.runs):
            if place:
                run.record.shared = updates
            if run.table is not None:
                run.record.rates = [(step, run.table[step]) for step in range(0, updates, run.show_every)]
            else:
                run.record.rates = [pair for pair in run.record.rates if not math.isnan(pair[1])]
            ended = run.ended(status, updates, message, self.trial.strategy if place else self.branch.shared_with)
            self._parts.append(replace(ended, log_path=self.reporting.log_path))
        self.runs = []

    def _clock(self) -> None:
        """Add the time since the last call to every run, for it was the time of each."""
        now = time.monotonic()
        for run in self.runs:
            run.record.seconds += now - self._began
        self._began = now


def _merge(run: OpenRun, metrics: dict[str, float]) -> None:
    """Add measurements that came in a report of their own to those of the same step."""
    point = run.record.curve[-1]
    run.record.curve[-1] = Point(point.step, point.train_loss, {**point.metrics, **metrics})
