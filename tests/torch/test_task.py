"""TorchTask: same seed, same training; restored at any step, bit for bit the same; measuring leaves no trace."""

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from ratesmith.torch import TorchTask

INPUTS = torch.randn(100, 6, generator=torch.Generator().manual_seed(0))
TARGETS = (INPUTS.sum(1) > 0).long()


class Noisy(nn.Module):
    """Batch norm has buffers, dropout draws from torch, and the jitter from Python and NumPy."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 2))

    def forward(self, inputs):
        if self.training:
            inputs = inputs + 0.01 * random.random() + 0.01 * np.random.rand()
        return self.layers(inputs)


class Hidden(Noisy):
    """A buffer that torch's own state leaves out, and a layer that thaws in the middle of training."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(()), persistent=False)
        self.layers[0].requires_grad_(False)

    def forward(self, inputs):
        if self.training:
            self.seen += 1
            self.layers[0].requires_grad_(bool(self.seen > 3))
        return super().forward(inputs) / (1 + 0.1 * self.seen)


class WideMomentum(torch.optim.Optimizer):
    """Keeps its momentum in float64 for float32 parameters, and a NumPy number among its options."""

    def __init__(self, params):
        super().__init__(params, {"lr": 0.1, "decay": np.float64(0.9)})

    def step(self):
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    state = self.state[parameter]
                    kept = state.get("momentum", torch.zeros_like(parameter, dtype=torch.float64))
                    state["momentum"] = group["decay"] * kept + parameter.grad.double()
                    parameter.data -= (group["lr"] * state["momentum"]).float()


def wide(model):
    return WideMomentum(model.parameters())


def frozen_norm():
    model = Noisy()
    model.layers[1].eval()
    return model


def make(optimizer=None, **options):
    defaults = {
        "model": Noisy,
        "optimizer": optimizer or (lambda model: torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)),
        "loss": nn.functional.cross_entropy,
        "train": (INPUTS, TARGETS),
        "validation": (INPUTS, TARGETS),
        "batch_size": 16,
    }
    return TorchTask(**{**defaults, **options})


def adam(model):
    return torch.optim.AdamW(
        [{"params": model.layers[0].parameters(), "lr": 0.01}, {"params": model.layers[4].parameters(), "lr": 0.001}]
    )


def whole_state(training):
    flat = {}

    def walk(prefix, value):
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(f"{prefix}.{key}", inner)
        elif isinstance(value, (list, tuple)):
            for index, inner in enumerate(value):
                walk(f"{prefix}.{index}", inner)
        else:
            flat[prefix] = value.tolist() if isinstance(value, torch.Tensor) else value

    walk("", training.state_dict())
    return flat


def test_the_same_seed_gives_the_same_training_and_another_seed_another():
    runs = []
    for seed in (3, 3, 4):
        training = make().start(seed)
        runs.append([training.step(0.1) for _ in range(15)])
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize("optimizer", [None, adam, wide])
@pytest.mark.parametrize("model", [Noisy, frozen_norm, Hidden])
@pytest.mark.parametrize("k", [0, 1, 5, 6, 11])
def test_restored_at_step_k_from_a_file_it_continues_bit_for_bit(optimizer, model, k, tmp_path):
    task = make(optimizer, model=model)
    whole = task.start(0)
    for _ in range(k):
        whole.step(0.05)
    task.save(whole.state_dict(), tmp_path / "state")
    expected = [(whole.step(0.1 / (1 + i)), whole.evaluate()) for i in range(8)]
    random.seed(99), np.random.seed(99), torch.manual_seed(99)
    again = task.start(7)
    again.step(0.3)
    again.load_state_dict(task.load(tmp_path / "state"))
    assert [(again.step(0.1 / (1 + i)), again.evaluate()) for i in range(8)] == expected
    assert whole_state(again) == whole_state(whole)


def test_a_saved_state_is_a_copy_that_training_does_not_change():
    training = make().start(0)
    training.step(0.1)
    state = training.state_dict()
    expected = [training.step(0.1) for _ in range(5)]
    for _ in range(2):
        training.load_state_dict(state)
        assert [training.step(0.1) for _ in range(5)] == expected


def test_measuring_leaves_the_training_untouched():
    task = make(model=frozen_norm, test=(INPUTS, TARGETS))
    training = task.start(0)
    training.step(0.1)
    before = whole_state(training)
    first = training.evaluate()
    assert training.evaluate("test") == first
    assert whole_state(training) == before
    a, b = task.start(0), task.start(0)
    plain = [b.step(0.1) for _ in range(8)]
    a = task.start(0)
    assert [(a.evaluate(), a.step(0.1))[1] for _ in range(8)] == plain


def test_the_loss_is_the_mean_over_all_samples_whatever_the_batches():
    inputs, targets = INPUTS[:37], TARGETS[:37]
    metrics = {"accuracy": lambda output, target: (output.argmax(1) == target).float().mean()}
    found = [
        make(validation=(inputs, targets), metrics=metrics, batch_size=size).start(0).evaluate() for size in (2, 9, 64)
    ]
    torch.manual_seed(0)
    model = Noisy().eval()
    with torch.no_grad():
        expected = float(nn.functional.cross_entropy(model(inputs), targets))
    for measured in found:
        assert measured["loss"] == pytest.approx(expected, rel=1e-6)
        assert measured["accuracy"] == pytest.approx(found[0]["accuracy"], rel=1e-6)


def test_the_rate_goes_to_the_first_group_and_the_others_keep_their_ratio():
    training = make(adam).start(0)
    assert training.base_lr == 0.01
    training.step(0.5)
    assert [group["lr"] for group in training._loop.optimizers[0].param_groups] == pytest.approx([0.5, 0.05])


def test_a_tensor_rate_is_written_in_place():
    training = make(lambda model: torch.optim.SGD(model.parameters(), lr=torch.tensor(0.1))).start(0)
    tensor = training._loop.optimizers[0].param_groups[0]["lr"]
    training.step(0.25)
    assert training._loop.optimizers[0].param_groups[0]["lr"] is tensor
    assert float(tensor) == 0.25


@pytest.mark.parametrize(("drop_last", "batches"), [(False, 7), (True, 6)])
def test_an_epoch_shows_every_sample_once_in_an_order_of_its_own(drop_last, batches):
    seen = []

    class Spy(TensorDataset):
        def __getitem__(self, index):
            seen.append(index)
            return super().__getitem__(index)

    training = make(train=Spy(INPUTS, TARGETS), drop_last=drop_last).start(0)
    for _ in range(2 * batches):
        training.step(0.1)
    shown = 96 if drop_last else 100
    epochs = [seen[:shown], seen[shown:]]
    assert training.steps_per_epoch == batches
    assert all(len(set(epoch)) == len(epoch) == shown for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_tensors_and_a_dataset_of_them_train_the_same():
    losses = []
    for train in ((INPUTS, TARGETS), TensorDataset(INPUTS, TARGETS)):
        training = make(train=train).start(0)
        losses.append([training.step(0.1) for _ in range(8)])
    assert losses[0] == losses[1]


class Stream(IterableDataset):
    def __iter__(self):
        return iter([])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"train": (INPUTS, TARGETS[:5])},
            "TorchTask: train must have one target for each input, got 100 and 5 of them",
        ),
        (
            {"train": Stream()},
            "TorchTask: train must give batches, got the dataset Stream, which gives samples one by one",
        ),
        (
            {"train": (INPUTS[:8], TARGETS[:8]), "drop_last": True},
            "TorchTask: train must hold at least one batch of 16",
        ),
        ({"validation": (INPUTS[:0], TARGETS[:0])}, "TorchTask: validation must not be empty, got 0 samples"),
        ({"batch_size": 0}, "TorchTask: batch_size must be a whole number of at least 1, got 0"),
        ({"batch_size": 2.5}, "TorchTask: batch_size must be a whole number of at least 1, got 2.5"),
        ({"metrics": {"loss": max}}, "TorchTask: the loss is always measured under 'loss'"),
    ],
)
def test_data_and_options_that_cannot_be_are_refused(options, message):
    with pytest.raises((ValueError, TypeError)) as caught:
        make(**options)
    assert str(caught.value).startswith(message)


def test_a_model_that_is_not_made_anew_is_refused():
    shared = Noisy()
    task = make(model=lambda: shared)
    first = task.start(0)
    with pytest.raises(ValueError, match=r"TorchTask: model\(\) must make a new model at each call"):
        task.start(1)
    assert first.step(0.1) > 0


def test_a_split_without_data_and_a_rate_of_zero_are_refused():
    with pytest.raises(ValueError, match="TorchTask: split must be one that the task has data for, got 'test'"):
        make().start(0).evaluate("test")
    with pytest.raises(ValueError, match=r"TorchTask: a parameter group's rate must be above 0, got 0.0"):
        make(lambda model: torch.optim.SGD(model.parameters(), lr=0.0)).start(0)
    with pytest.raises(TypeError, match="TorchTask: optimizer must update from one gradient, got LBFGS"):
        make(lambda model: torch.optim.LBFGS(model.parameters())).start(0)


def test_folds_are_disjoint_and_together_all_data_and_runs_of_a_seed_are_measured_on_its_own():
    seen = []

    class Spy(TensorDataset):
        def __getitem__(self, index):
            seen.append(index)
            return super().__getitem__(index)

    task = make(train=Spy(INPUTS, TARGETS), validation=None, folds=4)
    held_out, trained = [], []
    for seed in range(4):
        training = task.start(seed)
        assert training.steps_per_epoch == 5
        seen.clear()
        training.evaluate()
        held_out.append(set(seen))
        seen.clear()
        for _ in range(5):
            training.step(0.1)
        trained.append(set(seen))
    assert sorted(index for fold in held_out for index in fold) == list(range(100))
    assert all(fold | rest == set(range(100)) and not fold & rest for fold, rest in zip(held_out, trained, strict=True))
    seen.clear()
    task.start(6).evaluate()
    assert set(seen) == held_out[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 4}, "TorchTask: folds take the place of validation data, got both; give one of them"),
        ({"folds": 1, "validation": None}, "TorchTask: folds must be a whole number of at least 2, got 1"),
        (
            {"folds": 4, "validation": None, "train": DataLoader(TensorDataset(INPUTS, TARGETS), 16)},
            "TorchTask: train must be tensors or a dataset to be cut into folds, got DataLoader; give these",
        ),
        ({"validation": None}, "TorchTask: validation must be a DataLoader, tensors (inputs, ..., targets), a dataset"),
    ],
)
def test_folds_that_cannot_be_are_refused(options, message):
    with pytest.raises((ValueError, TypeError)) as caught:
        make(**options)
    assert str(caught.value).startswith(message)


def test_a_task_prints_what_it_trains_on_without_the_data():
    assert repr(make()).startswith("<TorchTask: batches an epoch: ")
    assert "tensor" not in repr(make())
