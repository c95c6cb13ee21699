"""Keras 3: a schedule that saves with the model, a callback that trains as a trial asks, and finding a rate."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ratesmith._extras import needs

with needs("ratesmith.keras", extra="keras", also=", and a backend"):
    import keras

import numpy as np

from ratesmith import finder
from ratesmith._checks import Option, OptionTypeError, OptionValueError, finite, whole
from ratesmith._random_states import preserve_rng_state, seed_all
from ratesmith._script import ActiveTrial, TrialRate
from ratesmith._trial_callback import checked_trial, measurements, refuse_taken
from ratesmith.finder import FinderError, FinderResult
from ratesmith.horizon import Horizon
from ratesmith.schedule import Schedule
from ratesmith.strategy import ScheduleLike, as_schedule

__all__ = ["KerasSchedule", "TrialCallback", "find"]


@keras.saving.register_keras_serializable(package="ratesmith")
class KerasSchedule(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]  # Keras has no types
    """A schedule as Keras takes one: `keras.optimizers.SGD(learning_rate=KerasSchedule(schedule, base_lr))`.

    The rate is `base_lr * schedule(step)`. `schedule` is a schedule, or notation, with `horizon`, the length of
    training, if its lengths need one. Its text is saved with the model; so it must have no function of your own. Keras
    counts batches, also if it accumulates gradients: with `accumulate`, the optimizer's gradient_accumulation_steps,
    the step is the number of updates.

    >>> from ratesmith import Ramp
    >>> rate = KerasSchedule(Ramp(1.0, 0.0, 10), base_lr=0.1)
    >>> round(float(rate(5)), 6), rate.get_config()["schedule"]
    (0.05, 'Ramp(1.0, 0.0, 10)')
    """

    def __init__(
        self,
        schedule: ScheduleLike,
        base_lr: float = 1.0,
        accumulate: int = 1,
        *,
        horizon: Horizon | int | None = None,
    ) -> None:
        """Read the schedule, and see that its text reads back."""
        self.base_lr = finite("KerasSchedule", "base_lr", base_lr, least=0.0)
        self.accumulate = whole("KerasSchedule", "accumulate", accumulate, least=1)
        built = as_schedule(schedule, horizon, who="KerasSchedule")
        if not isinstance(built, Schedule):
            must = f" must not listen to a metric, got {built}; use a schedule"
            raise OptionTypeError("KerasSchedule: ", Option("schedule"), must)
        read_back = as_schedule(str(built))
        assert isinstance(read_back, Schedule)  # the text of a schedule is one
        self.schedule = read_back

    def __call__(self, step: Any) -> Any:
        """Return the rate for a step, a number or a tensor of the backend."""
        counted = keras.ops.convert_to_tensor(step) // self.accumulate
        return keras.ops.cast(self.base_lr * self.schedule(counted), keras.config.floatx())

    def get_config(self) -> dict[str, Any]:
        """Return what Keras saves: text and numbers."""
        return {"schedule": str(self.schedule), "base_lr": self.base_lr, "accumulate": self.accumulate}


class TrialCallback(keras.callbacks.Callback):  # type: ignore[misc]  # Keras has no types
    """Lets `fit` train as a trial asks: `model.fit(..., epochs=trial.steps, callbacks=[TrialCallback(trial)])`.

    The rate is set before each batch, by a schedule or a controller, on the torch and JAX backends. `fit` ends after
    `trial.steps` updates, also within an epoch, with a last validation; so `epochs` need only be many enough. What is
    measured on `validation_data` at each epoch's end is reported, `val_loss` as `loss` and so on. A run that is to end
    raises TrialStopped out of `fit`. Compile the model with a number as its optimizer's rate, `trial.lr`.

    Raise TypeError for what is no trial, and for a model whose rate is a schedule; ValueError for one that makes
    several steps at a time, for too few epochs, without validation_data, and for a second training.
    """

    def __init__(self, trial: ActiveTrial) -> None:
        """Take the trial, as `ratesmith.get_trial` returns it."""
        super().__init__()
        self.trial = checked_trial(trial)
        self._rate: TrialRate | None = None
        self._losses: list[float] = []

    def on_train_begin(self, logs: Any = None) -> None:
        """See that the model can be trained so."""
        refuse_taken(self.trial)
        _refuse_several_steps("TrialCallback", self.model)
        optimizer = self.model.optimizer
        _set_number("TrialCallback", optimizer, self.trial.lr, "give the schedule to get_trial")
        self._accumulated = optimizer.gradient_accumulation_steps or 1
        # Keras counts the batches that it accumulates from the optimizer's first one on.
        self._batches = int(_number(optimizer.iterations)) % self._accumulated
        epochs, batches = self.params.get("epochs"), self.params.get("steps")
        if epochs and batches and epochs * batches < self.trial.steps * self._accumulated:
            raise OptionValueError(
                "TrialCallback: ",
                Option("epochs"),
                f" must be enough for {self.trial.steps} updates, got {epochs} of {batches} batches; write "
                f"epochs={-(-self.trial.steps * self._accumulated // batches)}, or epochs=trial.steps",
            )
        self._rate = TrialRate(self.trial)
        self.trial.attach(self._rate)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Begin the epoch's mean loss anew, as Keras does."""
        self._averaged, self._mean = 0, 0.0

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Set the rate of the batch."""
        assert self._rate is not None
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()  # its variables are old until then, and the new rate would be lost
        self.model.optimizer.learning_rate = self._rate.get_last_lr()[0]

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count the batch, report the update's loss, and end after the last update."""
        assert self._rate is not None
        self._batches += 1
        if logs and "loss" in logs:
            self._losses.append(self._loss_of_batch(float(logs["loss"])))
        if self._batches % self._accumulated:
            return
        self._rate.step_to(self._batches // self._accumulated)
        if self._losses:
            self.trial.report_train(sum(self._losses) / len(self._losses))
            self._losses.clear()
        if self._rate.last_epoch >= self.trial.steps:
            self.model.stop_training = True

    def _loss_of_batch(self, mean: float) -> float:
        """Return the loss of the last batch; Keras gives the mean of all of the epoch's so far."""
        self._averaged += 1
        before, self._mean = self._mean, mean
        return mean * self._averaged - before * (self._averaged - 1)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Report what was measured."""
        assert self._rate is not None
        measured = measurements(logs or {}, ["val_"])
        if measured:
            self.trial.report(step=self._rate.last_epoch, **measured)
        elif self._rate.last_epoch >= self.trial.steps or not epoch:
            raise OptionValueError(
                "TrialCallback: ",
                Option("validation_data"),
                " must be measured after the last update, got none; give it to fit, with validation_freq=1",
            )


def find(
    model: keras.Model,
    x: Any,
    y: Any = None,
    *,
    sample_weight: Any = None,
    class_weight: Mapping[int, float] | None = None,
    batch_size: int = 32,
    validation_data: Any = None,
    method: str | None = None,
    **options: Any,
) -> FinderResult:
    """Suggest an initial rate for a compiled model as it stands, and leave model and optimizer as they were.

    Keras trains it with `train_on_batch`: with the model's own loss, optimizer and `train_step`, on the torch and JAX
    backends. `x`, `y`, `sample_weight` and `class_weight` are what `fit` takes, as arrays, also in lists and
    dicts; the seed decides the order of the samples. An optimizer that accumulates gradients makes one step of so many
    batches.

    `method` and `options`, as `pretrained=True`, are those of ratesmith.find. Trainings are judged by what
    `evaluate` measures on `validation_data`, a tuple (x, y) or (x, y, sample_weight): by its loss, or by a `metric`
    that the model was compiled with, which then needs its `mode`.

    Weights, the optimizer's variables, metrics and seed generators are put back bit for bit; an optimizer that had no
    variables yet has them then, as new. Raises ValueError or TypeError for a model or data that cannot be trained.
    """
    task = _ModelTask(model, (x, y, sample_weight), class_weight, batch_size, validation_data)
    with preserve_rng_state(), task.kept():
        return finder.find(task, method=method, **options)


class _ModelTask:
    """The same model trained again and again from where it stands."""

    def __init__(
        self, model: Any, data: tuple[Any, Any, Any], class_weight: Any, batch_size: int, validation_data: Any
    ) -> None:
        _refuse_unfit(model)
        self.model, self.data, self.class_weight = model, data, class_weight
        self.batch_size = whole("find", "batch_size", batch_size, least=1)
        self.samples = _samples_in(data)
        self.validation, self.can_measure = validation_data, validation_data is not None
        pair = isinstance(validation_data, (tuple, list)) and len(validation_data) in (2, 3)
        if validation_data is not None and not pair:
            raise OptionTypeError(
                "find: ",
                Option("validation_data"),
                f" must be (x, y) or (x, y, sample_weight), got {type(validation_data).__name__}; give one of these",
            )
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        self.base_lr = _number(model.optimizer.learning_rate)
        _set_number("find", model.optimizer, self.base_lr, "give the schedule to the search")

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep all variables, and put them back at the end, whatever happens."""
        self.state = _state_of(self.model)
        values = [variable.value for variable, _ in self.state] if keras.backend.backend() == "torch" else []
        gradients = [(value, value.grad) for value in values]
        try:
            yield
        finally:
            self.model.reset_metrics()  # those too that the training has made
            _put_back(self.state)
            for value, gradient in gradients:
                value.grad = gradient

    def start(self, seed: int) -> _ModelTraining:
        """Go back to where the model stood, with another order of the data."""
        _put_back(self.state)
        seed_all(seed)
        return _ModelTraining(self, seed)


class _ModelTraining:
    def __init__(self, task: _ModelTask, seed: int) -> None:
        self._task, self._seed, self._drawn = task, seed, 0
        self.base_lr = task.base_lr
        self._accumulated = task.model.optimizer.gradient_accumulation_steps or 1
        self._batches = -(-task.samples // task.batch_size)
        self.steps_per_epoch = max(1, self._batches // self._accumulated)

    def step(self, lr: float) -> float:
        """Make one update, with as many batches as are accumulated, and return the mean loss before it."""
        model = self._task.model
        model.optimizer.learning_rate = lr
        losses: list[float] = []
        updates = _number(model.optimizer.iterations)
        # The first update may need fewer batches, if the model stands between two updates.
        while len(losses) < self._accumulated and _number(model.optimizer.iterations) == updates:
            x, y, sample_weight = self._draw()
            logs = model.train_on_batch(x, y, sample_weight, self._task.class_weight, return_dict=True)
            if "loss" not in logs:
                raise FinderError(f"find: the model's train_step must return a loss, got {', '.join(logs)}; add it")
            losses.append(float(logs["loss"]))
        return sum(losses) / len(losses) if all(map(math.isfinite, losses)) else math.nan

    def _draw(self) -> Any:
        """Return the next batch, of an order that the seed and the epoch alone decide."""
        epoch, place = divmod(self._drawn, self._batches)
        if place == 0:
            self._order = np.random.default_rng((self._seed, epoch)).permutation(self._task.samples)
        self._drawn += 1
        chosen = self._order[place * self._task.batch_size : (place + 1) * self._task.batch_size]
        return keras.tree.map_structure(lambda array: None if array is None else array[chosen], self._task.data)

    def evaluate(self, split: str = "validation") -> dict[str, float]:
        """Measure as `evaluate` does after `fit`, which averages the weights if the optimizer keeps an average."""
        model = self._task.model
        if self._task.validation is None:
            raise FinderError("find: validation_data must be given to race or to train a grid, got none; give (x, y)")
        given = dict(zip(("x", "y", "sample_weight"), self._task.validation, strict=False))
        state = _state_of(model)
        with preserve_rng_state():
            model.optimizer.finalize_variable_values(model.trainable_variables)
            measured = model.evaluate(**given, batch_size=self._task.batch_size, verbose=0, return_dict=True)
        _put_back(state)
        return {name: float(value) for name, value in measured.items()}


def _refuse_unfit(model: Any) -> None:
    if (backend := keras.backend.backend()) in ("numpy", "openvino"):
        raise FinderError(
            f"find: Keras must have a backend that trains, got {backend}; set KERAS_BACKEND to torch or jax"
        )
    start = ("find: ", Option("model"))
    if not isinstance(model, keras.Model):
        raise OptionTypeError(*start, f" must be a keras.Model, got {type(model).__name__}; give one")
    if not model.compiled or model.optimizer is None:
        raise OptionValueError(*start, " must be compiled, got one that is not; call model.compile(optimizer, loss)")
    if not model.built:
        raise OptionValueError(*start, " must have its weights, got one that is not built; call it on a batch first")
    _refuse_several_steps("find", model)


def _refuse_several_steps(who: str, model: Any) -> None:
    if model.steps_per_execution != 1:
        raise OptionValueError(
            f"{who}: ",
            Option("model"),
            f" must make one step at a time, got steps_per_execution={model.steps_per_execution}; compile with 1",
        )


def _set_number(who: str, optimizer: Any, rate: float, remedy: str) -> None:
    """Set the rate, or raise an error if it is no number."""
    try:
        optimizer.learning_rate = rate
    except (TypeError, AttributeError):  # so Keras says that the rate is a schedule, or a function
        raise OptionTypeError(
            f"{who}: ",
            Option("model"),
            " must be compiled with a number as its optimizer's rate, got a schedule; compile it with a number, and "
            f"{remedy}",
        ) from None


def _samples_in(data: tuple[Any, Any, Any]) -> int:
    """Return how many samples the arrays have."""
    arrays = [array for array in keras.tree.flatten(data) if array is not None]
    if not arrays or not all(hasattr(array, "shape") and len(array.shape) for array in arrays):
        raise OptionTypeError(
            "find: ",
            Option("x"),
            f" must be arrays with a first axis of samples, got {type(data[0]).__name__}; give some",
        )
    lengths = sorted({len(array) for array in arrays})
    if len(lengths) > 1 or not lengths[0]:
        each = " and ".join(map(str, lengths))
        raise OptionValueError(
            "find: ", Option("x"), f" and y must have the same samples, got {each} of them; give arrays of one length"
        )
    return lengths[0]


def _state_of(model: Any) -> list[tuple[Any, Any]]:
    """Return every variable that training writes, with a copy of its value."""
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    distinct = {id(variable): variable for variable in variables}.values()
    return [(variable, np.array(keras.ops.convert_to_numpy(variable.value))) for variable in distinct]


def _put_back(state: list[tuple[Any, Any]]) -> None:
    for variable, value in state:
        variable.assign(value)


def _number(value: Any) -> float:
    return float(keras.ops.convert_to_numpy(value))
