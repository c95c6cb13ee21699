"""A trial trained by each trainer through its callback: the rates, the reports, the end, and what is refused."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from trial_channel import rates, trial

from ratesmith import TrialStopped
from ratesmith.script_process import Script, ScriptProcess
from ratesmith.torch import ScheduleLR

# These packages warn of each other's and torch's changes, which is theirs to mend.
pytestmark = pytest.mark.filterwarnings("ignore")

INPUTS = torch.randn(64, 4, generator=torch.Generator().manual_seed(1))
PLATEAU = "cosine() * plateau(patience=0, threshold=0.9)"
"""A controller that cuts at its second measurement, whatever the loss."""


def cut_after_two(asked, measured_at):
    """Return the rates of a training by PLATEAU that is measured at these steps."""
    cosine = rates(trial(asked.steps, "cosine()")[0])
    return [rate * 0.1 ** sum(step >= at for at in measured_at[1:]) for step, rate in enumerate(cosine)]


# Hugging Face


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(4, 2)

    def forward(self, inputs, labels=None):
        logits = self.net(inputs)
        return {"loss": torch.nn.functional.cross_entropy(logits, labels), "logits": logits}


DATA = [{"inputs": row, "labels": int(row.sum() > 0)} for row in INPUTS]


def accuracy(predicted):
    return {"accuracy": (predicted.predictions.argmax(1) == predicted.label_ids).mean()}


def hugging(
    asked, folder, callbacks=None, optimizers=(None, None), evaluated=DATA[:16], model=None, model_init=None, **options
):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    from ratesmith.transformers import TrialCallback

    torch.manual_seed(0)
    arguments = transformers.TrainingArguments(
        str(folder),
        **{
            **{"per_device_train_batch_size": 8, "report_to": [], "logging_steps": 1, "save_strategy": "no"},
            **{"use_cpu": True, "disable_tqdm": True, "lr_scheduler_type": "linear", "warmup_steps": 5},
            **options,
        },
    )
    return transformers.Trainer(
        None if model_init else model or Net(),
        arguments,
        model_init=model_init,
        train_dataset=DATA,
        eval_dataset=evaluated,
        compute_metrics=accuracy,
        optimizers=optimizers,
        callbacks=[TrialCallback(asked)] if callbacks is None else callbacks,
    )


def logged(trainer, name):
    return [row[name] for row in trainer.state.log_history if name in row]


def test_hugging_faces_trainer_trains_as_the_trial_asks(tmp_path):
    asked, kept = trial()
    trainer = hugging(asked, tmp_path)
    trainer.train()
    assert logged(trainer, "learning_rate") == rates(asked)
    assert [step for step, _ in kept.reports] == [8, 16, 21]
    assert all(metrics.keys() == {"loss", "accuracy"} for _, metrics in kept.reports)
    assert [metrics["loss"] for _, metrics in kept.reports] == logged(trainer, "eval_loss")
    assert kept.losses == pytest.approx(logged(trainer, "loss"), rel=1e-6)
    trainer.evaluate()  # after the training nothing is reported
    assert len(kept.reports) == 3
    assert "training_step" not in vars(trainer)


@pytest.mark.parametrize(
    ("steps", "options", "at"),
    [
        (16, {"eval_strategy": "epoch"}, [8, 16]),
        (16, {"eval_strategy": "steps", "eval_steps": 6}, [6, 12, 16]),
        (6, {"gradient_accumulation_steps": 3, "max_grad_norm": 0.1}, [3, 6]),
        (5, {"num_train_epochs": 0.1, "data_seed": 7, "learning_rate": 1.0, "eval_delay": 100}, [5]),
    ],
)
def test_each_measurement_of_hugging_faces_trainer_is_reported_once(steps, options, at, tmp_path):
    asked, kept = trial(steps, "linear()")
    trainer = hugging(asked, tmp_path, **options)
    trainer.train()
    assert [step for step, _ in kept.reports] == at
    assert logged(trainer, "learning_rate") == rates(asked)


def test_a_controller_hears_hugging_faces_measurements(tmp_path):
    asked, _ = trial(schedule=PLATEAU)
    trainer = hugging(asked, tmp_path)
    trainer.train()
    assert logged(trainer, "learning_rate") == pytest.approx(cut_after_two(asked, [8, 16, 21]), rel=1e-12)


def test_several_datasets_make_one_report(tmp_path):
    asked, kept = trial(5)
    hugging(asked, tmp_path, evaluated={"a": DATA[:8], "b": DATA[8:16]}).train()
    [(step, metrics)] = kept.reports
    assert (step, metrics.keys()) == (5, {"a_loss", "a_accuracy", "b_loss", "b_accuracy"})


def test_an_optimizer_and_a_scheduler_of_the_users_are_led(tmp_path):
    model, (asked, _) = Net(), trial()
    groups = [{"params": [model.net.weight]}, {"params": [model.net.bias], "lr": 0.05}]
    optimizer = torch.optim.SGD(groups, lr=0.5)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=10)
    trainer = hugging(asked, tmp_path, model=model, optimizers=(optimizer, scheduler))
    trainer.train()
    assert logged(trainer, "learning_rate") == rates(asked)
    assert optimizer.param_groups[1]["initial_lr"] == pytest.approx(0.001)


def weights_of(seed, folder, options):
    asked, _ = trial(9, seed=seed)
    trainer = hugging(asked, folder, **options)
    trainer.train()
    return [weight.tolist() for weight in trainer.model.parameters()]


@pytest.mark.parametrize("options", [{}, {"data_seed": 5}, {"seed": 9}])
def test_the_trials_seed_decides_the_order(options, tmp_path):
    first, again, other = (weights_of(seed, tmp_path, options) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_hugging_faces_trainer_goes_on_from_a_checkpoint_with_its_controller(tmp_path):
    asked, _ = trial(schedule=PLATEAU)
    trainer = hugging(asked, tmp_path, save_strategy="steps", save_steps=18)
    trainer.train()
    whole = logged(trainer, "learning_rate")
    trainer = hugging(trial(schedule=PLATEAU)[0], tmp_path)
    trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-18"))
    assert logged(trainer, "learning_rate") == whole


def test_updates_that_a_gradient_scaler_skips_count(tmp_path, monkeypatch):
    asked, kept = trial()
    trainer = hugging(asked, tmp_path)
    monkeypatch.setattr(type(trainer.accelerator), "optimizer_step_was_skipped", True)
    trainer.train()
    assert logged(trainer, "learning_rate") == rates(asked)
    assert [step for step, _ in kept.reports] == [8, 16, 21]


def test_texts_among_the_measurements_are_left_out(tmp_path):
    asked, kept = trial(5)
    trainer = hugging(asked, tmp_path)
    trainer.compute_metrics = lambda predicted: {"table": "a | b", "f1": 0.5}
    trainer.train()
    assert kept.reports[0][1].keys() == {"loss", "f1"}


def test_a_scheduler_that_was_made_before_training_is_kept(tmp_path):
    asked, _ = trial()
    trainer = hugging(asked, tmp_path)
    trainer.create_optimizer_and_scheduler(100)
    trainer.train()
    assert logged(trainer, "learning_rate") == rates(asked)


def test_hugging_faces_trainer_makes_its_model_with_the_trials_seed(tmp_path):
    made = []

    def model():
        made.append(Net())
        return made[-1]

    for seed in (1, 1, 2):
        trainer = hugging(trial(5, seed=seed, schedule="linear()", lr=1e-9)[0], tmp_path, model_init=model)
        trainer.train()
        assert logged(trainer, "learning_rate") == rates(trial(5, seed=seed, schedule="linear()", lr=1e-9)[0])
    first, again, other = (net.net.weight.tolist() for net in made[1::2])
    assert first == again
    assert first != other


def test_hugging_faces_trainer_ends_when_the_trial_is_stopped(tmp_path):
    asked, kept = trial(stop_at=8)
    trainer = hugging(asked, tmp_path)
    with pytest.raises(TrialStopped, match="enough"):
        trainer.train()
    assert (trainer.state.global_step, len(kept.reports)) == (8, 1)


def test_what_hugging_faces_trainer_cannot_do_is_refused(tmp_path):
    pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    from ratesmith.transformers import TrialCallback

    with pytest.raises(ValueError, match="TrialCallback: eval_dataset must be given to the Trainer, got none"):
        hugging(trial()[0], tmp_path, evaluated=None)
    with pytest.raises(ValueError, match="TrialCallback: auto_find_batch_size must be left out, got True"):
        hugging(trial()[0], tmp_path, auto_find_batch_size=True)
    trainer = hugging(trial()[0], tmp_path, callbacks=[])
    trainer.add_callback(TrialCallback(trial()[0]))
    with pytest.raises(
        ValueError, match="TrialCallback: callbacks must have it when the Trainer is made, got it later"
    ):
        trainer.train()
    asked, _ = trial(5)
    trainer = hugging(asked, tmp_path)
    trainer.train()
    second = "TrialCallback: trial must have one scheduler and one training, got a second; leave out"
    with pytest.raises(ValueError, match=second):
        trainer.train()
    with pytest.raises(ValueError, match=second):
        hugging(asked, tmp_path, callbacks=[trainer.callback_handler.callbacks[1]])


# Lightning


def module(pl, kind="automatic", logs=("val_loss", "val/acc")):
    class Model(pl.LightningModule):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.layer = torch.nn.Linear(4, 1)
            self.automatic_optimization = kind == "automatic"
            self.rates, self.losses, self.estimated = [], [], None

        def training_step(self, batch, index):
            optimizers = self.optimizers()
            optimizers = optimizers if isinstance(optimizers, list) else [optimizers]
            loss = self.layer(batch[0]).square().mean()
            self.rates.append(optimizers[0].param_groups[0]["lr"])
            self.losses.append(loss.item())
            if kind != "automatic":
                self.manual_backward(loss)
                for optimizer in optimizers:
                    optimizer.step()
                    optimizer.zero_grad()
            return None if kind == "two" else loss

        def validation_step(self, batch, index):
            for name in logs:
                self.log(name, self.layer(batch[0]).square().mean())

        def configure_optimizers(self):
            self.estimated = self.trainer.estimated_stepping_batches
            optimizer = torch.optim.SGD(self.parameters(), lr=0.3)
            if kind == "two":
                return [optimizer, torch.optim.SGD(self.parameters(), lr=0.03)]
            scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=10)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    return Model()


def fitted(pl, asked, model, folder, resume=None, validation=True, callbacks=(), **options):
    from ratesmith.lightning import TrialCallback

    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(INPUTS), batch_size=8)
    silent = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "accelerator": "cpu"}
    trainer = pl.Trainer(
        default_root_dir=folder,
        callbacks=[TrialCallback(asked), *callbacks],
        **{"max_epochs": 1, "min_epochs": 9, "enable_checkpointing": False, **silent, **options},
    )
    trainer.fit(model, loader, loader if validation else None, ckpt_path=resume)
    return trainer


LIGHTNINGS = ["lightning.pytorch", "pytorch_lightning"]


@pytest.mark.parametrize("package", LIGHTNINGS)
@pytest.mark.parametrize("options", [{}, {"check_val_every_n_epoch": 5}, {"val_check_interval": 4}])
def test_lightning_trains_as_the_trial_asks(package, options, tmp_path):
    pl = pytest.importorskip(package)
    pytest.importorskip("lightning")
    asked, kept = trial()
    model = module(pl)
    trainer = fitted(pl, asked, model, tmp_path, **options)
    assert model.rates == rates(asked)
    at = {"check_val_every_n_epoch": [21], "val_check_interval": [4, 8, 12, 16, 20, 21]}
    assert [step for step, _ in kept.reports] == at.get(next(iter(options), ""), [8, 16, 21])
    assert all(metrics.keys() == {"loss", "acc"} for _, metrics in kept.reports)
    assert kept.losses == pytest.approx(model.losses)
    assert (trainer.global_step, model.estimated) == (21, 21)


def test_lightning_counts_updates_where_it_accumulates(tmp_path):
    pl = pytest.importorskip("lightning.pytorch")
    asked, kept = trial(5, "linear()")
    model = module(pl)
    fitted(pl, asked, model, tmp_path, accumulate_grad_batches=3)
    assert model.rates == [rate for place, rate in enumerate(rates(asked)) for _ in range((3, 3, 2, 3, 3)[place])]
    assert [step for step, _ in kept.reports] == [3, 5]
    assert kept.losses[0] == pytest.approx(sum(model.losses[:3]) / 3)


@pytest.mark.parametrize("kind", ["manual", "two"])
def test_lightnings_manual_optimization_is_counted_by_the_first_optimizer(kind, tmp_path):
    pl = pytest.importorskip("lightning.pytorch")
    asked, kept = trial()
    model = module(pl, kind)
    trainer = fitted(pl, asked, model, tmp_path)
    assert model.rates == rates(asked)
    assert [step for step, _ in kept.reports] == [8, 16, 21]
    assert kept.losses == (pytest.approx(model.losses) if kind == "manual" else [])
    assert trainer.optimizers[-1].param_groups[0]["initial_lr"] == pytest.approx(0.01 if kind == "manual" else 0.001)


def test_a_controller_hears_lightnings_measurements_and_goes_on_from_a_checkpoint(tmp_path):
    pl = pytest.importorskip("lightning.pytorch")
    asked, _ = trial(schedule=PLATEAU)
    whole = module(pl)
    saving = pl.callbacks.ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=18, save_top_k=-1)
    trainer = fitted(pl, asked, whole, tmp_path, callbacks=[saving], enable_checkpointing=True)
    assert whole.rates == pytest.approx(cut_after_two(asked, [8, 16, 21]), rel=1e-12)
    resumed = module(pl)
    fitted(pl, trial(schedule=PLATEAU)[0], resumed, tmp_path, resume=tmp_path / "step=18.ckpt")
    assert resumed.rates == whole.rates[18:]
    assert trainer.lr_scheduler_configs[0].scheduler.last_epoch == 21


def test_updates_that_lightning_skips_count(tmp_path):
    pl = pytest.importorskip("lightning.pytorch")
    asked, kept = trial()
    model = module(pl)
    model.optimizer_step = lambda epoch, index, optimizer, closure: closure() if index % 3 else optimizer.step(closure)
    fitted(pl, asked, model, tmp_path)
    assert model.rates == rates(asked)
    assert [step for step, _ in kept.reports] == [8, 16, 21]


def test_a_fast_run_of_lightnings_stays_short(tmp_path):
    pl = pytest.importorskip("lightning.pytorch")
    asked, kept = trial()
    model = module(pl)
    fitted(pl, asked, model, tmp_path, fast_dev_run=2, min_epochs=None)
    assert (len(model.rates), [step for step, _ in kept.reports]) == (2, [2])


def test_a_scheduler_of_from_trial_beside_the_callback_is_refused(tmp_path):
    pl = pytest.importorskip("lightning.pytorch")
    asked, _ = trial()
    model = module(pl)
    model.configure_optimizers = lambda: (
        ScheduleLR.from_trial(torch.optim.SGD(model.parameters(), asked.lr), asked).optimizer
    )
    with pytest.raises(ValueError, match="TrialCallback: trial must have one scheduler and one training, got a second"):
        fitted(pl, asked, model, tmp_path)


def test_lightning_ends_when_the_trial_is_stopped(tmp_path):
    pl = pytest.importorskip("lightning.pytorch")
    asked, kept = trial(stop_at=8)
    model = module(pl)
    with pytest.raises(TrialStopped, match="enough"):
        fitted(pl, asked, model, tmp_path)
    assert (len(model.rates), len(kept.reports)) == (8, 1)


def test_what_lightning_cannot_do_is_refused(tmp_path):
    pl = pytest.importorskip("lightning.pytorch")
    with pytest.raises(ValueError, match="TrialCallback: the module must have a validation_step, and fit its data"):
        fitted(pl, trial()[0], module(pl), tmp_path, validation=False)
    with pytest.raises(ValueError, match="TrialCallback: validation_step must log its loss as val_loss, got accuracy"):
        fitted(pl, trial()[0], module(pl, logs=["accuracy"]), tmp_path)
    trainer = fitted(pl, trial(5)[0], module(pl), tmp_path)
    with pytest.raises(ValueError, match="TrialCallback: trial must have one scheduler and one training, got a second"):
        trainer.fit(module(pl), torch.ones(3), torch.ones(3))


# Keras

KERAS = """
import sys, keras, numpy as np
from trial_channel import rates, trial
from ratesmith import TrialStopped
from ratesmith.keras import KerasSchedule, TrialCallback

class Seen(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        seen.append(float(self.model.optimizer.learning_rate))

x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")

def made(rate=0.3, **options):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
    compiled = {name: options.pop(name) for name in ("steps_per_execution",) if name in options}
    model.compile(keras.optimizers.SGD(rate, **options), loss="mse", metrics=["mae"], **compiled)
    return model

def fit(asked, model, callback=None, **options):
    seen.clear()
    given = {"epochs": asked.steps, "validation_data": (x[:16], x[:16, :1]), **options}
    callbacks = [callback or TrialCallback(asked), Seen()]
    model.fit(x, x[:, :1], batch_size=8, verbose=0, shuffle=False, callbacks=callbacks, **given)

seen = []
asked, kept = trial()
model = made()
fit(asked, model)
np.testing.assert_array_equal(np.float32(seen), np.float32(rates(asked)))
assert [step for step, _ in kept.reports] == [8, 16, 21]
assert all(metrics.keys() == {"loss", "mae"} for _, metrics in kept.reports)
assert kept.said[-1]["lr"] == asked.lr * asked.factor(21)
measured = model.evaluate(x[:16], x[:16, :1], batch_size=8, verbose=0)
np.testing.assert_allclose(measured[0], kept.reports[-1][1]["loss"], rtol=1e-5)

# The same updates one by one: the rates were those of the updates, and the losses those of the batches.
model = made()
losses = []
for step, rate in enumerate(list(seen)):
    model.optimizer.learning_rate = rate
    batch = x[step % 8 * 8 :][:8]
    losses.append(model.train_on_batch(batch, batch[:, :1])[0])
    model.reset_metrics()
np.testing.assert_allclose(kept.losses, losses, rtol=1e-4)

asked, kept = trial(5, "linear()")
fit(asked, made(gradient_accumulation_steps=3))
np.testing.assert_array_equal(np.float32(seen), np.repeat(np.float32(rates(asked)), 3))
assert [step for step, _ in kept.reports] == [2, 5]

asked, kept = trial(schedule="cosine() * plateau(patience=0, threshold=0.9)")
fit(asked, made())
cosine = np.array(rates(trial(schedule="cosine()")[0]))
np.testing.assert_allclose(seen, cosine * np.where(np.arange(21) >= 16, 0.1, 1.0), rtol=1e-6)

asked, kept = trial(stop_at=8)
try:
    fit(asked, made())
except TrialStopped as stopped:
    assert str(stopped) == "enough" and len(seen) == 8 == kept.reports[-1][0]
else:
    raise AssertionError("it was not stopped")

used = TrialCallback(trial(5)[0])
fit(used.trial, made(), used)
for train, said in (
    (lambda: fit(used.trial, made(), used), "TrialCallback: trial must have one scheduler and one training, got a"),
    (lambda: fit(trial()[0], made(KerasSchedule("constant()", 0.1, horizon=9))),
     "TrialCallback: model must be compiled with a number as its optimizer's rate, got a schedule"),
    (lambda: fit(trial()[0], made(steps_per_execution=2)),
     # Keras itself refuses it with PyTorch, and first
     "`steps_per_execution` must be 1" if keras.backend.backend() == "torch" else
     "TrialCallback: model must make one step at a time, got steps_per_execution=2; compile with 1"),
    (lambda: fit(trial()[0], made(), epochs=2),
     "TrialCallback: epochs must be enough for 21 updates, got 2 of 8 batches; write epochs=3, or epochs=trial.steps"),
    (lambda: fit(trial()[0], made(), validation_data=None),
     "TrialCallback: validation_data must be measured after the last update, got none"),
    (lambda: fit(trial()[0], made(), validation_freq=2), "TrialCallback: validation_data must be measured after the"),
):
    try:
        train()
    except (ValueError, TypeError) as error:
        assert str(error).startswith(said), error
    else:
        raise AssertionError(said)
"""


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_keras_trains_as_the_trial_asks(backend):
    pytest.importorskip("keras")
    pytest.importorskip(backend)
    folder = str(Path(__file__).parents[1])
    environment = {**os.environ, "KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": ""}
    environment["PYTHONPATH"] = os.pathsep.join([folder, *environment.get("PYTHONPATH", "").split(os.pathsep)])
    ran = subprocess.run([sys.executable, "-c", KERAS], env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


# Several processes

RANKS_OF_HUGGING_FACE = """
import torch, transformers, ratesmith
from ratesmith.transformers import TrialCallback
trial = ratesmith.get_trial(lr=1.0, steps=100)
data = [{"inputs": torch.tensor([float(i), 1.0]), "labels": i % 2} for i in range(48)]
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(2, 2)
    def forward(self, inputs, labels=None):
        return {"loss": torch.nn.functional.cross_entropy(self.net(inputs / 48), labels)}
options = {"use_cpu": True, "ddp_backend": "gloo", "report_to": [], "disable_tqdm": True, "logging_steps": 1}
arguments = transformers.TrainingArguments("out", per_device_train_batch_size=4, save_strategy="no", **options)
trainer = transformers.Trainer(Net(), arguments, None, data, data, callbacks=[TrialCallback(trial)])
trainer.train()
print(f"<{[row['learning_rate'] for row in trainer.state.log_history if 'learning_rate' in row]}>", flush=True)
"""
RANKS_OF_LIGHTNING = """
import torch, lightning, ratesmith
from ratesmith.lightning import TrialCallback
trial = ratesmith.get_trial(lr=1.0, steps=100)
class Model(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.net, self.rates = torch.nn.Linear(1, 1), []
    def training_step(self, batch, index):
        self.rates.append(self.optimizers().param_groups[0]["lr"])
        return (self.net(batch) - batch.sin()).square().mean()
    def validation_step(self, batch, index):
        self.log("val_loss", (self.net(batch) - batch.sin()).square().mean(), sync_dist=True)
    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=trial.lr)
data = torch.utils.data.DataLoader(torch.linspace(-3, 3, 48)[:, None], batch_size=4, shuffle=True)
silent = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "enable_checkpointing": False}
options = {"devices": 2, "accelerator": "cpu", "strategy": "ddp", **silent}
model = Model()
lightning.Trainer(callbacks=[TrialCallback(trial)], **options).fit(model, data, data)
print(f"<{model.rates}>", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="gloo is used")
@pytest.mark.parametrize(
    ("package", "program", "launch"),
    [
        (
            "transformers",
            RANKS_OF_HUGGING_FACE,
            f"{sys.executable} -m torch.distributed.run --standalone --nproc-per-node 2",
        ),
        ("lightning", RANKS_OF_LIGHTNING, ""),
    ],
)
@pytest.mark.parametrize("stop_at", [None, 6])
def test_every_rank_hears_the_same(package, program, launch, stop_at, tmp_path):
    pytest.importorskip(package)
    (tmp_path / "train.py").write_text(program)
    asked = {"lr": 0.01, "schedule": PLATEAU, "steps": 20, "seed": 1}
    reports, script = [], Script("train.py", launch=launch)
    environment = {"CUDA_VISIBLE_DEVICES": "", "PYTHONWARNINGS": "ignore"}
    with ScriptProcess(
        script, log=tmp_path / "log", limit=300, environment=environment, folder=str(tmp_path)
    ) as process:
        for message in process.messages():
            if message.content["kind"] == "hello":
                message.answer({"do": "go", "trial": asked})
                continue
            reports.append(message.content)
            stops = message.content["step"] == stop_at
            message.answer({"do": "stop", "reason": "enough"} if stops else {"do": "go"})
        assert process.status == 0, process.how_it_ended()
    log = (tmp_path / "log").read_text()
    rates = [list(map(float, found.split(","))) for found in re.findall(r"<\[([^\]]*)\]>", log)]
    if stop_at:
        assert ([report["step"] for report in reports], rates) == ([6], [])
    else:
        assert [report["step"] for report in reports] == [6, 12, 18, 20]
        assert rates == [pytest.approx(cut_after_two(trial(20)[0], [6, 12, 18]), rel=1e-12)] * 2
