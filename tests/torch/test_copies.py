"""Copies, pickles and reloads of whole objects."""

import copy
import io
import multiprocessing
import pickle

import pytest
import torch

from ratesmith import Custom, Plateau, Ramp
from ratesmith.torch import Absolute, ControllerLR, ScheduleLR, Target

COSINE = Ramp(1.0, 0.0, 20, "cosine")


def thirds(step):
    return 1.0 / (3 + step)


def second_group(group):
    return group["name"] == "b"


def made(kind=ScheduleLR, schedule=COSINE, tensor=False, **options):
    torch.manual_seed(0)
    model = torch.nn.Linear(2, 2)
    rates = [torch.tensor(0.1) if tensor else 0.1, torch.tensor(0.2) if tensor else 0.2]
    groups = [
        {"params": [weight], "lr": rate, "name": name}
        for weight, rate, name in zip(model.parameters(), rates, "ab", strict=True)
    ]
    optimizer = torch.optim.AdamW(groups, lr=0.1)
    more = Target(Absolute("linear()"), "weight_decay", groups=second_group)
    return model, optimizer, kind(optimizer, schedule, more, horizon=20, **options)


def train(model, optimizer, scheduler, steps):
    seen = []
    for _ in range(steps):
        model(torch.ones(1, 2)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        if isinstance(scheduler, ControllerLR):
            scheduler.step(1.0)
        else:
            scheduler.step(metrics=1.0)
        seen.append([float(group[key]) for group in optimizer.param_groups for key in ("lr", "weight_decay")])
    return seen, [weight.tolist() for weight in model.parameters()]


CASES = {
    "schedule": {},
    "counting": {"count_updates": True},
    "controller": {"schedule": COSINE * Plateau(0.5, patience=2)},
    "controller_lr": {"kind": ControllerLR, "schedule": COSINE * Plateau(0.5, patience=2)},
    "tensors": {"tensor": True},
    "notation": {"schedule": '(warmup("10%") >> cosine()) * plateau(patience=3)'},
    "function": {"schedule": Custom(thirds)},
}


def pickled(objects):
    return pickle.loads(pickle.dumps(objects))


def saved_whole(objects):
    file = io.BytesIO()
    torch.save(objects, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("copied", [copy.deepcopy, pickled, saved_whole])
def test_a_copy_goes_on_by_itself_and_leaves_the_original_alone(case, copied):
    objects = made(**case)
    train(*objects, 5)
    twin = copied(objects)
    alone = train(*twin, 10)
    assert objects[2].last_epoch == 5
    assert train(*objects, 10) == alone
    assert objects[2].last_epoch == twin[2].last_epoch == 15
    assert twin[2].optimizer is twin[1]


def test_a_copy_of_a_copy_and_of_the_scheduler_alone_goes_on():
    _, optimizer, scheduler = made(count_updates=True)
    twin = copy.deepcopy(copy.deepcopy(scheduler))
    twin.optimizer.step()
    assert (twin.last_epoch, scheduler.last_epoch) == (1, 0)
    assert twin.optimizer is not optimizer
    assert twin.get_last_lr() == [0.1 * COSINE(1), 0.2 * COSINE(1)]


def test_an_optimizer_copied_without_its_scheduler_brings_base_and_step_to_a_new_one():
    model, optimizer, scheduler = made()
    train(model, optimizer, scheduler, 5)
    alone = copy.deepcopy(optimizer)
    again = ScheduleLR(alone, COSINE)
    assert (again.last_epoch, again.base_lrs) == (5, [0.1, 0.2])


def in_another_process(data, answers):
    objects = pickle.loads(data)
    answers.put(train(*objects, 10))


def test_it_goes_on_in_another_process():
    objects = made(count_updates=True)
    train(*objects, 5)
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    worker = context.Process(target=in_another_process, args=(pickle.dumps(objects), answers))
    worker.start()
    found = answers.get(timeout=60)
    worker.join(60)
    assert found == train(*objects, 10)


@pytest.mark.parametrize("where", ["schedule", "target"])
def test_a_function_that_cannot_be_pickled_is_named_in_the_error(where):
    def not_to_be_found(value):
        return 1.0

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1)
    schedule = Custom(not_to_be_found) if where == "schedule" else Target(COSINE, groups=not_to_be_found)
    scheduler = ScheduleLR(optimizer, schedule)
    with pytest.raises((AttributeError, pickle.PicklingError), match="not_to_be_found"):
        pickle.dumps(scheduler)
    copy.deepcopy(scheduler).step()


def test_build_add_param_group_load():
    def grown(scheduler_first):
        model, extra = torch.nn.Linear(2, 2), torch.nn.Parameter(torch.ones(3))
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
        scheduler = ScheduleLR(optimizer, COSINE) if scheduler_first else None
        optimizer.add_param_group({"params": [extra], "lr": 0.01})
        return model, optimizer, scheduler or ScheduleLR(optimizer, COSINE)

    model, optimizer, scheduler = grown(scheduler_first=True)
    train(model, optimizer, scheduler, 5)
    state = copy.deepcopy((optimizer.state_dict(), scheduler.state_dict()))
    for scheduler_first in (True, False):
        again = grown(scheduler_first)
        again[1].load_state_dict(state[0])
        again[2].load_state_dict(state[1])
        assert again[2].get_last_lr() == scheduler.get_last_lr()
