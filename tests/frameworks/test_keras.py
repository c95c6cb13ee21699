"""Keras trains with a schedule that it saves, and a rate is found, on each backend in a process of its own."""

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


FIND = """
import random, sys, keras, numpy as np
from ratesmith import Constant, Ramp
from ratesmith._random_states import seed_all
from ratesmith.finder import FinderError
from ratesmith.keras import KerasSchedule, find

generator = np.random.default_rng(1)
x = generator.normal(size=(60, 6)).astype("float32")
y = (x.sum(1) > 0).astype("int32")
weight = generator.uniform(0.5, 1.5, size=60).astype("float32")

def made(optimizer=None, **options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([
        keras.layers.Input((6,)), keras.layers.Dense(6), keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.2), keras.layers.Dense(2),
    ])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9, **options) if optimizer is None else optimizer
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model

def everything(model):
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]

def same(first, second):
    return len(first) == len(second) and all(np.array_equal(*pair) for pair in zip(first, second))

class Losses(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.seen, self.sum, self.samples = [], 0.0, 0

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 0:
            seed_all(3)  # dropout without a seed draws, on torch, from torch's own generator

    def on_train_batch_end(self, batch, logs=None):  # Keras shows the mean of the epoch so far
        size = sizes[batch]
        total = float(logs["loss"]) * (self.samples + size)
        self.seen.append((total - self.sum) / size)
        self.sum, self.samples = total, self.samples + size

for options, accumulated in (
    ({}, 1), ({"clipnorm": 0.1}, 1),
    ({"gradient_accumulation_steps": 2}, 2), ({"use_ema": True, "ema_momentum": 0.5}, 1),
):
    order = np.concatenate([np.random.default_rng((3, epoch)).permutation(60) for epoch in range(3)])
    places = [order[60 * epoch:][:60][8 * place:8 * place + 8] for epoch in range(3) for place in range(8)]
    sizes = [len(place) for place in places]
    theirs, losses = made(**options), Losses()
    batches = ((x[place], y[place], weight[place]) for place in places)
    values = [np.array(keras.ops.convert_to_numpy(variable)) for variable in theirs.variables]
    theirs.evaluate(x, y, verbose=0)  # Keras builds the metrics, and draws from generators to do so
    for variable, value in zip(theirs.variables, values):
        variable.assign(value)
    theirs.fit(batches, steps_per_epoch=24, epochs=1, verbose=0, callbacks=[losses])
    measured = theirs.evaluate(x, y, batch_size=8, verbose=0, return_dict=True)

    model, seen = made(**options), []
    train_on_batch = model.train_on_batch
    def recorded(*given, **named):
        logs = train_on_batch(*given, **named)
        seen.append(logs["loss"])
        return logs
    model.train_on_batch = recorded
    model.optimizer.build(model.trainable_variables)
    before, state = everything(model), (random.getstate(), repr(np.random.get_state()))
    found = find(model, x, y, sample_weight=weight, batch_size=8, validation_data=(x, y),
                 method="grid", rates=[0.1], schedule=Constant(1.0), steps=24 // accumulated, seeds=[3])
    np.testing.assert_allclose(seen, losses.seen, rtol=2e-4)
    assert found.curves[0].losses == (measured["loss"],), (found.curves[0].losses, measured, options)
    assert found.updates == 24 // accumulated and abs(found.base_lr - 0.1) < 1e-8
    after = everything(model)
    assert same(after[:len(before)], before), options
    assert (random.getstate(), repr(np.random.get_state())) == state

def trained(look):
    model = made(keras.optimizers.Adam(0.01))
    model.fit(x, y, epochs=1, batch_size=8, verbose=0)
    if look:
        before = everything(model)
        found = find(model, x, y, batch_size=8, seeds=[0, 1])
        assert 1e-4 < found.suggestion < 10, found
        assert same(everything(model), before)
        found = find(model, x, y, batch_size=8, validation_data=(x, y), method="race", steps=300, around=0.01,
                     metric="accuracy", mode="max")
        assert found.metric == "accuracy" and max(found.decisive[-1].losses) > 0.8
        measured = find(model, x, y, batch_size=8, validation_data=(x, y), pretrained=True)
        assert (measured.judged_by, "pretrained" in measured.flags) == ("validation", False), measured
        by_losses = find(model, x, y, batch_size=8, pretrained=True)
        assert (by_losses.judged_by, "pretrained" in by_losses.flags) == ("training", True), by_losses
        assert "Nothing was measured on validation data: rates were judged by their" in by_losses.explain()
        try:
            find(model, x, y, batch_size=8, steps=100)
            raise SystemExit("not refused")
        except FinderError as error:
            assert str(error).startswith("find: validation_data must be given to race or to train a grid, got none")
        try:
            find(model, x, y, on_progress=lambda done, planned: 1 // (done < 20))
            raise SystemExit("not broken off")
        except ZeroDivisionError:
            assert same(everything(model), before)
    model.fit(x, y, epochs=1, batch_size=8, verbose=0, shuffle=False)
    return everything(model)

assert same(trained(True), trained(False))

inputs = {name: keras.layers.Input((3,), name=name) for name in ("a", "b")}
joined = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Concatenate()(list(inputs.values()))))
joined.compile("sgd", "mse")
assert find(joined, {"a": x[:, :3], "b": x[:, 3:]}, x.sum(1, keepdims=True), batch_size=8, seeds=[0]).suggestion > 1e-3

unbuilt = keras.Sequential([keras.layers.Dense(1)])
unbuilt.compile("sgd", "mse")
several = made()
several.compile("sgd", "mse", steps_per_execution=2)
uncompiled = keras.Sequential([keras.layers.Input((6,)), keras.layers.Dense(1)])
for make, said in (
    (lambda: find(uncompiled, x, y), "find: model must be compiled, got one that is not; call model.compile"),
    (lambda: find(unbuilt, x, y), "find: model must have its weights, got one that is not built; call it on a batch"),
    (lambda: find(several, x, y), "find: model must make one step at a time, got steps_per_execution=2; compile with"),
    (lambda: find(3, x, y), "find: model must be a keras.Model, got int; give one"),
    (lambda: find(made(), x, y[:7]), "find: x and y must have the same samples, got 7 and 60 of them; give arrays"),
    (lambda: find(made(), [1, 2], y), "find: x must be arrays with a first axis of samples, got list; give some"),
    (lambda: find(made(), x, y, validation_data=x), "find: validation_data must be (x, y) or (x, y, sample_w"),
    (lambda: find(made(), x, y, batch_size=0), "find: batch_size must be a whole number of at least 1, got 0; give a"),
    (lambda: find(made(), x, y, method="race", steps=9), "find: validation_data must be given to race or to train"),
    (
        lambda: find(made(keras.optimizers.SGD(KerasSchedule(Ramp(1.0, 0.0, 9)))), x, y),
        "find: model must be compiled with a number as its optimizer's rate, got a schedule; compile it wi",
    ),
):
    try:
        make()
        raise SystemExit(f"not refused: {said}")
    except (ValueError, TypeError, FinderError) as error:
        assert str(error).startswith(said) and "\\n" not in str(error), error
print("found")
"""


@pytest.mark.parametrize("backend", ["torch", "jax", "tensorflow"])
def test_a_search_trains_as_fit_and_leaves_no_trace(backend):
    pytest.importorskip(backend)
    environment = {**os.environ, "KERAS_BACKEND": backend}
    ran = subprocess.run([sys.executable, "-c", FIND], env=environment, capture_output=True, text=True)
    assert ran.stdout == "found\n", ran.stderr


TUTORIAL = """
import keras, numpy as np
model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
def train():
    model.fit(np.zeros((64, 3)), np.zeros((64, 1)), verbose=0)
def task():
    return None
"""
IMPORT = """
import sys
from ratesmith.task import TaskError, load_task
try:
    load_task("tutorial.py:task")
except TaskError as error:
    print(error)
sys.modules["ratesmith_task_tutorial"].train()
print("trained")
"""


@pytest.mark.parametrize("first", ["", "import keras\n"])
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_a_file_that_fits_when_it_is_imported_is_noticed_and_one_that_does_not_may_fit_later(backend, first, tmp_path):
    pytest.importorskip(backend)

    def told(more):
        (tmp_path / "tutorial.py").write_text(TUTORIAL + more)
        environment = {**os.environ, "KERAS_BACKEND": backend}
        command = [sys.executable, "-c", first + IMPORT]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True).stdout

    refused = "tutorial.py, line 6: the file must not train when it is imported, got an optimizer's update; put the "
    assert told("train()\n").startswith(refused)
    first_line, last_line = told("").splitlines()
    assert first_line.startswith("tutorial.py:task: this must be a task")
    assert last_line == "trained", "who only makes a model is not stopped, neither then nor later"


def test_a_backend_that_does_not_train_is_refused():
    program = "import keras, ratesmith.keras; ratesmith.keras.find(keras.Sequential(), [])"
    environment = {**os.environ, "KERAS_BACKEND": "numpy"}
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    said = "find: Keras must have a backend that trains, got numpy; set KERAS_BACKEND to torch or jax"
    assert ran.stderr.splitlines()[-1].endswith(said)
