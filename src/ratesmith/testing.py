"""The laws that every schedule, controller and task keeps, to test your own with.

from ratesmith.testing import check_schedule

def test_mine_keeps_the_laws():
    check_schedule(MySchedule(steps=100))
"""

from __future__ import annotations

import json
import math
import random
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from ratesmith._checks import FARTHEST
from ratesmith.controllers import Controller, restore
from ratesmith.schedule import Schedule
from ratesmith.task import Task, Training, loss_of

__all__ = ["check_controller", "check_schedule", "check_task"]

FAR_STEPS: Final = (2**24 + 1, 10**9, FARTHEST)
"""Steps that no training reaches, and `where` on an array evaluates all the same."""


def check_schedule(schedule: Schedule, steps: Iterable[int] = ()) -> None:
    """Raise AssertionError, with a sentence, if a schedule breaks a law.

    Every value is a finite float, the same when asked again; it is flat before step 0 and past its end; the schedule
    equals and hashes like itself; its length is None or a whole number of at least 0; an array of steps gives an array
    of the same shape and the values one by one, for NumPy if it is installed, and for torch and JAX if they are
    imported. `steps` are more steps to look at than those around the ends, the breakpoints and some between.

    >>> from ratesmith import Ramp
    >>> check_schedule(Ramp(0.0, 1.0, 100, "cosine") >> Ramp(1.0, 0.0, 900))
    """
    _hold(isinstance(schedule, Schedule), f"it must be an instance of a subclass of Schedule, got {schedule!r}")
    length: Any = getattr(schedule, "steps", "none at all")
    _hold(
        length is None or (type(length) is int and length >= 0), f"steps must be None or a whole number, got {length!r}"
    )
    _hold(schedule == schedule and hash(schedule) == hash(schedule), "it must equal and hash like itself")
    end = 200 if length is None else length
    between = {end * tenth // 10 for tenth in range(11)} | set(schedule.breakpoints(0, end)[:100])
    looked_at = {-(2**40), -1, 0, 1, *FAR_STEPS, *steps} | {step + by for step in between for by in (-1, 0, 1)}
    values = {step: schedule(step) for step in sorted(looked_at)}
    for step, value in values.items():
        _hold(
            isinstance(value, float) and math.isfinite(value),
            f"at step {step} it must be a finite float, got {value!r}",
        )
        _hold(schedule(step) == value, f"at step {step} it must give the same when asked again")
        _hold(step >= 0 or value == values[0], f"before step 0 it must be flat, got {value!r} at {step}")
        if length is not None and step > length:
            same = math.isclose(value, float(schedule(length)), rel_tol=1e-12, abs_tol=1e-300)
            _hold(same, f"past its end it must be flat, got {value!r} at step {step}")
    _check_arrays(schedule, values)


def _check_arrays(schedule: Schedule, values: Mapping[int, float]) -> None:
    """Compare arrays of steps with the values one by one, in every array library at hand."""
    try:
        import numpy
    except ImportError:
        return
    steps, expected = numpy.array(list(values)), numpy.array(list(values.values()))
    try:
        actual = schedule(steps.reshape(1, -1))
    except Exception as error:
        cause = f"{type(error).__name__}: {error}"
        raise AssertionError(
            f"it must take an array, got {cause}; use xp.clip and xp.where, not min, max and if"
        ) from error
    _compare("a NumPy array", actual, expected, (1, len(values)), 1e-12)
    if "torch" in sys.modules:
        actual = schedule(sys.modules["torch"].as_tensor(steps))
        _compare("a torch tensor", actual.numpy(), expected, steps.shape, 1e-12)
    if "jax" in sys.modules:
        # JAX computes in single precision, unless told otherwise
        near = (abs(steps) < 2**24) & (abs(expected) < 1e30)
        jax = sys.modules["jax"]
        actual = jax.jit(lambda array: schedule(array))(jax.numpy.asarray(steps[near]))
        _compare("a JAX array inside jit", actual, expected[near], steps[near].shape, 1e-5)


def _compare(what: str, actual: Any, expected: Any, shape: tuple[int, ...], tolerance: float) -> None:
    _hold(tuple(actual.shape) == tuple(shape), f"{what} of shape {shape} must give that shape, got {actual.shape}")
    largest = max(1e-30, float(abs(expected).max()))
    for ours, theirs in zip(actual.reshape(-1).tolist(), expected.tolist(), strict=True):
        near = math.isclose(ours, theirs, rel_tol=tolerance, abs_tol=tolerance * largest)
        _hold(near, f"{what} must give the values one by one, got {ours!r} for {theirs!r}")


def check_controller(controller: Controller[Any], measurements: Iterable[Mapping[str, float]] | None = None) -> None:
    """Raise AssertionError, with a sentence, if a controller breaks a law.

    Every value is a finite float of at least 0, the same when asked again; `observe` leaves the state that it is given
    as it was; the state saved as JSON after any measurement, and read by `ratesmith.controllers.restore`, goes on to
    the same states; `why` gives a text. Without `measurements` it is given 60 random losses, some NaN or infinite; one
    that listens to another metric needs `measurements` of it.

    >>> from ratesmith import Plateau
    >>> check_controller(Plateau(patience=1))
    """
    for name in ("init", "observe", "value", "why"):
        fits = callable(getattr(controller, name, None)) and not isinstance(controller, type)
        _hold(fits, f"it must be an instance with the method {name}, got {controller!r}")
    measured = list(measurements) if measurements is not None else _random_losses()
    _hold(bool(measured), "it must be given at least one measurement")
    state = controller.init()
    _hold(isinstance(state, tuple), f"a state must be a NamedTuple of numbers, got {state!r}")
    states, values = [state], [controller.value(state, 0)]
    for step, metrics in enumerate(measured, 1):
        before = repr(state)
        after = controller.observe(state, step, metrics)
        _hold(repr(state) == before, f"observe must leave the state as it was, at measurement {step}")
        why = controller.why(state, after)
        _hold(isinstance(why, str), f"why must give a text, got {why!r} at measurement {step}")
        value = controller.value(after, step)
        finite = isinstance(value, (int, float)) and math.isfinite(value) and value >= 0
        _hold(finite, f"value must be a finite number of at least 0, got {value!r} after measurement {step}")
        _hold(controller.value(after, step) == value, f"value must be the same when asked again, at step {step}")
        states.append(state := after)
        values.append(value)
    for begin, saved in enumerate(states):
        state = restore(controller, json.loads(json.dumps(saved)))
        _hold(state == saved, f"the state after measurement {begin} must survive JSON, got {state!r} for {saved!r}")
        for step, metrics in enumerate(measured[begin:], begin + 1):
            state = controller.observe(state, step, metrics)
            same = controller.value(state, step) == values[step]
            _hold(same, f"resumed after measurement {begin} it must give the same value after measurement {step}")
        _hold(state == states[-1], f"resumed after measurement {begin} it must go on to the same state, got {state!r}")


def check_task(task: Task, steps: int | None = None) -> None:
    """Raise AssertionError, with a sentence, if a task breaks a law that finding and comparing rest on.

    The same seed begins the same training, whatever was trained between; another seed another one, or the same. Losses
    are numbers. Measuring gives a "loss" and changes nothing; test data is other data, if the task says that it has
    any. A training goes on from its state, saved and loaded by the task, bit for bit, whatever the training that it is
    loaded into has done. Each is looked at over `steps` updates, by default over the end of an epoch if that has at
    most 100, so that what happens there, or every few updates, is seen too. A law may still break later.
    """
    what = task.__name__ if isinstance(task, type) else type(task).__name__
    fits = isinstance(task, Task) and not isinstance(task, type)
    _hold(fits, f"it must be an object with has_test, start, save and load, got {what}")
    has_test: Any = task.has_test
    _hold(
        isinstance(has_test, bool),
        f"has_test must be True or False, got {has_test!r}; make it an attribute, or a property",
    )
    _hold(steps is None or (type(steps) is int and steps > 0), f"steps must be a whole number above 0, got {steps!r}")
    training = _start(task, 0)
    if steps is None:  # an odd number, so that what counts to 2, 4 or 8 is in the middle of it
        steps = training.steps_per_epoch + 1 if FEWEST_STEPS <= training.steps_per_epoch <= LONGEST_EPOCH else 0
        steps = max(FEWEST_STEPS, steps + (steps + 1) % 2)
    first = _trained(training, steps)
    _finite(first, "step", "updates; look for NaN in the data, the logarithm of 0, or a far too high base_lr")
    _trained(_start(task, 1), min(steps, FEWEST_STEPS))
    _same(
        first,
        _trained(_start(task, 0), steps),
        "start must begin the same training for the same seed",
        "make the weights, the order of the data and all other chance from the seed",
    )
    training = _start(task, 0)
    validation = [_measured(training)["loss"]]
    tested = _tested(training) if has_test else None
    measured = [_step(training)]
    for step in range(1, steps):
        if step < FEWEST_STEPS or step == steps - 1:
            once, twice = _measured(training), _measured(training)
            validation.append(once["loss"])
            for name in once:
                _hold(
                    repr(float(once[name])) == repr(float(twice.get(name, math.nan))),
                    f"evaluate must give the same when asked again, got {name} {once[name]!r} and then "
                    f"{twice.get(name)!r}; measure on the same data, without dropout and other chance",
                )
        measured.append(_step(training))
    _same(
        first,
        measured,
        "evaluate must leave the training as it was",
        "put back training flags, random states and the place in the data",
    )
    _finite(validation, "evaluate", "measurements; look for NaN or infinity in the validation data")
    _hold(
        tested is None or repr(tested) != repr(validation[0]),
        f"evaluate('test') must measure on test data, got exactly the loss of the validation data, {tested!r}; use the "
        "split that evaluate is given, or let has_test be False",
    )
    raised = _start(task, 0)
    _step(raised)
    higher = [float(raised.step(10 * raised.base_lr)), _step(raised)]
    if repr(higher) == repr(first[1:3]):  # several calls may make an update: then the rate shows later
        higher += [float(raised.step(10 * raised.base_lr)) for _ in range(3, steps)]
    _hold(
        repr(higher) != repr(first[1:]),
        f"step must use the rate that it is given, got the same losses at another, over {steps} updates; set it on the "
        "optimizer before each",
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state"
        _asked("save(state, path)", task.save, _asked("state_dict()", training.state_dict), path)
        _hold(path.exists(), "save must write the file that it is told, got none of that name")
        expected = _trained(training, steps)
        for other, name in ((_start(task, 0), "a new training"), (training, "the same training, trained further")):
            _asked("load_state_dict(state)", other.load_state_dict, _asked("load(path)", task.load, path))
            _same(
                expected,
                _trained(other, steps),
                f"load_state_dict must go on from a state, saved after {steps} updates, bit for bit in {name}",
                "state_dict needs all that decides the next update: model, optimizers, scaler, the place in the data, "
                "random states, and whatever counts updates or batches",
            )


def _finite(losses: list[float], name: str, what: str) -> None:
    """Raise AssertionError if no loss is a number: all would be alike, and comparing them would show nothing."""
    number = any(map(math.isfinite, losses))
    _hold(number, f"{name} must give a loss that is a number, got {losses[0]} in all of {len(losses)} {what}")


def _tested(training: Training) -> float:
    """Return the loss on the test data; raise AssertionError if there is none though the task says so."""
    try:
        return _measured(training, "test")["loss"]
    except AssertionError as error:
        raise AssertionError(
            f"{error}; has_test says that there is test data: give the task some, or let has_test be False"
        ) from error


FEWEST_STEPS: Final = 7
"""Updates that a task is looked at for."""
LONGEST_EPOCH: Final = 100
"""Updates of an epoch whose end is looked at too."""


def _trained(training: Training, steps: int) -> list[float]:
    return [_step(training) for _ in range(steps)]


def _asked(call: str, function: Any, *given: Any) -> Any:
    """Return what a method of the user's returns; an error in it is told as one of that method."""
    try:
        return function(*given)
    except Exception as error:
        raise AssertionError(f"{call} must not raise, got {type(error).__name__}: {error}") from error


def _start(task: Task, seed: int) -> Training:
    """Begin a training, and see that it says what is asked of it."""
    training: Training = _asked("start(seed)", task.start, seed)
    rate: Any = getattr(training, "base_lr", None)
    number = isinstance(rate, (int, float)) and not isinstance(rate, bool) and rate > 0 and math.isfinite(rate)
    _hold(number, f"base_lr must be a number above 0, got {rate!r}; give the first parameter group's own rate")
    epoch: Any = getattr(training, "steps_per_epoch", None)
    _hold(isinstance(epoch, int) and epoch > 0, f"steps_per_epoch must be a whole number above 0, got {epoch!r}")
    return training


def _step(training: Training) -> float:
    """Make an update at the training's own rate."""
    loss: Any = _asked("step(lr)", training.step, training.base_lr)
    try:
        return loss_of(loss)
    except TypeError as error:
        raise AssertionError(str(error)) from None


def _measured(training: Training, split: str | None = None) -> dict[str, float]:
    """Measure, and see that it gives numbers by name, the loss among them."""
    asked = () if split is None else (split,)
    call = f"evaluate({split!r})" if asked else "evaluate()"
    metrics: Any = _asked(call, training.evaluate, *asked)
    evaluate = call if asked else "evaluate"
    _hold(isinstance(metrics, Mapping), f"{evaluate} must return a dict of numbers, got {metrics!r}")
    _hold("loss" in metrics, f"{evaluate} must give a 'loss', got {sorted(metrics)}; report the validation loss so")
    try:
        return {name: float(value) for name, value in metrics.items()}
    except (TypeError, ValueError):
        raise AssertionError(f"{evaluate} must return numbers, got {metrics!r}") from None


def _same(expected: list[float], got: list[float], law: str, remedy: str) -> None:
    """Raise AssertionError with the first update whose losses differ, and what is likely to be wrong."""
    for update, (one, other) in enumerate(zip(expected, got, strict=True), 1):
        _hold(repr(one) == repr(other), f"{law}: the loss of update {update} was {one!r}, then {other!r}; {remedy}")


def _random_losses() -> list[dict[str, float]]:
    noise = random.Random(0)  # noqa: S311  # nothing secret
    odd = {7: math.nan, 23: math.inf, 24: -math.inf}
    return [{"loss": odd.get(step, 2 / (1 + step) + noise.gauss(0, 0.1))} for step in range(60)]


def _hold(law: bool, sentence: str) -> None:
    if not law:
        raise AssertionError(sentence)
