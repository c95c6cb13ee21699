"""The searches: Ratesmith's compare, Optuna, and Ray Tune's ASHA, each on the same recorded trainings.

Each leaves a trail: the pair (strategy, rate) that it would have returned, by the training steps it had spent.
"""

import itertools
import logging
import math
import random
import statistics
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from record import Recording, ReplayedTask
from tasks import EVERY, STEPS, STRATEGIES
from truth import Oracle, Pair, train

from ratesmith.experiment import Comparison, Progress, compare


@dataclass
class Trail:
    """What a search would have returned, from how many training steps on, and what it cost in all."""

    points: list[tuple[int, Pair | None]] = field(default_factory=list)
    steps: int = 0
    verdict: Pair | None = None
    """What Ratesmith returns after its fresh seeds."""
    verdict_steps: int = 0

    def say(self, pair: Pair | None) -> None:
        """Note what would be returned now."""
        if not self.points or self.points[-1][1] != pair:
            self.points.append((self.steps, pair))

    @property
    def last(self) -> Pair | None:
        """What was returned in the end."""
        return self.points[-1][1] if self.points else None

    def settled(self, oracle: Oracle, margin: float, budget: int) -> float:
        """Return the steps from which on what it would return is within the margin; infinite if never in the budget."""
        found = math.inf
        for steps, pair in reversed(self.points):
            if oracle.regret(pair) > margin:
                break
            found = steps
        return found if found <= budget else math.inf


Search = Callable[[Recording, int, int], Trail]
"""For a recording, a repetition, and the steps that may be spent."""


def optuna(recording: Recording, repetition: int, budget: int) -> Trail:
    """Optuna as it comes: TPE, the median pruner, a journal; the rate is a place in the grid, to be in order."""
    import optuna as package
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    package.logging.set_verbosity(package.logging.WARNING)
    task, trail, rates = ReplayedTask(recording, repetition), Trail(), recording.problem.rates

    def objective(trial: Any) -> float:
        strategy = trial.suggest_categorical("strategy", STRATEGIES)
        pair = strategy, rates[trial.suggest_int("rate", 0, len(rates) - 1)]

        def told(step: int, loss: float) -> bool:
            trial.report(loss, step)
            return not trial.should_prune()

        steps, loss = train(task.start(0), pair, told)
        trail.steps += steps
        if math.isnan(loss):
            raise package.TrialPruned
        return loss

    def after(study: Any, _: Any) -> None:
        whole = [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"]
        best = study.best_trial.params if whole else None
        trail.say(None if best is None else (best["strategy"], rates[best["rate"]]))
        if trail.steps >= budget:
            study.stop()

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = package.create_study(
            storage=JournalStorage(JournalFileBackend(str(Path(folder) / "journal.log"))),
            sampler=package.samplers.TPESampler(seed=repetition),
            pruner=package.pruners.MedianPruner(),
        )
        study.optimize(objective, callbacks=[after])
    return trail


def asha(recording: Recording, repetition: int, budget: int) -> Trail:
    """Ray Tune's ASHA over the whole grid in random order, one trial at a time; a time unit is one measurement.

    Ray's own scheduler object decides; that it decides so inside `Tuner.fit` too, check_tune.py shows.
    """
    logging.getLogger("ray").setLevel(logging.ERROR)
    from ray.tune.schedulers import ASHAScheduler

    scheduler = ASHAScheduler(metric="loss", mode="min", max_t=STEPS // EVERY)
    task, trail = ReplayedTask(recording, repetition), Trail()
    last: dict[Pair, float] = {}
    for number, pair in enumerate(shuffled(recording, repetition)):
        trial: Any = SimpleNamespace(trial_id=str(number))
        controller: Any = None
        scheduler.on_trial_add(controller, trial)

        def told(step: int, loss: float, pair: Pair = pair, trial: Any = trial, controller: Any = controller) -> bool:
            last[pair] = loss
            result = {"training_iteration": step // EVERY, "loss": loss}
            if scheduler.on_trial_result(controller, trial, result) == "CONTINUE":
                return True
            scheduler.on_trial_complete(controller, trial, result)
            return step == STEPS

        steps, _ = train(task.start(0), pair, told)
        trail.steps += steps
        # As ResultGrid.get_best_result does: by the last value that each trial reported.
        trail.say(min(last, key=last.__getitem__, default=None))
        if trail.steps >= budget:
            break
    return trail


def shuffled(recording: Recording, repetition: int) -> list[Pair]:
    """Return the grid in a random order."""
    grid = Oracle(recording).grid
    random.Random(repetition).shuffle(grid)
    return grid


class Watch:
    """Follows a comparison: what it would return if it were stopped now.

    That is the best mean at the longest length that was tried, over the most seeds: of what is in work only once the
    best of the stage before has its result there, since neither lengths nor seeds can be compared.
    """

    def __init__(self, choice_seeds: int) -> None:
        """Begin with nothing."""
        self.trail = Trail()
        self._seeds = choice_seeds
        self._losses: dict[int, dict[Pair, list[float]]] = {}

    def hear(self, progress: Progress) -> None:
        """Take in a run that ended."""
        run = progress.run
        if run is None:
            return
        if progress.stage == "verdict":
            self.trail.verdict_steps += run.updates - run.shared
            return
        self.trail.steps += run.updates - run.shared
        pair = run.trial.strategy, run.trial.base_lr
        loss = run.metrics["loss"] if run.done else math.inf
        self._losses.setdefault(run.trial.steps, {}).setdefault(pair, []).append(loss)
        self.trail.say(self._now())

    def _now(self) -> Pair | None:
        found: Pair | None = None
        for steps, seeds in itertools.product(sorted(self._losses), range(1, self._seeds + 1)):
            whole = {
                pair: statistics.fmean(losses[:seeds])
                for pair, losses in self._losses[steps].items()
                if len(losses) >= seeds
            }
            if not whole:
                continue
            if found is not None and found not in whole:
                break
            sound = {pair: loss for pair, loss in whole.items() if math.isfinite(loss)}
            found = min(sound, key=sound.__getitem__, default=found)
        return found


def ratesmith(rungs: Sequence[float] = (0.125,), choice_seeds: int = 2, seeds: int = 5) -> Search:
    """Return the search by `compare` with these options."""

    def search(recording: Recording, repetition: int, budget: int) -> Trail:
        watch = Watch(choice_seeds)
        comparison = through_compare(recording, repetition, watch, rungs=rungs, choice_seeds=choice_seeds, seeds=seeds)
        best = comparison.best
        watch.trail.verdict = None if best is None or best.base_lr is None else (best.chosen, best.base_lr)
        return watch.trail

    return search


def through_compare(recording: Recording, repetition: int, watch: Watch, **options: Any) -> Comparison:
    """Compare all strategies, in a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        return compare(
            ReplayedTask(recording, repetition),
            STRATEGIES,
            folder=folder,
            steps=STEPS,
            rates=recording.problem.rates,
            evaluate_every=2 * EVERY,
            on_progress=watch.hear,
            **options,
        )
