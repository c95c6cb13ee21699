"""What training loops have: each is written out as a plain loop, and a task and find must do the very same."""

import copy
import types
from collections import namedtuple
from contextlib import nullcontext

import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.metrics import f1_score, roc_auc_score
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, TensorDataset

from ratesmith.testing import check_task
from ratesmith.torch import BatchMean, TorchTask, find

IMAGES, DIGITS = load_digits(return_X_y=True)
INPUTS = torch.tensor(IMAGES[:400], dtype=torch.float32) / 16
TARGETS = torch.tensor(DIGITS[:400])
VALIDATION = (torch.tensor(IMAGES[400:630], dtype=torch.float32) / 16, torch.tensor(DIGITS[400:630]))
STEPS = 20
LR = 0.05
cross_entropy = nn.functional.cross_entropy


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 10))


class TwoInputs(nn.Module):
    """Takes the upper and the lower half of an image, and gives a number from 0 to 1."""

    def __init__(self):
        super().__init__()
        self.upper, self.lower, self.last = nn.Linear(32, 16), nn.Linear(32, 16), nn.Linear(16, 10)

    def forward(self, upper, lower):
        return self.last(torch.relu(self.upper(upper) + self.lower(lower)))


class OwnLoss(Net):
    """As models of transformers: named inputs, and the loss in the output if there are labels."""

    def forward(self, pixels, labels=None):
        logits = super().forward(pixels)
        return types.SimpleNamespace(logits=logits, loss=None if labels is None else cross_entropy(logits, labels))


class LogitsAndLoss(Net):
    """As small language models have it: (logits, loss), the loss None without targets."""

    def forward(self, inputs, targets=None):
        logits = super().forward(inputs)
        return logits, None if targets is None else cross_entropy(logits, targets)


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def pairs(**options):
    return DataLoader(TensorDataset(INPUTS, TARGETS), 32, shuffle=True, **options)


def dicts(names=("pixels", "labels")):
    rows = [dict(zip(names, pair, strict=True)) for pair in zip(INPUTS, TARGETS, strict=True)]
    return DataLoader(rows, 32, shuffle=True)


Part = namedtuple("Part", "upper lower target")


def halves(collate=None):
    rows = list(zip(INPUTS[:, :32], INPUTS[:, 32:], TARGETS, strict=True))
    return DataLoader(rows if collate is None else [Part(*row) for row in rows], 32, shuffle=True)


def plain(make=Net, optimizer=sgd, loader=pairs, loss=None, update=None, steps=STEPS, after=None):
    """Train as a script does, and return its losses and its model."""
    torch.manual_seed(0)
    model = make()
    opt = optimizer(model)
    losses = []
    after = after(model) if after else lambda: None
    while True:
        for batch in loader():
            value = loss(model, batch)
            opt.zero_grad()
            value.backward()
            (update or (lambda opt, model: opt.step()))(opt, model)
            after()
            losses.append(value.item())
            if len(losses) == steps:
                return losses, model


def ours(steps=STEPS, **options):
    """Train as a task, at the optimizer's own rate, and return its losses and the training."""
    options = {"model": Net, "optimizer": sgd, "validation": VALIDATION, **options}
    training = TorchTask(**options).start(0)
    return [training.step(training.base_lr) for _ in range(steps)], training


def searched(model, loss, train, optimizer=None, **options):
    torch.manual_seed(0)
    model = model()
    return find(model, (optimizer or sgd)(model), loss, train, seeds=[0], **options)


def test_pairs_of_a_loader_as_it_is():
    expected, _ = plain(loss=lambda model, batch: cross_entropy(model(batch[0]), batch[1]))
    losses, training = ours(train=pairs(), loss=cross_entropy)
    assert losses == expected
    assert training.steps_per_epoch == 13  # the smaller last batch is one of them
    assert ours(train=pairs(drop_last=True), loss=cross_entropy)[1].steps_per_epoch == 12


@pytest.mark.parametrize("collate", [None, Part])
def test_several_inputs_and_a_target_in_a_tuple_or_a_named_one(collate):
    expected, _ = plain(TwoInputs, loader=halves, loss=lambda m, b: cross_entropy(m(b[0], b[1]), b[2]))
    validation = [(VALIDATION[0][:, :32], VALIDATION[0][:, 32:], VALIDATION[1])]
    losses, training = ours(model=TwoInputs, train=halves(collate), loss=cross_entropy, validation=validation)
    assert losses == expected
    assert training.evaluate()["loss"] > 0
    assert searched(TwoInputs, cross_entropy, halves(collate)).suggestion > 0


def test_dicts_by_name_and_the_models_own_loss():
    expected, _ = plain(OwnLoss, loader=dicts, loss=lambda model, batch: model(**batch).loss)
    validation = [{"pixels": VALIDATION[0], "labels": VALIDATION[1]}]
    metrics = {"accuracy": lambda output, batch: (output.logits.argmax(1) == batch["labels"]).float().mean()}
    losses, training = ours(
        model=OwnLoss, train=dicts(), validation=validation, metrics={"accuracy": BatchMean(metrics["accuracy"])}
    )
    assert losses == expected
    measured = training.evaluate()
    assert measured["loss"] > 0
    assert 0 < measured["accuracy"] < 1
    assert searched(OwnLoss, None, dicts()).suggestion > 0


def test_logits_and_loss_from_a_model_that_is_given_the_targets():
    expected, _ = plain(LogitsAndLoss, loss=lambda model, batch: model(*batch)[1])
    losses, training = ours(model=LogitsAndLoss, train=pairs())
    assert losses == expected
    assert training.evaluate()["loss"] > 0
    assert searched(LogitsAndLoss, None, pairs()).suggestion > 0


def test_a_loss_of_model_and_batch():
    def loss(model, batch):
        logits = model(batch[0])
        return cross_entropy(logits, batch[1]) + 1e-3 * sum(weight.square().sum() for weight in model.parameters())

    expected, _ = plain(loss=loss)
    metrics = {"accuracy": lambda output, target: (output.argmax(1) == target).float().mean()}
    losses, training = ours(train=pairs(), loss=loss, metrics=metrics)
    assert losses == expected
    assert set(training.evaluate()) == {"loss", "accuracy"}
    assert searched(Net, loss, pairs()).suggestion > 0


def test_a_forward_of_ones_own_for_targets_that_are_a_list_of_dicts():
    def boxes():
        rows = [(image, {"digit": digit}) for image, digit in zip(INPUTS, TARGETS, strict=True)]
        return DataLoader(rows, 32, shuffle=True, collate_fn=lambda rows: tuple(map(list, zip(*rows, strict=True))))

    def forward(model, batch):
        return model(torch.stack(batch[0]))

    def loss(output, targets):
        return cross_entropy(output, torch.stack([target["digit"] for target in targets]))

    expected, _ = plain(loader=boxes, loss=lambda model, batch: loss(forward(model, batch), batch[1]))
    validation = [(list(VALIDATION[0]), [{"digit": digit} for digit in VALIDATION[1]])]
    losses, training = ours(train=boxes(), loss=loss, forward=forward, validation=validation)
    assert losses == expected
    assert training.evaluate()["loss"] > 0
    assert searched(Net, loss, boxes(), forward=forward).suggestion > 0


def accumulated(count, autocast=nullcontext, clip=None, scaler=None):
    torch.manual_seed(0)
    model = Net()
    opt, losses = sgd(model), []
    scaler = scaler() if scaler else None

    def batches():
        while True:
            yield from pairs()

    drawn = batches()
    for _ in range(STEPS):
        opt.zero_grad()
        total = 0.0
        for _ in range(count):
            inputs, targets = next(drawn)
            with autocast():
                loss = cross_entropy(model(inputs), targets) / count
            (scaler.scale(loss) if scaler else loss).backward()
            total += loss.item()
        if clip:
            if scaler:
                scaler.unscale_(opt)
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        if scaler:
            scaler.step(opt)
            scaler.update()
        else:
            opt.step()
        losses.append(total)
    return losses


def bfloat16():
    return torch.autocast("cpu", dtype=torch.bfloat16)


def scaler():
    return torch.amp.GradScaler("cpu", init_scale=2.0**40, growth_interval=3)


@pytest.mark.parametrize(
    ("task", "script"),
    [
        ({"accumulate": 3}, {"count": 3}),
        ({"autocast": bfloat16}, {"count": 1, "autocast": bfloat16}),
        ({"clip_norm": 0.5}, {"count": 1, "clip": 0.5}),
        ({"scaler": scaler}, {"count": 1, "scaler": scaler}),
        (
            {"accumulate": 2, "autocast": bfloat16, "clip_norm": 0.5, "scaler": scaler},
            {"count": 2, "autocast": bfloat16, "clip": 0.5, "scaler": scaler},
        ),
    ],
    ids=["accumulation", "autocast", "clipping", "scaler", "all together"],
)
def test_updates_with_accumulation_mixed_precision_scaling_and_clipping(task, script, tmp_path):
    losses, _ = ours(train=pairs(), loss=cross_entropy, **task)
    assert losses == accumulated(**script)
    check_task(TorchTask(model=Net, optimizer=sgd, train=pairs(), validation=VALIDATION, loss=cross_entropy, **task))
    options = {**task, "scaler": scaler()} if "scaler" in task else task
    assert searched(Net, cross_entropy, pairs(), **options).suggestion > 0


def test_a_running_average_of_the_weights_is_followed_saved_and_measured():
    def average(model):
        return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)

    kept = {}

    def after(model):
        kept["average"] = average(model)
        return lambda: kept["average"].update_parameters(model)

    expected, _ = plain(loss=lambda model, batch: cross_entropy(model(batch[0]), batch[1]), after=after)
    losses, training = ours(train=pairs(), loss=cross_entropy, average=average)
    assert losses == expected
    kept["average"].eval()
    with torch.no_grad():
        loss = cross_entropy(kept["average"](VALIDATION[0]), VALIDATION[1])
    assert training.evaluate()["loss"] == pytest.approx(loss.item(), rel=1e-6)
    check_task(
        TorchTask(model=Net, optimizer=sgd, loss=cross_entropy, train=pairs(), validation=VALIDATION, average=average)
    )
    torch.manual_seed(0)
    model = Net()
    mean = average(model)
    before = {name: value.clone() for name, value in mean.state_dict().items()}
    options = {"validation": [VALIDATION], "method": "grid", "steps": 30, "seeds": [0], "rates": [0.1]}
    result = find(model, sgd(model), cross_entropy, pairs(), average=mean, **options)
    assert result.suggestion > 0
    assert "hooks_asleep" not in result.flags
    assert all(torch.equal(value, before[name]) for name, value in mean.state_dict().items())


def test_a_hook_that_the_search_puts_to_sleep_is_said():
    torch.manual_seed(0)
    model = Net()
    optimizer = sgd(model)
    mean = AveragedModel(model)
    optimizer.register_step_post_hook(lambda *_: mean.update_parameters(model))
    result = find(model, optimizer, cross_entropy, pairs(), seeds=[0])
    assert "hooks_asleep" in result.flags
    assert "[RS108]" in result.explain()


def two_optimizers(model):
    matrices = [weight for weight in model.parameters() if weight.dim() == 2]
    others = [weight for weight in model.parameters() if weight.dim() < 2]
    return [torch.optim.SGD(matrices, lr=0.1, momentum=0.9), torch.optim.AdamW(others, lr=0.01)]


def test_several_optimizers_keep_their_ratio_and_find_moves_the_one_that_is_named():
    torch.manual_seed(0)
    model = Net()
    optimizers, expected = two_optimizers(model), []
    while len(expected) < STEPS:
        for inputs, targets in pairs():
            loss = cross_entropy(model(inputs), targets)
            for optimizer in optimizers:
                optimizer.zero_grad()
            loss.backward()
            for optimizer in optimizers:
                optimizer.step()
            expected.append(loss.item())
    losses, training = ours(train=pairs(), loss=cross_entropy, optimizer=two_optimizers)
    assert losses == expected[:STEPS]
    training.step(0.5)
    assert [o.param_groups[0]["lr"] for o in training._loop.optimizers] == pytest.approx([0.5, 0.05])
    check_task(TorchTask(model=Net, optimizer=two_optimizers, loss=cross_entropy, train=pairs(), validation=VALIDATION))
    torch.manual_seed(0)
    model = Net()
    names = dict(zip(("matrices", "others"), two_optimizers(model), strict=True))
    seen = set()
    model.register_forward_hook(lambda *_: seen.add(names["matrices"].param_groups[0]["lr"]))
    result = find(model, names, cross_entropy, pairs(), search="others", seeds=[0])
    assert (result.base_lr, seen) == (0.01, {0.1})
    with pytest.raises(ValueError, match="find: search must be the place or name of an optimizer, got 'bias'; kn"):
        find(model, names, cross_entropy, pairs(), search="bias")


def test_a_compiled_model_trains_as_itself():
    losses, training = ours(
        model=lambda: torch.compile(Net(), backend="eager"), train=pairs(), loss=cross_entropy, steps=8
    )
    assert losses == ours(train=pairs(), loss=cross_entropy, steps=8)[0]
    assert training.evaluate()["loss"] > 0


def test_a_first_group_at_rate_0_stays_there_and_the_next_one_leads():
    def groups(model):
        return torch.optim.SGD(
            [{"params": model[0].parameters(), "lr": 0.0}, {"params": model[4].parameters(), "lr": 0.2}], lr=0.1
        )

    _, training = ours(train=pairs(), loss=cross_entropy, optimizer=groups, steps=3)
    assert training.base_lr == 0.2
    assert [group["lr"] for group in training._loop.optimizers[0].param_groups] == [0.0, 0.2]


def test_a_warm_up_that_stands_at_0_does_not_hide_the_base_from_find():
    torch.manual_seed(0)
    model = Net()
    optimizer = sgd(model)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / 10)
    assert optimizer.param_groups[0]["lr"] == 0.0
    assert find(model, optimizer, cross_entropy, pairs(), seeds=[0]).base_lr == 0.1


def test_metrics_are_of_the_whole_set_as_scikit_learn_computes_them():
    def f1(output, target):
        return f1_score(target, output.argmax(1), average="macro")

    def auc(output, target):
        return roc_auc_score(target == 3, output.softmax(1)[:, 3])

    validation = DataLoader(TensorDataset(*VALIDATION), 17)
    _, training = ours(train=pairs(), loss=cross_entropy, validation=validation, metrics={"f1": f1, "auc": auc})
    measured = training.evaluate()
    model = training._loop.model.eval()
    with torch.no_grad():
        output = model(VALIDATION[0])
    assert measured["f1"] == pytest.approx(f1(output, VALIDATION[1]), abs=1e-12)
    assert measured["auc"] == pytest.approx(auc(output, VALIDATION[1]), abs=1e-9)


def test_a_metric_with_update_and_compute_sees_every_batch_and_begins_anew():
    class Counted:
        def reset(self):
            self.rows = 0

        def update(self, output, target):
            self.rows += len(target)

        def compute(self):
            return torch.tensor(self.rows)

    validation = DataLoader(TensorDataset(*VALIDATION), 17)
    _, training = ours(train=pairs(), loss=cross_entropy, validation=validation, metrics={"rows": Counted()})
    assert training.evaluate()["rows"] == training.evaluate()["rows"] == 230


def test_a_loss_of_tokens_is_weighted_by_its_tokens():
    torch.manual_seed(0)
    targets = torch.randint(0, 10, (60, 7))
    targets[torch.rand(60, 7) < torch.linspace(0, 0.9, 60)[:, None]] = -100
    inputs = torch.randn(60, 7, 64)

    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.last = nn.Linear(64, 10)

        def forward(self, x):
            return self.last(x).transpose(1, 2)

    loader = DataLoader(TensorDataset(inputs, targets), 16)
    whole = {}
    for weight in ("samples", "tokens", lambda batch: (batch[1] != -100).sum()):
        _, training = ours(model=Tokens, train=loader, validation=loader, loss=cross_entropy, loss_weight=weight)
        model = training._loop.model.eval()
        with torch.no_grad():
            whole[weight if isinstance(weight, str) else "function"] = (
                training.evaluate()["loss"],
                cross_entropy(model(inputs), targets).item(),
            )
    for weight in ("tokens", "function"):
        assert whole[weight][0] == pytest.approx(whole[weight][1], rel=1e-6)
    assert abs(whole["samples"][0] / whole["samples"][1] - 1) > 1e-3


class NoRate(torch.optim.Optimizer):
    """As an Adafactor that sets its own steps."""

    def __init__(self, parameters):
        super().__init__(parameters, {"lr": None})

    def step(self, closure=None):
        raise AssertionError


class Sharp(torch.optim.SGD):
    """As SAM: it calls the model a second time."""

    def step(self, closure):
        raise AssertionError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"loss": lambda output, target: cross_entropy(output, target, reduction="none")},
            "loss must be one number",
        ),
        (
            {"loss": lambda output, target: None},
            "loss must return a tensor, got NoneType; return the loss",
        ),
        ({"loss": lambda output, target: 0.5}, "loss must return a tensor, got float"),
        ({"loss": None}, "loss must be given where the model gives none, got output Tensor; give a function"),
        ({"optimizer": lambda model: NoRate(model.parameters())}, "optimizer must have a rate, got lr=None"),
        ({"optimizer": lambda model: torch.optim.LBFGS(model.parameters())}, "optimizer must update from one gradient"),
        (
            {"optimizer": lambda model: Sharp(model.parameters(), lr=0.1)},
            "optimizer must update from one gradient, got Sharp, whose step must be given a closure; give one",
        ),
        ({"optimizer": lambda model: "sgd"}, "optimizer must be a torch Optimizer, got str; give one"),
        ({"accumulate": 0}, "accumulate must be a whole number of at least 1, got 0"),
        ({"clip_norm": -1.0}, "clip_norm must be a finite number"),
        ({"loss_weight": "words"}, "loss_weight must be 'samples', 'tokens' or a function of a batch, got 'words'"),
        ({"metrics": {"loss": max}}, "the loss is always measured under 'loss'"),
    ],
)
def test_what_cannot_be_is_one_clear_line_of_the_task_and_of_find(options, message):
    whole = {"loss": cross_entropy, "train": pairs(), "optimizer": sgd, **options}
    with pytest.raises((TypeError, ValueError)) as caught:
        ours(**whole, steps=1)
    assert str(caught.value).startswith(f"TorchTask: {message}")
    loss, train, optimizer = whole.pop("loss"), whole.pop("train"), whole.pop("optimizer")
    with pytest.raises((TypeError, ValueError)) as caught:
        searched(Net, loss, train, optimizer, **whole)
    assert str(caught.value).startswith(f"find: {message}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": lambda: (INPUTS, TARGETS)}, "steps_per_epoch must be given for data without a length, got none"),
        ({"validation": lambda: VALIDATION}, "validation_batches must be given for a function, got none; say on how"),
        ({"steps_per_epoch": 0}, "steps_per_epoch must be a whole number of at least 1, got 0"),
    ],
)
def test_lengths_that_nobody_knows_must_be_given(options, message):
    with pytest.raises(ValueError, match=f"^TorchTask: {message}"):
        ours(**{"train": pairs(), "loss": cross_entropy, **options})


def test_outputs_that_cannot_be_joined_are_one_clear_line():
    class Ragged(Net):
        def forward(self, x):
            return super().forward(x)[:, : 4 + len(x) % 3]

    validation = DataLoader(TensorDataset(*VALIDATION), 17)
    metrics = {"size": lambda output, target: len(output)}
    options = {"model": Ragged, "train": pairs(), "loss": lambda output, target: output.mean(), "steps": 0}
    _, training = ours(validation=validation, metrics=metrics, **options)
    with pytest.raises(TypeError, match=r"TorchTask: metrics need outputs and targets of one shape, .* BatchMean"):
        training.evaluate()
    metrics = {"size": BatchMean(lambda output, target: output.shape[1])}
    assert 4 <= ours(validation=validation, metrics=metrics, **options)[1].evaluate()["size"] <= 6


def test_a_model_that_was_trained_before_is_noticed_or_said():
    torch.manual_seed(0)
    model = Net()
    optimizer = sgd(model)
    assert "pretrained" not in find(model, optimizer, cross_entropy, pairs(), seeds=[0]).flags
    for _ in range(5):
        for inputs, targets in pairs():
            optimizer.zero_grad()
            cross_entropy(model(inputs), targets).backward()
            optimizer.step()
    noticed = find(model, optimizer, cross_entropy, pairs(), seeds=[0])
    assert "pretrained" in noticed.flags
    assert "no validation data judged: what a rate makes it forget was not seen. [RS109]" in noticed.explain()
    measured = find(model, optimizer, cross_entropy, pairs(), validation=VALIDATION, seeds=[0])
    assert (measured.pretrained, "pretrained" in measured.flags) == (True, False)
    assert "pretrained" not in find(model, optimizer, cross_entropy, pairs(), seeds=[0], pretrained=False).flags
    assert "pretrained" in find(model, sgd(model), cross_entropy, pairs(), seeds=[0], pretrained=True).flags


def test_a_function_is_measured_on_the_same_batches_each_time():
    def get_batch():
        places = torch.randint(0, 230, (16,))
        return VALIDATION[0][places], VALIDATION[1][places]

    _, training = ours(train=pairs(), loss=cross_entropy, validation=get_batch, validation_batches=4, steps=3)
    first = training.evaluate()
    torch.rand(5)
    assert training.evaluate() == first


def test_a_stream_that_gives_one_order_whatever_the_seed_is_flagged():
    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            return iter(zip(INPUTS, TARGETS, strict=True))

    torch.manual_seed(0)
    model = Net()
    for options in ({}, {"method": "sweep"}, {"method": "sweep", "seeds": [5]}):
        assert "unshuffled" in find(model, sgd(model), cross_entropy, DataLoader(Stream(), 32), **options).flags
        assert "unshuffled" not in find(model, sgd(model), cross_entropy, pairs(), **options).flags


def test_a_stream_that_shuffles_itself_is_not_flagged():
    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            return iter([(INPUTS[place], TARGETS[place]) for place in torch.randperm(len(INPUTS))])

    torch.manual_seed(0)
    model = Net()
    assert "unshuffled" not in find(model, sgd(model), cross_entropy, DataLoader(Stream(), 32)).flags


def test_a_state_brings_the_scale_of_gradients_and_the_average_of_weights():
    def growing():
        return torch.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=2)

    task = TorchTask(
        model=Net,
        optimizer=sgd,
        loss=cross_entropy,
        train=pairs(),
        validation=VALIDATION,
        scaler=growing,
        average=lambda model: AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9)),
    )
    training = task.start(0)
    for _ in range(9):
        training.step(0.1)
    state = copy.deepcopy(training.state_dict())
    measured = training.evaluate()
    expected = [training.step(0.1) for _ in range(4)], training.evaluate()
    other = task.start(1)
    other.load_state_dict(state)
    assert state["scaler"]["scale"] > 2.0**10
    assert other.state_dict()["scaler"] == state["scaler"]
    assert other.evaluate() == measured
    assert ([other.step(0.1) for _ in range(4)], other.evaluate()) == expected


def test_find_measures_on_as_many_batches_of_a_loader_as_are_asked_for():
    seen = []

    def loss(output, target):
        seen.append(torch.is_grad_enabled())
        return cross_entropy(output, target)

    validation = DataLoader(TensorDataset(*VALIDATION), 17)
    searched(Net, loss, pairs(), validation=validation, validation_batches=2, method="grid", steps=3, rates=[0.1])
    assert seen.count(False) == 2 * 2  # before the training and after it
