"""Optimizers with two modes, as schedule-free ones: measured in one, trained and saved in the other."""

import copy

import pytest
import torch
from torch import nn

from ratesmith.experiment import compare
from ratesmith.testing import check_task
from ratesmith.torch import TorchTask
from ratesmith.torch.optimizer_modes import evaluating, has_modes

INPUTS = torch.randn(96, 6, generator=torch.Generator().manual_seed(0))
TARGETS = (INPUTS[:, 0] + INPUTS[:, 1] > 0).long()


def net():
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2))


def task(optimizer):
    return TorchTask(
        model=net,
        optimizer=optimizer,
        loss=nn.functional.cross_entropy,
        train=(INPUTS[:64], TARGETS[:64]),
        validation=(INPUTS[64:80], TARGETS[64:80]),
        test=(INPUTS[80:], TARGETS[80:]),
        batch_size=16,
    )


def schedule_free(model):
    return pytest.importorskip("schedulefree").AdamWScheduleFree(model.parameters(), lr=0.01)


def prodigy(model):
    return pytest.importorskip("prodigyopt").Prodigy(model.parameters())


def muon(model):
    if not hasattr(torch.optim, "Muon"):
        pytest.skip("this PyTorch has no Muon")
    hidden = [weight for weight in model.parameters() if weight.ndim == 2]
    others = [weight for weight in model.parameters() if weight.ndim != 2]
    return [torch.optim.Muon(hidden, lr=0.02), torch.optim.AdamW(others, lr=0.003)]


@pytest.mark.parametrize("optimizer", [schedule_free, prodigy, muon])
def test_a_real_optimizer_goes_on_from_a_saved_state_and_through_measurements_bit_for_bit(optimizer):
    check_task(task(optimizer))


def test_a_comparison_trains_a_real_optimizer_as_a_loop_without_measurements_does(tmp_path):
    options = {"steps": 24, "rates": [0.01], "seeds": 2, "choice_seeds": 1, "evaluate_every": 3, "version": "1"}
    strategies = ["free: constant()", 'free: step(every="50%")', "constant()"]
    plain = task(lambda model: torch.optim.AdamW(model.parameters(), lr=0.01))
    found = compare(plain, strategies, optimizers={"free": schedule_free}, folder=tmp_path, **options)
    shared = [run for run in found.runs if run.shared]
    assert {run.trial.strategy for run in shared} == {'free: step(every="50%")'}
    assert {run.shared_with for run in shared} == {"free: constant()"}
    for run in found.runs:
        if run.trial.strategy != "constant()":
            training = task(schedule_free).start(run.trial.seed)
            for step in range(24):
                training.step(0.001 if "step" in run.trial.strategy and step >= 12 else 0.01)
            assert training.evaluate() == run.metrics


class Averaged(torch.optim.SGD):
    """Trains at one place and is measured at another; the way back rounds."""

    mode = "train"

    def train(self):
        self.move("train", 1.0)

    def eval(self):
        self.move("eval", -1.0)

    def move(self, mode, sign):
        for group in self.param_groups:
            for weight in group["params"] if mode != self.mode else ():
                weight.data.add_(sign / 3)
        self.mode = mode


def test_weights_are_measured_in_evaluation_and_trained_on_as_they_were_to_the_last_bit():
    model = net()
    optimizer = Averaged(model.parameters(), lr=0.1)
    before = copy.deepcopy(model.state_dict())
    with evaluating([optimizer]):
        assert optimizer.mode == "eval"
        assert torch.equal(model[0].bias, before["0.bias"] - 1 / 3)
    assert optimizer.mode == "train"
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    with pytest.raises(RuntimeError, match="interrupted"), evaluating([optimizer]):
        raise RuntimeError("interrupted")
    assert optimizer.mode == "train"
    assert torch.equal(model[0].bias, before["0.bias"])


def test_a_state_is_saved_in_training_and_tested_in_evaluation():
    used = task(lambda model: Averaged(model.parameters(), lr=0.1))
    training = used.start(0)
    for _ in range(5):
        training.step(0.1)
    other = used.start(0)
    other.load_state_dict(training.state_dict())
    assert other.evaluate("test") == training.evaluate("test")
    trained = net()
    trained.load_state_dict({name: value - 1 / 3 for name, value in training.state_dict()["model"].items()})
    with torch.no_grad():
        loss = nn.functional.cross_entropy(trained(INPUTS[80:]), TARGETS[80:]).item()
    assert training.evaluate("test")["loss"] == loss


def test_an_optimizer_with_one_of_the_two_methods_alone_has_no_modes():
    plain = torch.optim.SGD(net().parameters(), lr=0.1)
    assert not has_modes(plain)
    plain.train = lambda: None
    assert not has_modes(plain)
    plain.eval = lambda: None
    assert has_modes(plain)
