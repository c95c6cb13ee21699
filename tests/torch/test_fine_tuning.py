"""Models that were trained before: a rate is found by racing, and parts that are frozen stay as they were."""

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


def test_a_task_that_says_so_is_swept_and_then_raced_and_its_rate_is_near_the_best():
    task = tuned(pretrained=True)
    found = find_for_task(task, seeds=[0])
    assert found.method == "race"
    assert found.pretrained
    assert "short_race" in found.flags
    assert [curve.kind for curve in found.curves] == ["sweep", "training", "training"][: len(found.curves)]
    assert found.suggestion == found.interval[0] <= found.decisive[-1].suggestion
    least = "; the lowest of them is suggested, which changes the model least."
    assert (least in found.explain()) == (found.interval[0] < found.interval[1])
    best = min(final(task, 10 ** (power / 2)) for power in range(-6, 1))
    assert final(task, found.suggestion) < 1.2 * best
    assert find_for_task(tuned(), seeds=[0]).method == "sweep", "nobody says so, and darkened it knows nothing"


def test_a_first_loss_far_below_chance_tells_it_too():
    found = find_for_task(more_of_the_same(), seeds=[0])
    assert found.pretrained
    assert {"short_race", "pretrained"} & set(found.flags)
    refused = find_for_task(more_of_the_same(), seeds=[0], pretrained=False)
    assert (refused.method, refused.pretrained) == ("sweep", False)


def test_who_asks_for_a_sweep_or_its_options_gets_one_with_a_flag():
    task = tuned(pretrained=True)
    for options in ({"method": "sweep"}, {"rule": "steepest"}, {"low": 1e-5, "high": 10.0}):
        found = find_for_task(task, seeds=[0], **options)
        assert (found.method, "pretrained" in found.flags) == ("sweep", True)
        assert "Race short trainings instead. [RS109]" in found.explain()


def test_a_length_makes_it_a_race_for_that_length():
    found = find_for_task(tuned(pretrained=True), steps=60)
    assert found.method == "race"
    assert "short_race" not in found.flags
    assert {curve.name for curve in found.curves if curve.kind == "training"} == {"60 steps"}


def test_live_finding_races_if_it_can_measure_and_leaves_the_model_as_it_was():
    model = copy.deepcopy(learnt())
    before, optimizer = copy.deepcopy(model.state_dict()), sgd(model)
    data = (DARK[:256], LABELS[:256])
    raced = find(model, optimizer, CE, data, validation=VALIDATION, batch_size=16, seeds=[0], pretrained=True)
    assert raced.method == "race"
    swept = find(model, optimizer, CE, data, batch_size=16, seeds=[0], pretrained=True)
    assert (swept.method, "pretrained" in swept.flags) == ("sweep", True)
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
    live = find(model, alive, CE, (DARK[:256], LABELS[:256]), batch_size=16, seeds=[0])
    assert 1e-4 < live.suggestion < 10
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

    said = found("tuned_and_known")
    assert (said["method"], said["pretrained"], "RS110" in said["codes"]) == ("race", True, True)
    assert found("tuned")["method"] == "sweep"
    assert found("more_of_the_same")["pretrained"], "its first loss shows it"
    assert found("tuned", "--pretrained")["method"] == "race"
    assert found("tuned_and_known", "--from-scratch")["method"] == "sweep"
    assert "RS109" in found("tuned_and_known", "--method", "sweep")["codes"]
