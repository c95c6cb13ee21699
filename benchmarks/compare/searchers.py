"""The searches: Ratesmith's compare, Optuna, and Ray Tune's ASHA, each on the same recorded trainings.

Each leaves a trail: the pair (strategy, rate) that it would have returned, by the training steps it had spent.
"""

import logging
import math
import random
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from choosing import Chosen, choose, judge
from record import Recording, ReplayedTask
from tasks import EVERY, STEPS, STRATEGIES
from truth import Oracle, Pair, train

from ratesmith.experiment.standing import Standing
from ratesmith.finder import find


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


class Compared(NamedTuple):
    """A whole comparison by Ratesmith, and the updates that its parts took."""

    swept: int
    chosen: Chosen
    standing: Standing
    judged: int


def compared(recording: Recording, repetition: int) -> Compared:
    """Compare as Ratesmith does: a sweep says where to look, then whole runs, then fresh seeds."""
    task = ReplayedTask(recording, repetition)
    swept = find(recording.task, method="sweep", seeds=[repetition])
    assert swept.suggestion is not None

    def value(strategy: str, rate: float, seed: int) -> float:
        loss = train(task.start(seed), (strategy, rate), lambda step, loss: True)[1]
        return loss if math.isfinite(loss) else math.inf

    chosen = choose(value, recording.problem.lattice, swept.suggestion)
    return Compared(swept.updates, chosen, *judge(value, chosen.search))


def ratesmith(recording: Recording, repetition: int, budget: int) -> Trail:
    """Ratesmith as it comes."""
    swept, chosen, standing, judged = compared(recording, repetition)
    first = chosen.search.chosen()[standing.order[0]]
    return Trail(
        points=[(swept + steps, (choice.variant, choice.base_lr)) for steps, choice in chosen.trail],
        steps=swept + chosen.steps,
        verdict=(first.variant, first.base_lr),
        verdict_steps=judged,
    )
