"""Keras trains with a schedule, and saves and loads it with the model, on each backend in a process of its own."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("keras")

TRAIN = """
import sys, keras, numpy as np
from ratesmith import Plateau, Ramp, parse
from ratesmith.keras import KerasSchedule

schedule = Ramp(0.0, 1.0, 3) >> Ramp(1.0, 0.1, 9, "cosine")
seen = []

class Seen(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        seen.append(float(self.model.optimizer.learning_rate))

def train(model, epochs):
    seen.clear()
    x = np.ones((32, 4), dtype="float32")
    model.fit(x, x[:, :1], epochs=epochs, batch_size=8, verbose=0, callbacks=[Seen()], shuffle=False)
    return list(seen)

def made(**options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
    rate = KerasSchedule(schedule, 0.1, accumulate=options.get("gradient_accumulation_steps", 1))
    model.compile(optimizer=keras.optimizers.SGD(learning_rate=rate, **options), loss="mse")
    return model

model = made()
whole = train(model, 3)
np.testing.assert_allclose(whole, [0.1 * schedule(step) for step in range(12)], rtol=1e-5, atol=1e-7)

model = made()
first = train(model, 1)
model.save(sys.argv[1])
again = keras.saving.load_model(sys.argv[1], safe_mode=True)
assert again.optimizer._learning_rate.schedule == schedule
np.testing.assert_allclose(first + train(again, 2), whole, rtol=1e-6)

rates = train(made(gradient_accumulation_steps=4), 2)
np.testing.assert_allclose(rates, [0.1 * schedule(step // 4) for step in range(8)], rtol=1e-5, atol=1e-7)

for given in ('warmup(3) >> ramp(1, 0.1, shape="cosine")', parse('warmup(3) >> ramp(1, 0.1, shape="cosine")')):
    assert KerasSchedule(given, horizon=12).schedule == schedule

for make, said in (
    (lambda: KerasSchedule(Plateau()), "KerasSchedule: schedule must not listen to a metric, got Plateau(); use a sch"),
    (lambda: KerasSchedule("cosine()"), "Notation: cosine: it needs the length of training; give a horizon"),
    (lambda: KerasSchedule(3), "KerasSchedule: a schedule, controller or notation must be given, got 3; give one"),
    (lambda: KerasSchedule(schedule, -1), "KerasSchedule: base_lr must be a finite number of at least 0, got -1"),
):
    try:
        make()
        raise SystemExit("not refused")
    except (ValueError, TypeError) as error:
        assert str(error).startswith(said), error
print("trained")
"""


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_keras_trains_saves_and_loads_with_a_schedule(backend, tmp_path):
    pytest.importorskip(backend)
    ran = subprocess.run(
        [sys.executable, "-c", TRAIN, str(tmp_path / "model.keras")],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert ran.stdout == "trained\n", ran.stderr
