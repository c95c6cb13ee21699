"""Losses with weights of their own, as metric learning has: each run has a copy, saved and put back with the rest."""

import copy
import functools

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from trained import same

from ratesmith.testing import check_task
from ratesmith.torch import TorchTask, find
from ratesmith.torch.loss_module import module_of, own_loss

PIXELS, LABELS = (torch.tensor(array) for array in load_digits(return_X_y=True))
PIXELS = PIXELS.float() / 16


class Proxies(nn.Module):
    """A learned place for each class, which images of it are to come near (Movshovitz-Attias et al., 2017).

    It follows the mean of the embeddings in a buffer, and has a frozen part.
    """

    def __init__(self, classes=10, size=8):
        super().__init__()
        self.places = nn.Parameter(torch.randn(classes, size, generator=torch.Generator().manual_seed(0)))
        self.compare = nn.Linear(size, size, bias=False).requires_grad_(False)
        self.register_buffer("mean", torch.zeros(size))

    def forward(self, embedded, labels, sharpness=5):
        if torch.is_grad_enabled():
            self.mean.lerp_(embedded.detach().mean(0), 0.1)
        embedded = nn.functional.normalize(self.compare(embedded - self.mean))
        return nn.functional.cross_entropy(sharpness * embedded @ nn.functional.normalize(self.places).T, labels)

    def of_batch(self, model, batch):
        return self(model(batch[0]), batch[1])


FORMS = {
    "module": lambda loss: loss,
    "method": lambda loss: loss.of_batch,
    "partial": lambda loss: functools.partial(loss, sharpness=4),
}
OPTIMIZERS = {
    "sgd": lambda model, loss: torch.optim.SGD(
        [{"params": model.parameters()}, {"params": loss.parameters(), "lr": 0.5}], lr=0.05, momentum=0.9
    ),
    "adagrad": lambda model, loss: torch.optim.Adagrad([*model.parameters(), loss.places], lr=0.05),  # state at once
    "several": lambda model, loss: [torch.optim.AdamW(model.parameters(), 0.01), torch.optim.SGD([loss.places], 0.5)],
}


def task(loss, optimizer="sgd", **options):
    module = module_of(loss)
    given = {
        "model": lambda: nn.Linear(64, 8),
        "optimizer": lambda model: OPTIMIZERS[optimizer](model, module),
        "loss": loss,
        "train": (PIXELS[:320], LABELS[:320]),
        "validation": (PIXELS[1500:], LABELS[1500:]),
        "batch_size": 32,
    }
    return TorchTask(**{**given, **options})


def trained(training, steps):
    return [training.step(0.05) for _ in range(steps)]


def plain_loop(steps):
    """Return the losses of a loop as a user writes it, over the same batches."""
    loss = Proxies()
    mine = task(loss)
    position = mine.split(0)[0].begin(0)
    torch.manual_seed(0)
    model = nn.Linear(64, 8)
    optimizer, losses = OPTIMIZERS["sgd"](model, loss), []
    for _ in range(steps):
        inputs, labels = position.next()
        optimizer.zero_grad()
        value = loss(model(inputs), labels)
        value.backward()
        optimizer.step()
        losses.append(value.item())
    return losses


def test_it_trains_as_the_plain_loop_bit_for_bit():
    torch.manual_seed(3)
    losses = trained(task(Proxies()).start(0), 30)
    torch.manual_seed(3)
    assert losses == plain_loop(30)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("form", FORMS)
def test_the_laws_hold_and_the_loss_that_was_given_is_never_trained(optimizer, form):
    loss = Proxies()
    before = copy.deepcopy(loss.state_dict())
    mine = task(FORMS[form](loss), optimizer)
    check_task(mine)
    assert same(loss.state_dict(), before)
    training = mine.start(0)
    losses = trained(training, 40)
    assert sum(losses[-5:]) < sum(losses[:5]) - 0.5
    assert not torch.equal(training._loss_module.places, loss.places), "its places are learnt"
    assert training._loss_module.compare.weight is loss.compare.weight, "what is frozen is shared"


def test_trainings_side_by_side_do_not_share_its_weights_and_a_file_brings_them(tmp_path):
    mine = task(Proxies())
    expected = trained(mine.start(0), 20)
    one, other = mine.start(0), mine.start(1)
    losses = []
    for _ in range(10):
        losses += trained(one, 1)
        trained(other, 1)
    assert losses == expected[:10]
    mine.save(one.state_dict(), tmp_path / "state")
    measured = one.evaluate()
    other.load_state_dict(mine.load(tmp_path / "state"))
    assert other.evaluate() == measured
    assert trained(other, 10) == expected[10:]


def test_find_leaves_a_loss_and_its_place_in_the_optimizer_as_they_were():
    for form in FORMS.values():
        torch.manual_seed(0)
        model, loss = nn.Linear(64, 8), Proxies()
        optimizer = OPTIMIZERS["sgd"](model, loss)
        data = (PIXELS[:320], LABELS[:320])
        before = copy.deepcopy((model.state_dict(), loss.state_dict(), optimizer.state_dict()))
        found = find(model, optimizer, form(loss), data, seeds=[0], batch_size=32)
        assert 1e-3 < found.suggestion < 100
        assert same((model.state_dict(), loss.state_dict(), optimizer.state_dict()), before)


def test_weights_that_are_in_an_optimizer_and_nowhere_else_are_told_before_a_second_run_shares_them():
    loss = Proxies()
    hidden = TorchTask(
        model=lambda: nn.Linear(64, 8),
        optimizer=lambda model: OPTIMIZERS["sgd"](model, loss),
        loss=lambda output, target: loss(output, target),
        train=(PIXELS, LABELS),
        validation=(PIXELS, LABELS),
    )
    hidden.start(0)
    with pytest.raises(ValueError, match="must hold weights of the model or of loss=, got some that another run has"):
        hidden.start(1)


def test_a_loss_without_weights_is_used_as_it_is():
    for loss in (nn.CrossEntropyLoss(), nn.functional.cross_entropy, None):
        assert own_loss(loss, []) == (loss, None)
