"""Folds: training and validation data joined, dealt out evenly, every class to each part."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset, TensorDataset

from ratesmith._checks import OptionError
from ratesmith.experiment import compare
from ratesmith.testing import check_task
from ratesmith.torch import TorchTask
from ratesmith.torch.folds import classes_of, fold_of_each, joined

INPUTS = torch.arange(100.0)[:, None]
TARGETS = (torch.arange(100) % 10 == 0).long()  # every tenth: rare enough for chance to leave a fold without any


def task(**options):
    standard = {
        "model": lambda: nn.Linear(1, 2),
        "optimizer": lambda model: torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
        "loss": lambda output, target: nn.functional.cross_entropy(output / 50, target),
        "train": (INPUTS[:80], TARGETS[:80]),
        "validation": (INPUTS[80:90], TARGETS[80:90]),
        "test": (INPUTS[90:], TARGETS[90:]),
        "batch_size": 8,
    }
    return TorchTask(**{**standard, **options})


def inputs_of(data):
    return [value for batch in data.measured() for value in batch[0].flatten().tolist()]


CANNOT = "TorchTask: folds needs training and validation data that can be joined and cut (tensors, arrays, datasets)"


def parts(task, folds):
    return [task.fold(index, folds).split(0) for index in range(folds)]


class Pictures(Dataset):
    """As torchvision's: a sample is made when it is asked for, and `targets` tells the classes."""

    def __init__(self, inputs, targets):
        self.inputs, self.targets = inputs, targets

    def __len__(self):
        return len(self.inputs)

    def __getitem__(self, index):
        return self.inputs[index], self.targets[index]


LATER = TARGETS[50:80].tolist()
KINDS = {
    "tensors": {},
    "arrays": {
        "train": (INPUTS[:80].numpy(), TARGETS[:80].numpy()),
        "validation": (INPUTS[80:90].numpy(), TARGETS[80:90].numpy()),
    },
    "datasets": {
        "train": ConcatDataset([Pictures(INPUTS[:50], TARGETS[:50].tolist()), Pictures(INPUTS[50:80], LATER)]),
        "validation": Subset(Pictures(INPUTS, TARGETS.tolist()), range(80, 90)),
    },
    "one": {"train": (INPUTS[:90], TARGETS[:90]), "validation": None, "folds": 2},
}


@pytest.mark.parametrize("kind", KINDS)
def test_parts_are_disjoint_all_of_the_data_of_one_size_and_have_every_class(kind):
    cut = parts(task(**KINDS[kind]), 4)
    held_out = [inputs_of(measured) for _, measured in cut]
    assert sorted(value for part in held_out for value in part) == INPUTS[:90].flatten().tolist()
    assert max(map(len, held_out)) - min(map(len, held_out)) <= 1
    for (train, _), part in zip(cut, held_out, strict=True):
        assert sorted([*inputs_of(train), *part]) == INPUTS[:90].flatten().tolist()
        rare = sum(value % 10 == 0 for value in part)
        assert rare in (2, 3)  # 9 of them over 4 parts


def test_the_order_of_the_data_does_not_decide_the_parts_and_other_targets_are_dealt_by_chance():
    dealt = fold_of_each(1000, 5)
    assert torch.equal(dealt, fold_of_each(1000, 5))
    assert torch.bincount(dealt).tolist() == [200] * 5
    halves = torch.bincount(dealt[:500])
    assert halves.min() > 70
    assert halves.tolist() != [100] * 5  # by chance, not in turn
    classes = torch.arange(1000) // 10 % 7
    by_class = fold_of_each(1000, 5, classes)
    for each in range(7):
        counts = torch.bincount(by_class[classes == each], minlength=5)
        assert counts.max() - counts.min() <= 1


def test_classes_are_told_of_whole_numbers_alone_one_a_sample():
    assert torch.equal(classes_of((INPUTS, TARGETS)), TARGETS)
    assert torch.equal(classes_of(TensorDataset(INPUTS, TARGETS)), TARGETS)
    assert classes_of(Pictures(INPUTS, TARGETS.tolist())).tolist() == TARGETS.tolist()
    both = ConcatDataset([Pictures(INPUTS, TARGETS), Subset(TensorDataset(INPUTS, TARGETS), [0, 20, 21])])
    assert classes_of(both).tolist() == [*TARGETS.tolist(), 1, 1, 0]
    assert classes_of(ConcatDataset([Pictures(INPUTS, TARGETS), Pictures(INPUTS, None)])) is None
    for other in (INPUTS, (INPUTS,), (INPUTS, INPUTS), (INPUTS, torch.stack([TARGETS, TARGETS], 1))):
        assert classes_of(other) is None
    assert classes_of(Pictures(INPUTS, ["cat"] * 100)) is None
    assert classes_of(Pictures(INPUTS, [1, 2])) is None


def test_a_fold_keeps_the_laws_and_the_test_data_and_is_made_of_the_same_tensors():
    whole = task(drop_last=True)
    fold = whole.fold(1, 5)
    check_task(fold)
    assert fold.start(3).evaluate("test") == whole.start(3).evaluate("test")
    assert fold.start(0).steps_per_epoch == 72 // 8
    assert len(inputs_of(fold.split(0)[1])) == 18  # nothing is dropped of what is measured
    again = whole.fold(2, 5)
    assert fold.train._tensors[0].data_ptr() == again.train._tensors[0].data_ptr()
    assert repr(fold).startswith("<TorchTask: batches an epoch: 9")


def test_another_optimizer_and_a_fold_go_together_in_any_order():
    def adam(model):
        return torch.optim.Adam(model.parameters(), lr=0.01)

    one, other = task().with_optimizer(adam).fold(1, 3), task().fold(1, 3).with_optimizer(adam)
    trainings = [each.start(4) for each in (one, other)]
    losses = [[training.step(0.01) for _ in range(12)] for training in trainings]
    assert losses[0] == losses[1]
    assert [training.base_lr for training in trainings] == [0.01, 0.01]
    assert task().start(0).base_lr == 0.1


def test_a_loader_is_the_same_whatever_the_optimizer():
    loader = DataLoader(TensorDataset(INPUTS, TARGETS), 8, shuffle=True)
    first = task(train=loader)
    second = first.with_optimizer(lambda model: torch.optim.Adam(model.parameters(), lr=0.01))
    assert first.split(0)[0] is second.split(0)[0]


@pytest.mark.parametrize(
    ("options", "folds", "message"),
    [
        (
            {"train": DataLoader(TensorDataset(INPUTS, TARGETS), 8)},
            3,
            "train as DataLoader; give these",
        ),
        (
            {"validation": lambda: (INPUTS, TARGETS), "validation_batches": 1},
            3,
            "validation as function; give these",
        ),
        (
            {"validation": TensorDataset(INPUTS, TARGETS)},
            3,
            "tensors and a dataset; give both in one form",
        ),
        (
            {"validation": (INPUTS[:10], TARGETS[:10].float())},
            3,
            "tensors of float32 (80, 1), int64 (80,) and tensors of float32 (10, 1), float32 (10,); give both in one",
        ),
        ({}, 1, "TorchTask: folds must be a whole number of at least 2, got 1"),
        ({}, 91, "TorchTask: folds must be at most the number of samples, got 91 for 90; give fewer"),
    ],
)
def test_data_that_cannot_be_cut_is_one_line_that_names_the_option(options, folds, message):
    with pytest.raises(OptionError) as caught:
        task(**options).fold(0, folds)
    assert str(caught.value).startswith(message if message.startswith("TorchTask") else f"{CANNOT}, got {message}")
    assert caught.value.spelled({"folds": "--folds"}).startswith("TorchTask: --folds ")


def test_a_comparison_knows_the_folds_of_a_task_that_cuts_its_data_itself(tmp_path):
    mine = task(**KINDS["one"])
    found = compare(mine, [], folder=tmp_path, steps=6, rates=[0.1], seeds=2, choice_seeds=1)
    assert (found.question.folds, found.layout.folds) == (2, 0)


def test_single_tensors_are_joined_as_such():
    assert torch.equal(joined([INPUTS[:3], INPUTS[3:5]]), INPUTS[:5])
    assert joined([INPUTS]) is INPUTS
    assert np.array_equal(joined([(INPUTS[:2],), (INPUTS[2:4],)])[0], INPUTS[:4])
