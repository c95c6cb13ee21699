"""Models that were trained before: validation data judge their rates, and parts that are frozen stay as they were."""

import copy
import json
import math

import pytest
import torch
from finetuning_task import CE, DARK, IMAGES, LABELS, adapted, headed, learnt, more_of_the_same, sgd, tuned
from torch import nn
from trained import same

from ratesmith import Ramp
from ratesmith import find as find_for_task
from ratesmith.cli import run
from ratesmith.report import write_html
from ratesmith.testing import check_task
from ratesmith.torch import find

VALIDATION = (DARK[1200:], LABELS[1200:])


def final(task, rate, steps=100):
    """Return the loss at the end of a fine-tuning."""
    training = task.start(5)
    for step in range(steps):
        training.step(rate * Ramp(1.0, 0.0, steps, "cosine")(step))
    return training.evaluate()["loss"]


def test_a_task_that_says_so_is_raced_and_its_rate_is_near_the_best():
    task = tuned(pretrained=True)
    found = find_for_task(task)
    assert (found.method, found.pretrained, found.judged_by) == ("race", True, "validation")
    assert "pretrained" not in found.flags
    assert [curve.kind for curve in found.curves] == ["sweep", "training"]
    best = min(final(task, 10 ** (power / 2)) for power in range(-6, 1))
    assert final(task, found.suggestion) < 1.2 * best
    unsaid = find_for_task(tuned())
    assert not unsaid.pretrained, "nobody says so, and darkened it knows nothing"
    assert unsaid.suggestion == found.suggestion


def test_a_first_loss_far_below_chance_tells_it_too():
    found = find_for_task(more_of_the_same())
    assert (found.pretrained, "pretrained" in found.flags) == (True, False)
    swept = find_for_task(more_of_the_same(), method="sweep", seeds=[0])
    assert (swept.pretrained, "pretrained" in swept.flags) == (True, True)
    refused = find_for_task(more_of_the_same(), method="sweep", seeds=[0], pretrained=False)
    assert (refused.pretrained, "pretrained" in refused.flags) == (False, False)


def test_where_no_rate_betters_a_trained_model_none_is_suggested_and_none_is_said_to_have_died():
    found = find_for_task(more_of_the_same())
    assert found.suggestion is None
    assert "no_descent" in found.flags
    assert "died" not in found.explain()


def test_who_asks_for_a_sweep_or_its_options_gets_one_with_a_flag():
    task = tuned(pretrained=True)
    for options in ({"method": "sweep"}, {"rule": "steepest"}, {"low": 1e-5, "high": 10.0}):
        found = find_for_task(task, seeds=[0], **options)
        assert (found.method, "pretrained" in found.flags) == ("sweep", True)
        assert "no validation data judged: what a rate makes it forget was not seen. [RS109]" in found.explain()


def test_a_length_makes_it_a_race_for_that_length():
    for steps, length in ((60, 60), (200, 180)):
        found = find_for_task(tuned(pretrained=True), steps=steps)
        assert found.method == "race"
        assert found.decisive[0].name == f"{length} steps"


def test_live_finding_is_judged_by_validation_or_else_by_training_losses_and_leaves_the_model_as_it_was():
    model = copy.deepcopy(learnt())
    before, optimizer = copy.deepcopy(model.state_dict()), sgd(model)
    data = (DARK[:256], LABELS[:256])
    measured = find(model, optimizer, CE, data, validation=VALIDATION, batch_size=16, pretrained=True)
    assert (measured.judged_by, "pretrained" in measured.flags) == ("validation", False)
    trained = find(model, optimizer, CE, data, batch_size=16, pretrained=True)
    assert (trained.judged_by, "pretrained" in trained.flags) == ("training", True)
    assert "Nothing was measured on validation data: rates were judged by their training losses" in trained.explain()
    assert "validation data: rates were judged" not in measured.explain()
    assert same(model.state_dict(), before)


def test_it_is_told_from_which_rate_on_a_model_forgets_before_it_learns(tmp_path):
    found = find_for_task(more_of_the_same(), method="grid", steps=60, rates=[0.001, 0.01, 0.1, 3.0])
    [curve] = found.curves
    training = more_of_the_same().start(0)
    losses = [training.step(0.001 * Ramp(1.0, 0.0, 60, "cosine")(step)) for step in range(11)]
    assert curve.first == losses[0]
    assert curve.early[0] == math.fsum(losses[1:]) / 10
    assert curve.early[3] > 1.1 * curve.early[0]
    sentence = (
        f"The first loss was {curve.first:.3g}; over the next 10 updates it was {curve.early[0]:.3g} at 0.001 and "
        f"{curve.early[3]:.3g} at 3. From 3 on the model forgets before it learns."
    )
    assert sentence in found.explain()
    page = write_html(found, tmp_path / "found.html").read_text(encoding="utf-8")
    assert sentence in page
    assert "over the next 10 updates" in page
    for rate, early, end in zip(curve.rates, curve.early, curve.losses, strict=True):
        cells = "".join(f'<td class="number">{value:.3g}</td>' for value in (rate, curve.first, early, end))
        assert f"<tr>{cells}</tr>" in page.replace("\n", "")
    assert json.loads(json.dumps(found.to_data()))["curves"][0]["early"] == list(curve.early)


def test_a_sweep_tells_it_by_its_own_curve():
    found = find_for_task(more_of_the_same(), seeds=[0], method="sweep")
    [line] = [line for line in found.explain().splitlines() if "forgets" in line and line.startswith("From")]
    rate = float(line.split()[1])
    curve = found.curves[0]
    place = min(range(len(curve.rates)), key=lambda index: abs(math.log(curve.rates[index] / rate)))
    assert all(loss > curve.first for loss in curve.smooth[place + 1 :])
    assert curve.smooth[place - 1] <= curve.first


def frozen_group(model):
    body, head = model[:3].requires_grad_(False), model[3]
    return torch.optim.SGD([{"params": body.parameters()}, {"params": head.parameters(), "lr": 0.01}], lr=0.1)


def resting_group(model):
    return torch.optim.AdamW([{"params": model[:3].parameters(), "lr": 0.0}, {"params": model[3].parameters()}])


@pytest.mark.parametrize(
    ("make", "optimizer"),
    [
        (adapted, sgd),
        (adapted, lambda model: torch.optim.AdamW([w for w in model.parameters() if w.requires_grad], lr=0.02)),
        (headed, sgd),
        (lambda: copy.deepcopy(learnt()), frozen_group),
        (lambda: copy.deepcopy(learnt()), resting_group),
    ],
    ids=["adapters", "adapters alone in the optimizer", "a new head", "a frozen group", "a group at rate 0"],
)
def test_frozen_parts_stay_and_the_others_are_trained_and_searched(make, optimizer):
    task = tuned(model=make, optimizer=optimizer, pretrained=True)
    check_task(task)
    training = task.start(0)
    before = {name: weight.clone() for name, weight in training._loop.model.named_parameters()}
    losses = [training.step(training.base_lr) for _ in range(30)]
    moved = {name for name, weight in training._loop.model.named_parameters() if not torch.equal(weight, before[name])}
    resting = {name for name in before if name.startswith(("0.", "1."))} if "down" not in repr(make()) else set()
    frozen = {name for name, weight in training._loop.model.named_parameters() if not weight.requires_grad} | resting
    assert moved == set(before) - frozen
    assert sum(losses[-5:]) < sum(losses[:5])
    found = find_for_task(task, seeds=[0])
    assert 1e-4 < found.suggestion < 10

    model = make()
    alive, kept = optimizer(model), copy.deepcopy(model.state_dict())
    flags = [weight.requires_grad for weight in model.parameters()]
    live = find(model, alive, CE, (DARK[:256], LABELS[:256]), batch_size=16)
    assert 1e-4 < live.suggestion < 20
    assert same(model.state_dict(), kept)
    assert [weight.requires_grad for weight in model.parameters()] == flags
    assert all(weight.grad is None for weight in model.parameters())


def test_a_broken_update_is_seen_though_the_first_group_is_frozen():
    model = nn.Sequential(nn.Linear(64, 8).requires_grad_(False), nn.Linear(8, 10))
    optimizer = torch.optim.SGD([{"params": part.parameters()} for part in model], lr=0.1)

    class Breaking(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            return grad * math.nan

    def loss(output, target):
        return CE(Breaking.apply(output) if optimizer.param_groups[0]["lr"] > 0.1 else output, target)

    found = find(model, optimizer, loss, (IMAGES, LABELS), seeds=[0], method="sweep")
    assert max(found.curves[0].rates) <= 0.1, "the update that broke it is left out"


def test_the_command_takes_it_from_the_task_or_from_its_option(tmp_path, capsys):
    file = f"{__file__.rpartition('/torch/')[0]}/finetuning_task.py"

    def found(name, *options):
        assert run(["find", f"{file}:{name}", "--seeds", "1", "--json", "--out", str(tmp_path), *options]) == 0
        return json.loads(capsys.readouterr().out)

    raced = found("tuned_and_known")
    assert (raced["method"], raced["pretrained"], raced["codes"].count("RS109")) == ("race", True, 0)
    assert not found("tuned")["pretrained"]
    assert found("more_of_the_same", "--method", "sweep")["pretrained"], "its first loss shows it"
    assert found("tuned", "--pretrained")["pretrained"]
    assert not found("tuned_and_known", "--from-scratch")["pretrained"]
    assert "RS109" in found("tuned_and_known", "--method", "sweep")["codes"]
