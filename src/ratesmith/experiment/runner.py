"""The runner: branches given to workers, what they send kept, and those whose worker died tried again.

Threads: workers' parts come in threads of the pool, which only put them into the queue of arrivals. All else, the store
above all, is done in the thread that calls `train`.
"""

from __future__ import annotations

import queue
import shutil
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from ratesmith.experiment.branch_trainer import Part
from ratesmith.experiment.choice import choice_means
from ratesmith.experiment.engine import MOST_DEATHS, Died, Engine, TimedOut, ask
from ratesmith.experiment.jobs import arrange_trials, train_branch
from ratesmith.experiment.memory import REMEDY, tells_out_of_memory, tells_perhaps_out_of_memory
from ratesmith.experiment.question import Choice, Question
from ratesmith.experiment.run_context import RunContext
from ratesmith.experiment.sharing import Branch, Checkpoint, FinalState, Fork
from ratesmith.experiment.store import Store
from ratesmith.experiment.trial import FINAL, Run, RunStatus, Trial
from ratesmith.study_database import StudyError
from ratesmith.task import TaskError

MOST_FAILURES: Final = 3
"""After so many runs that failed, with nothing done, the task is taken to be broken."""


@dataclass(frozen=True)
class Progress:
    """How far a comparison is."""

    stage: str
    done: int
    planned: int
    best: tuple[str, float, float] | None
    """Strategy, rate and mean metric of the best so far."""
    resumed: int
    """Runs that an earlier call had finished; told when a stage begins."""
    run: Run | None
    """The run that has just ended."""
    bests: tuple[tuple[str, float, float], ...] = ()
    """The same for every strategy that has one, the best first."""


@dataclass
class _Job:
    """A branch at work."""

    key: int
    attempt: int
    branch: Branch
    finals: bool
    deaths: int = 0
    side: int = 0
    """How many jobs at the most were at work side by side when it began."""
    starved: bool = False
    """Whether memory did not suffice for what it was doing, and perhaps does with fewer jobs beside it."""
    alone: bool = False
    """Whether no other job is to be at work beside it: its process was killed, perhaps for want of memory."""
    checkpoint: str | bytes | None = None
    """The state that it has saved on the way, which no other branch needs."""


@dataclass
class Runner:
    """The trials of one comparison, trained as they are asked for.

    Invariant: every trial that is asked for and has no run is in exactly one branch, queued, running or left over, and
    the store holds the same branches. Whatever a worker sends changes both in one transaction.
    """

    context: RunContext
    question: Question
    store: Store
    engine: Engine
    share: bool
    at_once: int
    on_progress: Callable[[Progress], None]
    task_version: str | None = None
    """The version of the task, as the user named it; each run keeps it."""
    outcomes: dict[Trial, Run] = field(init=False)
    """Every run there is; at the beginning those that an earlier call has finished."""
    planned: dict[Trial, None] = field(default_factory=dict)
    """All trials that have been asked for, in their order."""
    stage: str = ""

    def __post_init__(self) -> None:
        """Read what an earlier call has left."""
        self.outcomes = {trial: run for trial, run in self.store.runs().items() if run.status in FINAL}
        self._before = set(self.outcomes)
        self._arrivals: queue.SimpleQueue[tuple[_Job, Part | Future[Any]]] = queue.SimpleQueue()
        self._thread = threading.get_ident()
        self._left = self.store.branches()
        families = self.question.families.items()
        self._family_of = {variant: family for family, variants in families for variant in variants}
        self._bests: dict[str, tuple[str, float, float]] = {}
        self._done = 0
        self._queue: list[_Job] = []
        # Not by key: a job that has sent everything may end after the store has given its key to the next.
        self._running: dict[int, _Job] = {}
        self._failed: set[Trial] = set()
        self._ended = len(self._before)
        self._expected = 0
        # Half of what is free stays free: other programs write to this disk too.
        self._room = shutil.disk_usage(self.store.folder).free // 2

    @property
    def runs(self) -> dict[Trial, Run]:
        """The runs of what has been asked for, in its order, however they ended."""
        return {trial: self.outcomes[trial] for trial in self.planned if trial in self.outcomes}

    def train(self, stage: str, trials: Iterable[Trial], *, finals: bool = False, expected: int = 0) -> None:
        """Have every trial trained that has no run yet, and keep each run as it ends.

        What is begun is ended first, which needs the fewest states. `expected` is told to who watches: how many runs
        there will be at the most, these and those that follow from them.
        """
        wanted = list(dict.fromkeys(trials))  # two strategies may have chosen the same
        self.stage, self._expected = stage, expected
        self.planned.update(dict.fromkeys(wanted))
        todo = [trial for trial in wanted if trial not in self.outcomes]
        self._tell(None)  # also if there is nothing to do: whoever watches sees the stage and what is there
        if todo:
            self._fill_queue(todo, finals)
            try:
                self._work()
            except KeyboardInterrupt as error:
                self._cancel(str(error) or "Ctrl-C")
                raise
        self.tidy()

    def _fill_queue(self, todo: list[Trial], finals: bool) -> None:
        """Take up branches that an earlier call left, and arrange the other trials on new ones."""
        missing = set(todo)
        for key, left in list(self._left.items()):
            # A state that does not go on bit for bit is of no use; a branch without one is as good as new.
            branch = left.only(missing) if self.share or not left.step else Branch(())
            if branch.trials:
                attempt = self.store.next_attempt(key)
                if len(branch.trials) < len(left.trials):
                    self.store.narrow(key, branch)
                self._queue.append(_Job(key, attempt, branch, finals))
                missing -= set(branch.trials)
                del self._left[key]
        rest = tuple(trial for trial in todo if trial in missing)
        arranged = ask(self.engine, arrange_trials, self.context, rest, self.share) if rest else None
        branches = arranged.branches if arranged else ()
        keys = self.store.add_branches(branches)
        new = [_Job(key, 1, branch, finals) for key, branch in zip(keys, branches, strict=True)]
        self._queue = [*reversed(new), *self._queue]  # taken from the end: what is begun is ended first

    def _work(self) -> None:
        while self._queue or self._running:
            while self._queue and len(self._running) < self.at_once:
                if self._running and (self._queue[-1].alone or any(job.alone for job in self._running.values())):
                    break
                self._start(self._queue.pop())
            job, arrival = self._arrivals.get()
            if isinstance(arrival, Future):  # a job's future comes after all its parts
                self._end(job, arrival)
            else:
                self._take(job, arrival)

    @property
    def side_by_side(self) -> int:
        """How many runs are trained side by side."""
        return max(1, min(self.at_once, self.engine.workers))

    def _start(self, job: _Job) -> None:
        self._running[id(job)] = job
        job.side, job.starved = self.side_by_side, False
        attempt = job.attempt

        def receive(part: Part) -> None:
            if threading.get_ident() == self._thread:
                # A job in this very process: kept at once, so that a stop in the middle loses nothing.
                self._take(job, part)
            elif attempt == job.attempt:  # what a worker that was given up still sends is not this attempt's
                self._arrivals.put((job, part))

        branch = self._with_content(job.branch)
        future = self.engine.submit(train_branch, self.context, branch, job.finals, on_part=receive)
        # After all its parts: the same thread puts both, so the queue keeps their order.
        future.add_done_callback(lambda future: self._arrivals.put((job, future)))

    def _with_content(self, branch: Branch) -> Branch:
        """Put the state itself into a branch that goes where its file is not."""
        if self.context.folder is not None or branch.state is None:
            return branch
        try:
            content = Path(str(branch.state)).read_bytes()
        except OSError:
            return branch.restarted()
        return replace(branch, state=content)

    def _on_disk(self, branch: Branch) -> Branch:
        if not isinstance(branch.state, bytes):
            return branch
        return replace(branch, state=self.store.write_state(branch.digest, branch.state))

    def _take(self, job: _Job, part: Part) -> None:
        """Keep what a worker sends, in one transaction, before anything is built on it."""
        if isinstance(part, FinalState):
            if isinstance(part.state, bytes):
                self.store.write_state(repr(tuple(part.trial)), part.state)
            return
        if isinstance(part, Run) and part.status == RunStatus.FAILED and tells_out_of_memory(part.message):
            if job.side > 1:
                job.starved = True  # it stays in the branch, and is tried again when the job has ended
                return
            part = replace(part, message=f"{part.message}; {REMEDY}")
        run, forked, gone = None, None, set[Trial]()
        if isinstance(part, Run):
            run, gone = replace(part, task_version=self.task_version), {part.trial}
        elif isinstance(part, Fork):
            forked = self._on_disk(part.branch)
            gone = set(forked.trials)
            if forked.step and self.store.states_size() > self._room:
                Path(str(forked.state)).unlink(missing_ok=True)
                forked = forked.restarted()  # there is no room for one more state: its beginning is trained again
        # A checkpoint replaces the branch by itself as it has become; from anything else trials only leave.
        left = self._on_disk(part.branch) if isinstance(part, Checkpoint) else job.branch
        left = left.only(set(left.trials) - gone)
        key = self.store.take(job.key, job.attempt, run, left if left.trials else None, forked)
        job.branch = left
        if isinstance(part, Checkpoint):
            self._forget(job.checkpoint)  # only now: until the store had the new one, the old one was needed
            job.checkpoint = left.state
        if forked is not None:
            self._queue.append(_Job(key, 1, forked, job.finals))
        if run is not None:
            self._note(run)

    def _note(self, run: Run) -> None:
        self.outcomes[run.trial] = run
        self._ended += 1
        if run.status == RunStatus.FAILED:
            self._failed.add(run.trial)
        self._tell(run)

    def _end(self, job: _Job, future: Future[Any]) -> None:
        """See how a job ended: what it has not sent is tried again, or ends as what happened to it."""
        del self._running[id(job)]
        error = future.exception()
        if not job.branch.trials and isinstance(error, (Died, TimedOut)):
            error = None  # it had sent everything
        if isinstance(error, Died | TaskError) and tells_out_of_memory(str(error)) and job.side > 1:
            job.starved = True
        if job.starved and job.branch.trials:
            self._make_room(job)
            self._again(job)
        elif isinstance(error, Died) and job.deaths < MOST_DEATHS:
            job.deaths += 1
            # The last try is without others: the system ends processes so when memory is short.
            job.alone = job.deaths == MOST_DEATHS and tells_perhaps_out_of_memory(str(error))
            self._again(job)
        elif isinstance(error, Died):
            self._give_up(job, RunStatus.KILLED, f"{error}; tried {MOST_DEATHS + 1} times")
        elif isinstance(error, TimedOut):
            self._give_up(job, RunStatus.TIMEOUT, str(error))
        elif isinstance(error, TaskError):
            self._give_up(job, RunStatus.FAILED, str(error))
        elif error is not None:
            raise error
        elif job.branch.trials:
            raise StudyError(f"{self.store.folder}: a worker ended without saying what became of {job.branch.trials}")
        if not job.branch.trials:
            self._forget(job.checkpoint)
        self._stop_if_broken()

    def _again(self, job: _Job) -> None:
        """Have what a job has not ended tried again."""
        # First the store, which from here on refuses what the dead worker's thread may still hand over.
        job.attempt = self.store.next_attempt(job.key)
        job.branch = job.branch if self.share else job.branch.restarted()
        self._queue.append(job)

    def _make_room(self, job: _Job) -> None:
        """Let half as many runs be trained side by side, unless that was done since the job began.

        So a job that fails for want of memory is tried again with ever fewer, at the last alone, and never for ever.
        """
        if job.side == self.side_by_side:
            self.at_once = job.side // 2  # none waits at a worker any more: what is at work is what was started
            self.engine.narrow(self.at_once)

    def _forget(self, state: str | bytes | None) -> None:
        if isinstance(state, str):
            Path(state).unlink(missing_ok=True)

    def _give_up(self, job: _Job, status: RunStatus, message: str) -> None:
        for trial in job.branch.trials:
            self._take(job, Run(trial, status, job.branch.step, 0.0, message=message))

    def _stop_if_broken(self) -> None:
        """Raise if nothing but failures comes back: a broken task is mended before more time goes into it.

        There must be several, of more than one training and more than one strategy: what begins together fails
        together, and a strategy that goes wrong is no broken task.
        """
        trainings = {(trial.seed, trial.base_lr) for trial in self._failed}
        strategies = {self._family_of[trial.strategy] for trial in self._failed}
        several = len(trainings) > 1 and len(strategies) >= min(2, len(self.question.families))
        if len(self._failed) >= MOST_FAILURES and several:
            self.stop_if_all_failed()

    def stop_if_all_failed(self) -> None:
        """Raise if every run there is has failed."""
        if not self._failed or len(self._failed) < self._ended:
            return
        message = next(run.message for run in self.outcomes.values() if run.status == RunStatus.FAILED)
        runs = "one run" if len(self._failed) == 1 else f"{len(self._failed)} runs"
        raise TaskError(f"{message} ({runs}, every one so far)")

    def _cancel(self, what: str) -> None:
        """Note the trials in work as cancelled; their branches stay, to be taken up by the next call."""
        for job in self._running.values():
            for trial in job.branch.trials:
                if trial not in self.outcomes:
                    message = f"stopped by {what}"
                    self.store.put(Run(trial, RunStatus.CANCELLED, job.branch.step, 0.0, message=message))

    def tidy(self) -> None:
        """Delete states that no trial needs: not those at the end of the verdict's runs, which the test may need."""
        waiting = (*(job.branch for job in self._queue), *self._left.values())
        needed = {Path(str(branch.state)) for branch in waiting if branch.state is not None}
        needed |= {self.store.state_path(trial) for trial in self.outcomes if trial.seed in self.question.seeds}
        self.store.keep_states(needed)

    def end(self) -> None:
        """Forget what an earlier call had begun and this one did not ask for."""
        self.store.forget_branches(self._left)
        self._left.clear()

    def _tell(self, run: Run | None) -> None:
        """Tell how far it is. The best so far are kept, since there may be thousands of runs."""
        new = self.planned if run is None else (run.trial,)
        pairs = dict.fromkeys(trial[:2] for trial in new)
        choices = [Choice(*pair) for pair in pairs]
        means = choice_means(self.outcomes, choices, self.question, self.context.layout.steps)
        if run is None:
            self._done = sum(trial in self.outcomes for trial in self.planned)
        else:
            self._done += 1
        for (variant, rate), mean in means.items():
            family = self._family_of[variant]
            best = self._bests.get(family)
            if best is None or self.question.cost(mean) < self.question.cost(best[2]):
                self._bests[family] = (family, rate, mean)
        bests = sorted(self._bests.values(), key=lambda best: self.question.cost(best[2]))
        self.on_progress(
            Progress(
                stage=self.stage,
                done=self._done,
                planned=max(self._expected, len(self.planned)),
                best=bests[0] if bests else None,
                resumed=len(self._before) if run is None else 0,
                run=run,
                bests=tuple(bests),
            )
        )
