"""get_trial: what one run of a user's own script is to do, and how the script reports; by hand, it trains as ever.

A comparison starts the script as a process of its own and leaves an address in its environment. The script connects
there over the loopback interface, is told its trial, and hears after each report whether it goes on. Messages are lines
of JSON. If the address falls silent, whoever started the script is gone, and the script ends.
"""

from __future__ import annotations

import atexit
import functools
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from ratesmith._checks import Option, OptionTypeError, OptionValueError, finite, whole
from ratesmith._random_states import random_states, seed_all, set_random_states
from ratesmith._script_channel import ADDRESS, Channel, Connection, rank_here, read_state, write_state
from ratesmith._whole_files import written_whole
from ratesmith.controllers import Controller
from ratesmith.horizon import Horizon
from ratesmith.schedule import Schedule
from ratesmith.strategy import Functions, ScheduleLike, as_strategy


class TrialStopped(SystemExit):
    """The run is to end here: it diverged, was cancelled, or its time is over.

    It is a SystemExit, so that a script that does not catch it ends quietly, with status 0.
    """

    def __init__(self, reason: str) -> None:
        """Keep the reason, as a sentence's part."""
        super().__init__(0)
        self.reason = reason

    def __str__(self) -> str:
        """Return the reason."""
        return self.reason


class TrialScheduler(Protocol):
    """What sets the rate in the script and counts its updates, as ScheduleLR does."""

    @property
    def last_epoch(self) -> int:
        """Updates made so far."""

    def observe(self, metrics: Mapping[str, float]) -> None:
        """Hear a measurement, and set the rate anew."""

    def step_to(self, step: int) -> None:
        """Set the number of updates made, and the rate that belongs to it."""

    def get_last_lr(self) -> list[Any]:
        """Return the rate of each parameter group now."""


class ActiveTrial:
    """One run of a script: the initial rate, the schedule, the length and the seed that it is to train with.

    `lr` is the initial rate, `schedule` the schedule's notation, `steps` the number of optimizer updates, `seed` the
    number that decides weights, order and all other randomness. `horizon` is the length for `parse(schedule).build`.
    `folds` is the number of parts that the script is to cut its data into, `fold` the one to measure on, counted from
    0: both are 0 unless a comparison asks for folds. Get one from `get_trial`.

    >>> trial = get_trial(lr=0.1, schedule="linear()", steps=4)
    >>> [trial.lr * trial.factor(step) for step in (0, 1, 4)]
    [0.1, 0.07500000000000001, 0.0]
    """

    def __init__(
        self,
        *,
        lr: float,
        schedule: str,
        steps: int,
        seed: int,
        steps_per_epoch: int | None = None,
        functions: Functions | None = None,
        channel: Channel | None = None,
        resume_from: str | None = None,
        every_loss: bool = False,
        fold: int = 0,
        folds: int = 0,
        fold_read: bool = False,
    ) -> None:
        """Take what the run is to do; `channel` is None if the script was started by hand.

        `resume_from`: a file that `checkpoint` wrote. `every_loss`: each training loss is sent as it comes.
        `fold_read`: whether the script has looked at its fold already, in the process that started this one.
        """
        self.folds, self._fold, self._fold_read = folds, fold, fold_read
        self.lr, self.schedule, self.steps, self.seed = lr, schedule, steps, seed
        self.steps_per_epoch, self.functions = steps_per_epoch, dict(functions or {})
        self._channel, self._resume_from, self._every_loss = channel, resume_from, every_loss
        self._schedulers: list[TrialScheduler] = []
        self._rates: TrialRate | None = None
        self._reports: list[tuple[int, dict[str, float]]] = []
        """What was reported, with the updates that the scheduler had counted: what a controller has heard."""
        self._objects: tuple[Any, ...] = ()
        self._losses: list[Any] = []
        self._trained = 0
        self._reported = -1
        self._rank = 0

    def __repr__(self) -> str:
        """Return the settings."""
        return f"<ActiveTrial {self.schedule} at {self.lr:g}, {self.steps} steps, seed {self.seed}>"

    @property
    def fold(self) -> int:
        """The part of the data to measure on, from 0; all others are to be trained on. 0 if there are no folds."""
        self._fold_read = True
        return self._fold

    @property
    def horizon(self) -> Horizon:
        """The length of the run, for schedules given as notation."""
        return Horizon(self.steps, self.steps_per_epoch)

    @functools.cached_property
    def controller(self) -> Controller[Any]:
        """The schedule, or the controller, built for the run."""
        return as_strategy(self.schedule, who="get_trial").build(self.horizon, self.functions)

    @property
    def factor(self) -> Schedule:
        """The schedule, a function of the step whose values multiply `lr`.

        Raise TypeError for a strategy that listens to measurements, since no function of the step can.
        """
        controller = self.controller
        if not isinstance(controller, Schedule):
            raise TypeError(
                f"trial.factor: {self.schedule} listens to measurements, and no function of the step does; "
                "use ScheduleLR.from_trial, or compare schedules alone"
            )
        return controller

    def rate(self, step: int) -> float:
        """Return the rate of update number `step`, counted from 0, for a loop that sets its rate itself.

        A controller hears what is reported, so ask for one step after the other. Nothing is counted by it: `report`
        needs its `step`. Raise TypeError if a scheduler of `from_trial` sets the rate.

        >>> trial = get_trial(lr=0.1, schedule="plateau(factor=0.5, patience=0)", steps=4)
        >>> before = trial.rate(0)
        >>> trial.report(loss=1.0, step=1), trial.report(loss=2.0, step=2)
        (None, None)
        >>> before, trial.rate(2)
        (0.1, 0.05)
        """
        if self._schedulers:
            raise OptionTypeError("trial.rate: a scheduler sets the rate already, got a second; leave one of them out")
        if self._rates is None:
            self._rates = TrialRate(self)
            self._replay([self._rates])  # what was reported before the first update
        self._rates.step_to(whole("trial.rate", "step", step, least=0))
        return float(self._rates.get_last_lr()[0])

    def attach(self, scheduler: TrialScheduler) -> None:
        """Let a scheduler hear the measurements that are reported, and count the updates for them."""
        self._schedulers.append(scheduler)

    def report(self, *, step: int | None = None, **metrics: Any) -> None:
        """Report measurements on the validation set, after `step` updates; the one at `trial.steps` decides.

        `step` may be left out if a scheduler of `from_trial` counts the updates, or `report_train` is called for each.
        Under a launcher of several processes call it in each of them: those of the first are kept.
        Raise TrialStopped if the run is to end, ValueError for a measurement that is no number, and for a step that the
        optimizer has passed.
        """
        if not metrics:
            raise OptionTypeError("trial.report: metrics must be given, got none; write report(loss=validation_loss)")
        numbers = {name: _number("trial.report", name, value) for name, value in metrics.items()}
        step = self._step(step)
        if self._schedulers and (updates := int(self._schedulers[0].last_epoch)) > step:
            raise OptionValueError(
                "trial.report: ",
                Option("step"),
                f" must be the number of updates made, got {step} after {updates} updates of the optimizer; "
                "count updates, not epochs or places in a loop, as get_trial's steps does",
            )
        led = self._led()
        for scheduler in led:
            getattr(scheduler, "refuse_others", lambda: None)()
        if self._rates is not None:
            self._rates.step_to(step)  # the updates made, of which `rate` knows one less
        self._reports.append((int(led[0].last_epoch) if led else step, numbers))
        for scheduler in led:
            if not isinstance(self.controller, Schedule):  # a schedule has nothing to hear
                scheduler.observe(numbers)
        self._reported = step
        read = {"fold_read": self._fold_read} if self.folds else {}
        self._ask(kind="report", step=step, metrics=numbers, losses=self._read_losses(), lr=self._rate(), **read)

    def report_train(self, loss: Any) -> None:
        """Report the training loss of one update, a number or a tensor with one; call it after each update.

        A sweep for the initial rate needs it. In a comparison it is drawn, and a loss that is not finite is noticed. A
        tensor is read when something is reported, so a device need not be waited for.
        """
        self._trained += 1
        if self._channel is None:
            return
        if self._every_loss:
            self._ask(kind="train", loss=_number("trial.report_train", "loss", loss))
        else:
            # A copy: a captured graph, or a reduction in place, writes over the tensor.
            self._losses.append(loss.detach().clone() if hasattr(loss, "detach") else loss)

    def checkpoint(self, *objects: Any) -> int:
        """Let runs share a beginning: name all that training changes, and go on from the step that is returned.

        `objects` have `state_dict` and `load_state_dict`: model, optimizer, scaler, and so on. Call it once, when all
        is made, and begin the loop at the step that it returns: 0, or more if a beginning was trained by another run.
        Random states are looked after. Schedulers of `from_trial` are too: leave schedulers out. States are saved while
        `report` is called, so they must not change between it and the next update. They are saved by PyTorch if it is
        in use, and as JSON otherwise; a state that cannot be saved so is not shared.
        """
        for thing in objects:
            if not (hasattr(thing, "state_dict") and hasattr(thing, "load_state_dict")):
                raise OptionTypeError(
                    f"trial.checkpoint: objects must have state_dict and load_state_dict, got {type(thing).__name__}; "
                    "give the model, the optimizer and what else training changes"
                )
            if hasattr(thing, "get_last_lr"):
                raise OptionTypeError(
                    f"trial.checkpoint: schedulers must be left out, got {type(thing).__name__}; its state would bring "
                    "another run's schedule along: make it with ScheduleLR.from_trial"
                )
        self._objects = objects
        if self._channel is None:
            return 0
        self._ask(kind="checkpoint")
        return 0 if self._resume_from is None else self._load(self._resume_from)

    # What follows is between the script and whoever has started it

    def end(self) -> None:
        """Send the training losses that no report has followed: of a script that gives up, they say why."""
        if self._channel is None or self._rank or not self._losses:
            return
        try:
            losses = self._read_losses()
        except Exception:  # a device may be what broke
            return
        self._channel.ask({"kind": "end", "losses": losses, "rank": 0})

    def _read_losses(self) -> list[float]:
        losses, self._losses = self._losses, []
        return [_number("trial.report_train", "loss", loss) for loss in losses]

    def _step(self, given: int | None) -> int:
        if given is not None:
            return whole("trial.report", "step", given, least=0)
        if (counted := self._count()) is not None:
            return counted
        raise OptionTypeError(
            "trial.report: ", Option("step"), " must be given, got none; write step= with the number of updates made"
        )

    def _count(self) -> int | None:
        """Return the updates that somebody has counted; None if nobody does."""
        if self._schedulers:
            return int(self._schedulers[0].last_epoch)
        return self._trained or None

    def _replay(self, schedulers: Iterable[TrialScheduler]) -> None:
        """Let a controller hear again what was reported; another run may have trained that, so no state is taken."""
        for scheduler in schedulers:
            for updates, numbers in [] if isinstance(self.controller, Schedule) else self._reports:
                scheduler.step_to(updates)
                scheduler.observe(numbers)

    def _led(self) -> list[TrialScheduler]:
        """Return what sets the rate: schedulers, or the loop itself; nothing if the trial does not know of it."""
        return self._schedulers or ([] if self._rates is None else [self._rates])

    def _rate(self) -> float | None:
        """Return the first group's rate now, which a controller may have changed; None if nothing is known of it."""
        led = self._led()
        rates = led[0].get_last_lr() if led else [None]
        return None if rates[0] is None else float(rates[0])

    def _ask(self, **message: Any) -> None:
        """Send a message and do what the answer says."""
        if self._channel is None:
            return
        # Once known it stays: PyTorch forgets the rank with its process group.
        self._rank = max(self._rank, rank_here())
        answer = self._channel.ask({**message, "rank": self._rank})
        if answer["do"] == "save":
            answer = self._channel.ask({"kind": "saved", "rank": self._rank, **self._save(answer["path"])})
        if answer["do"] == "stop":
            raise TrialStopped(answer["reason"])

    def _save(self, path: str) -> dict[str, Any]:
        """Save all that training changes; return whether that was possible, and why not."""
        if self._rank:
            return {"saved": True}  # the first process has saved what all of them share
        state = {
            "step": self._reported,
            "reports": [list(report) for report in self._reports],
            "objects": [thing.state_dict() for thing in self._objects],
            "random": random_states(),
        }
        try:
            with written_whole(Path(path)) as part:
                write_state(state, part)
        except Exception as error:  # whatever an object's state holds: then nothing is shared
            return {"saved": False, "why": f"{type(error).__name__}: {error}"}
        return {"saved": True}

    def _load(self, path: str) -> int:
        state = read_state(path)
        for thing, saved in zip(self._objects, state["objects"], strict=True):
            thing.load_state_dict(saved)
        step = int(state["step"])
        self._reports = [(int(updates), dict(numbers)) for updates, numbers in state["reports"]]
        self._replay(self._led())
        for scheduler in self._led():
            scheduler.step_to(step)
        self._trained = self._reported = step
        set_random_states(state["random"])
        return step

    def __reduce__(self) -> tuple[Any, ...]:
        """Let it be handed to processes that the script spawns: each finds its own way to the address."""
        settings = {
            "lr": self.lr,
            "schedule": self.schedule,
            "steps": self.steps,
            "seed": self.seed,
            "steps_per_epoch": self.steps_per_epoch,
            "functions": self.functions,
        }
        return _from_settings, (settings, self._fold_read)


class TrialRate:
    """The rate of a trial at a step, for frameworks that have no ScheduleLR; attached, it hears what is reported.

    >>> rate = TrialRate(get_trial(lr=0.1, schedule="linear()", steps=4))
    >>> rate.step_to(1)
    >>> rate.get_last_lr()
    [0.07500000000000001]
    """

    def __init__(self, trial: ActiveTrial) -> None:
        """Begin at step 0."""
        self._base, self._controller = trial.lr, trial.controller
        self._state, self._step = self._controller.init(), 0

    @property
    def last_epoch(self) -> int:
        """Updates made so far."""
        return self._step

    def observe(self, metrics: Mapping[str, float]) -> None:
        """Hear a measurement."""
        self._state = self._controller.observe(self._state, self._step, metrics)

    def step_to(self, step: int) -> None:
        """Set the number of updates made."""
        self._step = step

    def get_last_lr(self) -> list[Any]:
        """Return the rate of the next update, in a list."""
        return [self._base * float(self._controller.value(self._state, self._step))]


def get_trial(
    *,
    lr: float,
    steps: int,
    schedule: ScheduleLike = "constant()",
    seed: int = 0,
    steps_per_epoch: int | None = None,
    functions: Functions | None = None,
) -> ActiveTrial:
    """Return the trial that this script is to train: what is given here, or what a comparison asks for.

    Run by hand, the script trains as these options say, and nothing is written. Under `ratesmith compare script.py` or
    `ratesmith find script.py` the trial has the rate, schedule, length, seed and fold of the run. The generators of
    Python, NumPy and PyTorch are then seeded with `trial.seed`; what has a generator of its own is the script's to
    seed.

    `lr`: the initial rate, which the schedule's factors multiply. `steps`: optimizer updates of the run.
    `schedule`: notation, a schedule or a controller. `steps_per_epoch`: updates of one pass over the data, for lengths
    in epochs such as "2ep". `functions`: rules of your own, that `custom("name")` may name.

    Raise ValueError or TypeError for options that cannot hold.

    >>> get_trial(lr=0.1, schedule="cosine()", steps=2000)
    <ActiveTrial cosine() at 0.1, 2000 steps, seed 0>
    """
    settings: dict[str, Any] = {
        "lr": finite("get_trial", "lr", lr, least=0.0),
        "schedule": as_strategy(schedule, who="get_trial").text,
        "steps": whole("get_trial", "steps", steps, least=1),
        "seed": whole("get_trial", "seed", seed, least=0),
        "steps_per_epoch": _none_or_whole(steps_per_epoch),
        "functions": dict(functions or {}),
    }
    if ADDRESS not in os.environ:
        trial = ActiveTrial(**settings)
        _ = trial.controller  # a mistake in the schedule is told here, where it was made
        return trial
    trial = _from_settings(settings)
    seed_all(trial.seed)
    return trial


def _none_or_whole(steps_per_epoch: int | None) -> int | None:
    return None if steps_per_epoch is None else whole("get_trial", "steps_per_epoch", steps_per_epoch, least=1)


def _from_settings(settings: dict[str, Any], fold_read: bool = False) -> ActiveTrial:
    """Return the trial that the address asks for; that of the settings if there is no address."""
    address = os.environ.get(ADDRESS)
    if address is None:
        return ActiveTrial(**settings)
    channel = Connection(address)
    functions = settings["functions"]
    asked = {**settings, "functions": sorted(functions)}
    answer = channel.ask({"kind": "hello", "asked": asked, "rank": rank_here()})
    if answer["do"] == "stop":
        raise TrialStopped(answer["reason"])
    trial = ActiveTrial(
        **answer["trial"],
        steps_per_epoch=settings["steps_per_epoch"],
        functions=functions,
        channel=channel,
        fold_read=fold_read,
    )
    process = os.getpid()
    # Not in a process that was forked: it has a copy of what its parent will send.
    atexit.register(lambda: trial.end() if os.getpid() == process else None)
    return trial


def _number(who: str, name: str, value: Any) -> float:
    """Return a measurement as a float: a number, a NumPy number, or a tensor or array with one element."""
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError
        if hasattr(value, "detach"):
            value = value.detach()  # PyTorch warns of a float of what has a gradient
        return float(value.item() if hasattr(value, "item") else value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise OptionValueError(
            f"{who}: {name} must be one number, got {type(value).__name__}; give its mean, as a number"
        ) from None
