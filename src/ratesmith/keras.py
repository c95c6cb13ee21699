"""Schedules for Keras 3: a learning rate that saves with the model, on the torch, JAX and NumPy backends."""

from __future__ import annotations

from typing import Any

try:
    import keras
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"ratesmith.keras: it needs {error.name}; install Ratesmith with its extra [keras], and a backend",
        name=error.name,
    ) from None

from ratesmith._checks import finite, whole
from ratesmith.horizon import Horizon
from ratesmith.schedule import Schedule
from ratesmith.strategy import ScheduleLike, as_schedule

__all__ = ["KerasSchedule"]


@keras.saving.register_keras_serializable(package="ratesmith")
class KerasSchedule(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]  # Keras has no types
    """A schedule as Keras takes one: `keras.optimizers.SGD(learning_rate=KerasSchedule(schedule, base_lr))`.

    The rate is `base_lr * schedule(step)`. `schedule` is a schedule, or notation, with `horizon`, the length of
    training, if its lengths need one. Its text is saved with the model; so it must have no function of your own. Keras
    counts batches, also where it accumulates gradients: with `accumulate`, the optimizer's gradient_accumulation_steps,
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
            raise TypeError(f"KerasSchedule: schedule must not listen to a metric, got {built}; use a schedule")
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
