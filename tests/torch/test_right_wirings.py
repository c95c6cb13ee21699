"""Two hundred trainings that are wired right, drawn at random: the doctor has nothing to say of any."""

import copy
import pickle
import random
import warnings

import pytest
import torch
from stepping import in_order, through_a_file
from torch.optim import lr_scheduler

from ratesmith import Horizon, parse
from ratesmith.torch import Absolute, ScheduleLR, Target, tensor_rates

OPTIMIZERS = {
    "SGD": lambda groups: torch.optim.SGD(groups, lr=0.1),
    "momentum": lambda groups: torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True),
    "fused SGD": lambda groups: torch.optim.SGD(groups, lr=0.1, fused=True),
    "foreach": lambda groups: torch.optim.SGD(groups, lr=0.1, foreach=True),
    "AdamW": lambda groups: torch.optim.AdamW(groups, lr=0.1),
    "fused AdamW": lambda groups: torch.optim.AdamW(groups, lr=0.1, fused=True),
    "RMSprop": lambda groups: torch.optim.RMSprop(groups, lr=0.01),
    "Adagrad": lambda groups: torch.optim.Adagrad(groups, lr=0.01),
    "Adafactor": lambda groups: torch.optim.Adafactor(groups, lr=0.01),
}
SCHEDULES = [
    "cosine()",
    'warmup("10%") >> cosine()',
    "warmup(3) >> linear()",
    "wsd(decay='20%')",
    'step("30%")',
    "one_cycle()",
    "constant()",
    "cosine_restarts(3)",
    'warmup("5%") >> cosine(final=0.1)',
    "cosine() * plateau(patience=2)",
    "plateau(patience=1)",
]
EVENTS = ["resume", "copy", "late group", "by hand", "jump", "drawn first", "save often"]


class Run:
    """One training: its length, its wiring and what happens in it are drawn from a seed."""

    def __init__(self, seed):
        self.draw = draw = random.Random(seed)
        self.updates = draw.randint(12, 80)
        self.accumulate = draw.choice([1, 1, 2, 5])
        self.groups = draw.randint(1, 4)
        self.kind = draw.choice(list(OPTIMIZERS))
        self.schedule = draw.choice(SCHEDULES)
        self.count = draw.random() < 0.4
        self.in_tensors = self.kind.startswith("fused") and draw.random() < 0.3
        self.horizon = draw.choice(
            [
                self.updates,
                Horizon(self.updates, steps_per_epoch=max(1, self.updates // 4)),
                Horizon(self.updates, samples_per_step=32),
                Horizon(self.updates, tokens_per_step=4096),
            ]
        )
        self.target = draw.choice([None, None, "weight_decay", "absolute"])
        self.scaler = torch.amp.GradScaler("cpu", enabled=draw.random() < 0.3)
        self.skipped = draw.choice([0, 1, 3, 17]) if self.scaler.is_enabled() else 0
        self.event = draw.choice(
            ["", "", "resume", "copy", "late group", "by hand", "jump", "drawn first", "save often"]
        )
        self.at = draw.randint(2, self.updates - 2)
        self.composite = draw.choice(["", "", "", "chain", "plateau"]) if not self.count and not self.event else ""

    def __repr__(self):
        return str({name: value for name, value in vars(self).items() if name != "draw"})

    def build(self):
        weights = [torch.nn.Parameter(torch.ones(2, 2)) for _ in range(self.groups + 1)]
        groups = [{"params": [weight], "lr": 0.1 / (place + 1)} for place, weight in enumerate(weights[:-1])]
        optimizer = OPTIMIZERS[self.kind](groups)
        if self.in_tensors:
            tensor_rates(optimizer)
        return weights, optimizer

    def scheduler(self, optimizer):
        targets = {
            "weight_decay": [Target("linear(final=0.5)", "weight_decay")],
            "absolute": [Target(Absolute("0.1 * linear(final=0.5)"), "weight_decay")],
        }.get(self.target, [])
        return ScheduleLR(optimizer, self.schedule, *targets, horizon=self.horizon, count_updates=self.count)

    def train(self):
        weights, optimizer = self.build()
        scheduler = self.scheduler(optimizer)
        beside = None
        if self.composite == "chain":
            scheduler = lr_scheduler.ChainedScheduler([scheduler, lr_scheduler.ExponentialLR(optimizer, 0.999)])
        elif self.composite == "plateau":
            beside = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.7, patience=1)
        if self.event == "drawn first":
            drawn = self.scheduler(self.build()[1])
            for _ in range(self.updates):
                drawn.step()
        for update in range(self.updates):
            if update == self.at:
                weights, optimizer, scheduler = self.happen(weights, optimizer, scheduler)
            self.update(weights, optimizer, update)
            self.step(scheduler, update)
            if beside is not None:
                beside.step(1.0)
            if self.event == "save often":
                through_a_file((optimizer.state_dict(), scheduler.state_dict()))

    def update(self, weights, optimizer, update):
        for _ in range(self.accumulate):
            overflow = float("inf") if update < self.skipped else 1.0
            loss = sum(
                (weight * overflow).square().sum() for group in optimizer.param_groups for weight in group["params"]
            )
            self.scaler.scale(loss).backward()
        self.scaler.step(optimizer)
        self.scaler.update()
        optimizer.zero_grad(set_to_none=self.draw.random() < 0.5)

    def step(self, scheduler, update):
        metrics = {"metrics": 1.0} if "plateau" in self.schedule and not self.composite and update % 3 == 2 else {}
        if not self.count or self.draw.random() < 0.5 or metrics:
            scheduler.step(**metrics)

    def happen(self, weights, optimizer, scheduler):
        if self.event == "resume":
            states = through_a_file((optimizer.state_dict(), scheduler.state_dict()))
            weights, optimizer = self.build()
            scheduler = in_order(self.draw.choice(["BOS", "BSO", "OBS"]), optimizer, self.scheduler, states)
        elif self.event == "copy":
            weights, optimizer, scheduler = self.draw.choice([copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])(
                (weights, optimizer, scheduler)
            )
        elif self.event == "late group":
            rate = copy.copy(optimizer.param_groups[0]["lr"])  # the present one, as finetuning callbacks give it
            optimizer.add_param_group({"params": [weights[-1]], "lr": rate})
        elif self.event == "by hand":
            scheduler.set_base_lr(0.05)
        elif self.event == "jump":
            scheduler.step_to(max(0, scheduler.last_epoch - 1))
        return weights, optimizer, scheduler


@pytest.mark.parametrize("tenth", range(10))
def test_a_right_wiring_is_left_in_peace(tenth):
    for seed in range(20 * tenth, 20 * tenth + 20):
        run = Run(seed)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            run.train()
        ours = [str(warning.message) for warning in caught if "[RS2" in str(warning.message)]
        assert ours == [], f"seed {seed}: {run}"


def test_the_draw_covers_what_it_names():
    runs = [Run(seed) for seed in range(200)]
    assert {run.kind for run in runs} == set(OPTIMIZERS)
    assert {run.schedule for run in runs} == set(SCHEDULES)
    assert {run.event for run in runs} >= {
        "resume",
        "copy",
        "late group",
        "by hand",
        "jump",
        "drawn first",
        "save often",
    }
    assert {run.composite for run in runs} == {"", "chain", "plateau"}
    assert sum(run.skipped > 0 for run in runs) > 20
    assert all(parse(run.schedule) for run in runs)
