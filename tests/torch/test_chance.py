"""A model that was trained before is told by its first loss, and a fresh one is never taken for one."""

import copy
import math
from dataclasses import replace

import pytest
import torch
from finetuning_task import IMAGES, learnt, more_of_the_same
from finetuning_task import LABELS as LABELS_OF_IMAGES
from torch import nn
from torch.utils.data import DataLoader

from ratesmith.torch import TorchTask
from ratesmith.torch.chance import is_below_chance

LABELS = torch.arange(24).reshape(4, 6) % 3
SURE = 9.0 * nn.functional.one_hot(LABELS, 3)
"""Logits of a model that knows, (samples, places, classes)."""
CE = nn.functional.cross_entropy


def told(logits, labels=LABELS, loss=None, of_model=False, output=None):
    flat = CE(logits.reshape(-1, 3), LABELS.reshape(-1)) if loss is None else torch.tensor(loss)
    return is_below_chance(flat, logits if output is None else output, labels, of_model=of_model)


@pytest.mark.parametrize("logits", [SURE, SURE.movedim(2, 1)], ids=["last", "second"])
def test_classes_may_stand_in_the_last_or_the_second_place(logits):
    low = CE(SURE.reshape(-1, 3), LABELS.reshape(-1)).item()
    assert told(logits, loss=low)
    assert not told(0 * logits, loss=math.log(3))


@pytest.mark.parametrize("output", [{"loss": 0.1, "logits": SURE}, (torch.tensor(0.1), SURE), [SURE, None]])
def test_logits_lie_in_a_dict_or_a_tuple_and_labels_in_a_dict(output):
    assert told(SURE, output=output)
    assert told(SURE, {"labels": LABELS, "mask": None}, output=output)
    assert not told(SURE, {"y": LABELS}, output=output), "nobody knows which are the labels"


def test_a_fresh_model_with_more_places_than_classes_is_not_taken_for_a_trained_one():
    torch.manual_seed(0)
    inputs = torch.randint(12, (64, 300))
    training = TorchTask(
        model=lambda: nn.Embedding(12, 3),
        optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=0.1),
        loss=lambda output, target: CE(output.reshape(-1, 3), target.reshape(-1)),
        train=(inputs, inputs % 3),
        validation=(inputs, inputs % 3),
    ).start(0)
    assert math.log(3) / 2 < training.step(0.1) < math.log(300) / 2
    assert not training.began_below_chance


def test_a_small_loss_beside_unsure_logits_tells_nothing_unless_it_is_the_models_own():
    unsure = 0 * SURE
    assert not told(unsure, loss=0.2), "as a focal loss, or one that is scaled"
    assert told(unsure, loss=0.2, of_model=True), "as of a language model, which shifts the labels itself"


def test_labels_that_are_left_out_do_not_count_and_those_that_are_no_class_tell_nothing():
    assert told(SURE, torch.where(LABELS == 0, -100, LABELS))
    assert not told(SURE, torch.full_like(LABELS, -100), loss=0.0)
    assert not told(SURE, LABELS + 1, loss=0.0)
    assert not told(SURE, LABELS.float(), loss=0.0)
    assert not told(SURE, LABELS[:, :5], loss=0.0)


def test_if_classes_could_stand_in_both_places_both_must_be_below():
    right = torch.tensor([[[9.0, 0.0], [9.0, 0.0]]])  # if the classes stand last
    labels = torch.tensor([[0, 0]])
    assert not is_below_chance(torch.tensor(0.0), right, labels, of_model=False)
    assert not is_below_chance(torch.tensor(0.0), right.movedim(2, 1), labels, of_model=False)
    sure = torch.tensor([[[9.0, 0.0], [0.0, 9.0]]])
    assert is_below_chance(torch.tensor(0.0), sure, torch.tensor([[0, 1]]), of_model=False)


class WithLoss(nn.Module):
    """A trained network that gives its own loss, as those of Transformers do."""

    def __init__(self):
        super().__init__()
        self.inner = copy.deepcopy(learnt())

    def forward(self, inputs, labels=None):
        logits = self.inner(inputs)
        return {"loss": CE(logits, labels), "logits": logits}


def test_a_trained_model_with_a_loss_of_its_own_is_noticed_in_dicts():
    data = [{"inputs": image, "labels": label} for image, label in zip(IMAGES[:256], LABELS_OF_IMAGES, strict=False)]
    loader = DataLoader(data, batch_size=16, shuffle=True)
    task = more_of_the_same()
    dicts = replace(task, model=WithLoss, loss=None, train=loader, validation=loader)
    tuples = replace(task, model=WithLoss, loss=None)
    for trained in (dicts, tuples):
        training = trained.start(0)
        training.step(0.001)
        assert training.began_below_chance


def test_one_label_tells_nothing_since_a_guess_is_often_right_about_it():
    sure = torch.tensor([[9.0, 0.0], [9.0, 0.0]])
    labels = torch.tensor([0, 0])
    assert is_below_chance(torch.tensor(0.0), sure, labels, of_model=False)
    for of_model in (False, True):
        assert not is_below_chance(torch.tensor(0.0), sure[:1], labels[:1], of_model=of_model)
