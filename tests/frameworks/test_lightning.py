"""A rate is found with Lightning's own loop: the same losses as fit makes, and no trace of it."""

import copy
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from trained import same

from ratesmith import Constant, Ramp, finder
from ratesmith._random_states import seed_all
from ratesmith.finder import METHODS, FinderError
from ratesmith.torch import ScheduleLR

lightning = pytest.importorskip("lightning")
from ratesmith.lightning import find  # noqa: E402  # it needs lightning

# Lightning warns of loaders without workers and of torch's changes, which is not what is tested here.
pytestmark = pytest.mark.filterwarnings("ignore")

INPUTS = torch.randn(60, 6, generator=torch.Generator().manual_seed(1))
TARGETS = (INPUTS.sum(1) > 0).long()
DATA = TensorDataset(INPUTS, TARGETS)
LOSSES = []
"""What every training_step has returned."""
TRAINERS, SEEN = set(), {}


class Plain(lightning.LightningModule):
    """Batch statistics, dropout, a list and a metric of its own, and a log of all that it knows of its trainer."""

    rate = 0.1

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Dropout(0.2), nn.Linear(6, 2))
        self.outputs, self.total = [], torch.zeros(1)

    def training_step(self, batch, batch_idx):
        loss = nn.functional.cross_entropy(self.net(batch[0]), batch[1])
        self.log("loss", loss, on_epoch=True)
        self.log("place", float(self.trainer.global_step + self.current_epoch))
        self.outputs.append(loss.detach())
        self.total += loss.detach()
        LOSSES.append(loss.item())
        return loss

    def on_train_epoch_end(self):
        self.outputs.clear()

    def validation_step(self, batch, batch_idx):
        output = self.net(batch[0])
        self.log("val_loss", nn.functional.cross_entropy(output, batch[1]))
        self.log("accuracy", (output.argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.rate, momentum=0.9)


class InDicts(Plain):
    def training_step(self, batch, batch_idx):
        return {"loss": super().training_step(batch, batch_idx), "more": batch_idx}

    def configure_optimizers(self):
        groups = [{"params": self.net[0].parameters()}, {"params": self.net[3].parameters(), "lr": self.rate / 10}]
        return {"optimizer": torch.optim.AdamW(groups, lr=self.rate)}


class Scheduled(Plain):
    """A schedule that knows its length, stepped after every batch; the rate it begins at is not its base."""

    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        steps = self.trainer.estimated_stepping_batches
        return [optimizer], [
            {"scheduler": torch.optim.lr_scheduler.LinearLR(optimizer, 0.5, total_iters=steps), "interval": "step"},
            {"scheduler": torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer), "monitor": "val_loss"},
        ]


class Manual(Plain):
    """Two optimizers, stepped by hand in every second batch, and a scheduler that is stepped before them."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.manual_backward(loss)
        if batch_idx % 2:
            self.lr_schedulers().step()
            for optimizer in self.optimizers():
                optimizer.step()
                optimizer.zero_grad()
        return loss

    def configure_optimizers(self):
        first = torch.optim.SGD(self.net[0].parameters(), lr=self.rate)
        second = torch.optim.Adam(self.net[3].parameters(), lr=self.rate)
        return [first, second], [torch.optim.lr_scheduler.ConstantLR(first, 1.0)]


def made(kind):
    torch.manual_seed(0)
    return kind()


def loader():
    return DataLoader(DATA, 8, shuffle=True, generator=torch.Generator().manual_seed(5))


def trained(kind, steps, **options):
    """Return the losses of Lightning's own fit at a constant rate, and what its own validation measures then."""
    module, data = made(kind), loader()
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = lightning.Trainer(
        max_steps=steps, num_sanity_val_steps=0, limit_val_batches=0, enable_model_summary=False, **quiet, **options
    )
    data.generator.manual_seed(3)
    seed_all(3)
    LOSSES.clear()
    trainer.fit(module, data)
    losses = list(LOSSES)
    options.pop("accumulate_grad_batches", 0)
    judge = lightning.Trainer(enable_model_summary=False, **quiet, **options)
    return losses, judge.validate(module, DataLoader(DATA, 16), verbose=False)[0]


def everything(module):
    return {
        "weights": copy.deepcopy(module.state_dict()),
        "attributes": {name: value for name, value in vars(module).items() if not name.startswith("_")},
        "outputs": list(module.outputs),
        "total": module.total.clone(),
        "flags": [part.training for part in module.modules()],
        "trainer": module._trainer,
        "random": (random.getstate(), repr(np.random.get_state()), torch.get_rng_state()),
    }


OPTIONS = [
    (Plain, {}),
    (Plain, {"accumulate_grad_batches": 3, "gradient_clip_val": 0.1}),
    (Plain, {"precision": "bf16-mixed"}),
    (InDicts, {"gradient_clip_val": 0.5, "gradient_clip_algorithm": "value"}),
    (Manual, {}),
]


@pytest.mark.parametrize(("kind", "options"), OPTIONS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_a_search_trains_as_lightnings_own_loop_and_leaves_no_trace(kind, options):
    # Lightning counts the updates of both optimizers of a manual optimization.
    losses, measured = trained(kind, 40 if kind is Manual else 20, accelerator="cpu", **options)
    module, data = made(kind), loader()
    module.outputs.append(torch.ones(1))
    before, order = everything(module), data.generator.get_state()
    LOSSES.clear()
    found = find(
        *(module, data),
        **{"validation": DataLoader(DATA, 16), "trainer_options": {"accelerator": "cpu", **options}},
        **{"method": "grid", "rates": [0.1], "schedule": Constant(1.0), "steps": 20, "seeds": [3]},
    )
    assert losses == LOSSES
    assert found.curves[0].losses == (measured["val_loss"],)
    assert (found.updates, found.base_lr, found.metric) == (20, 0.1, "val_loss")
    assert same(everything(module), before)
    assert torch.equal(data.generator.get_state(), order)


def steps(monkeypatch, module, rates, **options):
    """Return the losses of updates at these rates."""
    seen = []

    def method(task, **_):
        training = task.start(0)
        seen.extend(training.step(rate) for rate in rates)
        raise FinderError(f"an epoch has {training.steps_per_epoch}")

    monkeypatch.setitem(METHODS, "steps", method)
    LOSSES.clear()
    with pytest.raises(FinderError, match="an epoch has 3" if options else "an epoch has 8"):
        find(module, loader(), method="steps", trainer_options={"accelerator": "cpu", **options})
    return seen


def test_the_loss_of_an_update_is_the_mean_over_its_batches(monkeypatch):
    seen = steps(monkeypatch, made(Plain), [0.1, 0.2, 0.3], accumulate_grad_batches=3)
    # Eight batches an epoch, so the third update has two; Lightning divides by three all the same.
    expected = [sum(LOSSES[:3]) / 3, sum(LOSSES[3:6]) / 3, sum(LOSSES[6:8]) / 3]
    assert seen == pytest.approx(expected, rel=1e-6)


def test_schedulers_sleep_and_the_rate_is_their_base():
    module = made(Scheduled)
    before = everything(module)
    found = find(module, loader(), seeds=[0], trainer_options={"accelerator": "cpu", "max_epochs": 2})
    assert found.base_lr == 0.1
    assert 1e-4 < found.suggestion < 10
    assert found.updates > 16  # more than the two epochs of the training to come
    assert same(everything(module), before)


class Halving(Manual):
    """Its scheduler halves the rate just before each update."""

    rates = ()

    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        if batch_idx % 2:
            Halving.rates += (self.optimizers()[0].param_groups[0]["lr"],)
        return loss

    def configure_optimizers(self):
        optimizers, _ = super().configure_optimizers()
        return optimizers, [torch.optim.lr_scheduler.ExponentialLR(optimizers[0], 0.5)]


def test_the_rate_of_an_update_is_the_one_asked_for_also_after_a_scheduler_has_written_another(monkeypatch):
    seen = steps(monkeypatch, made(Halving), [0.1, 0.2, 0.4])
    assert Halving.rates == (0.1, 0.2, 0.4)
    assert seen == pytest.approx([(LOSSES[place] + LOSSES[place + 1]) / 2 for place in (0, 2, 4)])


class Hooked(Plain):
    """A hook after each update, a callback, and a schedule that counts updates: all of them sleep."""

    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        optimizer.register_step_post_hook(self.fail)
        self.scheduler = ScheduleLR(optimizer, Ramp(1.0, 0.0, 5), count_updates=True)
        return optimizer

    def configure_callbacks(self):
        callback = lightning.Callback()
        callback.on_train_batch_end = callback.on_train_start = self.fail
        return callback

    def fail(self, *given):
        raise AssertionError("it sleeps")


def test_hooks_and_callbacks_sleep_and_that_is_said():
    found = find(made(Hooked), loader(), seeds=[0], trainer_options={"accelerator": "cpu"})
    assert found.suggestion > 0
    assert "hooks_asleep" in found.flags


@pytest.mark.parametrize("measured", [False, True])
def test_a_measurement_in_between_leaves_the_training_as_it_is(measured, monkeypatch):
    module, seen, trainers = made(Plain), [], []

    def method(task, **_):
        training = task.start(0)
        for _ in range(20):
            seen.append(training.step(0.1))
            trainers.append(module.trainer)
            if measured:
                assert training.evaluate() == training.evaluate()
                assert module.training
        return finder.FinderResult("seen", None, None, (), (), 20, 0.0, 0.1)

    monkeypatch.setitem(METHODS, "measured", method)
    find(
        *(module, loader()), method="measured", validation=DataLoader(DATA, 16), trainer_options={"accelerator": "cpu"}
    )
    assert len(set(map(id, trainers))) == 1
    SEEN.setdefault("losses", seen)
    assert seen == SEEN["losses"]


def test_a_module_of_lightnings_other_package_is_trained_by_its_own_trainer():
    other = pytest.importorskip("pytorch_lightning")

    class Other(other.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = nn.Linear(6, 2)

        def training_step(self, batch, batch_idx):
            TRAINERS.add(type(self.trainer))
            return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    assert find(made(Other), loader(), seeds=[0], trainer_options={"accelerator": "cpu"}).suggestion > 1e-4
    assert {other.Trainer} == TRAINERS


def test_a_race_judges_by_what_the_module_logs():
    found = find(
        *(made(Plain), loader()),
        **{"validation": DataLoader(DATA, 16), "trainer_options": {"accelerator": "cpu"}},
        **{"method": "race", "around": 0.1, "steps": 100, "metric": "accuracy", "mode": "max"},
    )
    assert found.metric == "accuracy"
    assert 0.9 <= max(found.decisive[-1].losses) <= 1


@pytest.mark.parametrize("options", [{}, {"method": "race"}], ids=["as it is", "a race by name"])
def test_without_validation_data_training_losses_judge_and_with_some_what_the_module_logs(options):
    given = {"trainer_options": {"accelerator": "cpu"}, "pretrained": True, **options}
    validation = DataLoader(DATA, 16)
    measured = find(made(Plain), loader(), validation=validation, **given)
    assert (measured.method, measured.metric, measured.judged_by) == ("race", "val_loss", "validation")
    assert "pretrained" not in measured.flags
    by_accuracy = find(made(Plain), loader(), validation=validation, metric="accuracy", mode="max", **given)
    assert (by_accuracy.metric, by_accuracy.judged_by) == ("accuracy", "validation")
    for kind, more in ((Plain, {}), (WithoutValidation, {"validation": validation})):
        found = find(made(kind), loader(), **given, **more)
        assert (found.method, found.judged_by, "pretrained" in found.flags) == ("race", "training", True)
        assert "Nothing was measured on validation data: rates were judged by their training losses" in found.explain()


class Held(Plain):
    """It keeps its optimizer, and its loader."""

    def __init__(self):
        super().__init__()
        self.optimizer = torch.optim.Adam(self.parameters(), lr=self.rate)
        self.data = loader()

    def configure_optimizers(self):
        return self.optimizer

    def train_dataloader(self):
        return self.data


def test_an_optimizer_and_a_loader_that_the_module_keeps_are_put_back():
    module = made(Held)
    module.net(INPUTS).sum().backward()
    module.optimizer.step()
    hooks = []
    module.optimizer.register_step_post_hook(lambda *_: hooks.append(1))
    kept, order = copy.deepcopy(module.optimizer.state_dict()), module.data.generator.get_state()
    found = find(module, seeds=[0, 1], trainer_options={"accelerator": "cpu"})
    assert found.suggestion > 0
    assert same(module.optimizer.state_dict(), kept)
    assert torch.equal(module.data.generator.get_state(), order)
    assert hooks == []
    assert "hooks_asleep" in found.flags
    assert not module.optimizer._optimizer_step_pre_hooks
    module.optimizer.step()
    assert hooks == [1]


class Data(lightning.LightningDataModule):
    def setup(self, stage):
        self.stages = [*getattr(self, "stages", []), stage]

    def train_dataloader(self):
        return DataLoader(DATA, 8)

    def val_dataloader(self):
        return DataLoader(DATA, 16)


def test_a_datamodule_gives_both_sets_and_is_put_back():
    data = Data()
    found = find(made(Plain), datamodule=data, method="race", steps=100, around=0.1, trainer_options={"devices": 1})
    assert found.suggestion > 0
    assert "unshuffled" in found.flags
    assert not hasattr(data, "stages")
    assert data.trainer is None


class Failing(Plain):
    def training_step(self, batch, batch_idx):
        if self.global_step == 30:
            raise ArithmeticError("too hot")
        return super().training_step(batch, batch_idx)


def test_an_error_in_the_module_is_raised_as_it_is_and_leaves_no_trace():
    module = made(Failing)
    before = everything(module)
    with pytest.raises(ArithmeticError, match="too hot"):
        find(module, loader())
    assert same(everything(module), before)


def test_a_ctrl_c_while_the_trainer_trains_leaves_no_trace():
    module = made(Plain)
    before = everything(module)

    def interrupted(done, planned):
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find(module, loader(), on_progress=interrupted)
    assert same(everything(module), before)


class WithoutLoss(Manual):
    def training_step(self, batch, batch_idx):
        super().training_step(batch, batch_idx)


class WithoutUpdate(Manual):
    def training_step(self, batch, batch_idx):
        return Plain.training_step(self, batch, batch_idx)


class WithoutOptimizer(Plain):
    def configure_optimizers(self):
        return None


class WithoutValidation(Plain):
    validation_step = lightning.LightningModule.validation_step


RACE = {"method": "race", "steps": 100, "around": 0.1}


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        (WithoutLoss, {}, "find: training_step must return its loss in manual optimization, got none; return it"),
        (WithoutUpdate, {}, "find: there must be an update in every epoch, got none; return the losses"),
        (WithoutOptimizer, {}, "find: there must be an optimizer with a rate, got none; see that the trainer is given"),
        (Plain, RACE, "find: validation must be given to race or to train a grid, got none; give a loader"),
        (Plain, {"steps": 40}, "find: validation must be given to race or to train a grid, got none; give a loader"),
        (Plain, {"metric": "accuracy", "mode": "max"}, "find: validation must be given to race or to train a grid"),
        (WithoutValidation, RACE | {"validation": loader()}, "find: the module must have a validation_step to race"),
        (
            *(Plain, RACE | {"validation": loader(), "metric": "f1", "mode": "max"}),
            "race: metric must be one that the task measures, got 'f1'; measured: val_loss, accuracy",
        ),
        (Plain, RACE | {"metric": "accuracy"}, "race: mode must be given for the metric 'accuracy', got none"),
        (
            *(Plain, {"trainer_options": {"devices": 2, "accelerator": "cpu"}}),
            "find: it must train on one device, got 2; give trainer_options with devices=1",
        ),
        (lambda: nn.Linear(6, 2), {}, "find: module must be a LightningModule, got Linear; give one"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(kind, options, said):
    with pytest.raises((FinderError, ValueError, TypeError)) as error:
        find(made(kind), loader(), **options)
    assert str(error.value).startswith(said)
    assert "\n" not in str(error.value)
