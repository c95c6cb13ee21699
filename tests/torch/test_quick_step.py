"""The usual step made quick: it writes what the slow way writes, whatever happens between two steps."""

import copy
import pickle
import random
import warnings

import pytest
import torch
from stepping import go, parameters, rates, update

from ratesmith import Constant, Custom, Plateau, Ramp
from ratesmith.torch import Absolute, ScheduleLR, Target, bindings
from ratesmith.torch.quick_step import LOOKED_AT, QuickStep, QuickSteps, TensorStep, UnevenStep

WARM = Ramp(0.0, 1.0, 5) >> Ramp(1.0, 0.0, 95, "cosine")
RATES = {QuickStep: (0.1, 0.1, 0.1), UnevenStep: (0.1, 0.02, 0.3), TensorStep: (0.1, 0.02, 0.3)}


def sgd(*rates, kind=QuickStep):
    made = [torch.tensor(rate, dtype=torch.float64) if kind is TensorStep else rate for rate in rates]
    return torch.optim.SGD([{"params": parameters(), "lr": rate} for rate in made], lr=0.1)


def running(kind, schedule=WARM, steps=8, **options):
    """Return an optimizer and its scheduler, in the quick way."""
    optimizer = sgd(*RATES[kind], kind=kind)
    scheduler = ScheduleLR(optimizer, schedule, **options)
    go(optimizer, scheduler, steps)
    assert type(scheduler._bindings.quick) is kind
    return optimizer, scheduler


def set_rate(optimizer, place, rate):
    group = optimizer.param_groups[place]
    if isinstance(group["lr"], torch.Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate


KINDS = pytest.mark.parametrize("kind", list(RATES))


@KINDS
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_rate_set_in_any_one_group_is_taken_at_the_very_next_step(kind, place):
    optimizer, scheduler = running(kind)
    before = rates(optimizer)
    set_rate(optimizer, place, before[place] / 2)
    halved = [base / 2 if at == place else base for at, base in enumerate(RATES[kind])]
    assert go(optimizer, scheduler) == pytest.approx([base * WARM(9) for base in halved], rel=1e-15)
    assert scheduler.base_lrs == pytest.approx(halved, rel=1e-15)


@KINDS
def test_each_step_writes_the_rate_alone_and_the_step_and_factor_into_the_first_group(kind):
    optimizer, scheduler = running(kind)
    before = [dict(group) for group in optimizer.param_groups]
    go(optimizer, scheduler, 3)
    first = {"ratesmith_lr_step", "ratesmith_lr_factor"}
    for place, (group, earlier) in enumerate(zip(optimizer.param_groups, before, strict=True)):
        changed = {key for key in group if group[key] is not earlier[key]}
        assert changed == ({"lr"} if kind is not TensorStep else set()) | (first if place == 0 else set())
    marks = optimizer.param_groups[0]
    assert (int(marks["ratesmith_lr_step"]), float(marks["ratesmith_lr_factor"])) == (11, WARM(11))


@KINDS
def test_a_state_dict_that_was_kept_does_not_change_afterwards(kind):
    optimizer, scheduler = running(kind)
    kept = optimizer.state_dict()["param_groups"]
    text = [{key: value for key, value in group.items() if key != "lr"} for group in kept]
    before = repr(text)
    go(optimizer, scheduler, 3)
    assert repr(text) == before


@KINDS
def test_groups_that_were_replaced_by_equal_ones_are_written(kind):
    optimizer, scheduler = running(kind)
    for place in range(3):
        optimizer.param_groups[place] = dict(optimizer.param_groups[place])
    assert go(optimizer, scheduler) == [base * WARM(9) for base in RATES[kind]]
    assert go(optimizer, scheduler) == [base * WARM(10) for base in RATES[kind]]


@KINDS
@pytest.mark.parametrize("place", [1, 2])
def test_nothing_is_left_half_written_where_the_slow_way_refuses(kind, place):
    for damage in (lambda group: group.pop("lr"), lambda group: group.update(lr=float("nan"))):
        optimizer, scheduler = running(kind)
        before = rates(optimizer)
        damage(optimizer.param_groups[place])
        with pytest.raises((KeyError, ValueError)):
            scheduler.step()
        assert scheduler.last_epoch == 8
        optimizer.param_groups[place]["lr"] = before[place]
        assert rates(optimizer) == before
        assert go(optimizer, scheduler) == pytest.approx([base * WARM(9) for base in RATES[kind]], rel=1e-15)


@KINDS
def test_a_base_set_by_hand_counts_at_once_in_the_first_group_and_soon_in_others(kind):
    optimizer, scheduler = running(kind)
    optimizer.param_groups[0]["initial_lr"] = 0.5
    assert go(optimizer, scheduler)[0] == 0.5 * WARM(9)
    go(optimizer, scheduler)  # the quick way again
    optimizer.param_groups[2]["initial_lr"] = 0.7
    go(optimizer, scheduler, LOOKED_AT)
    assert rates(optimizer)[2] == 0.7 * WARM(10 + LOOKED_AT)


@KINDS
def test_a_mark_that_was_removed_is_put_back(kind):
    optimizer, scheduler = running(kind)
    for group in optimizer.param_groups:
        for key in [key for key in group if key.startswith(("initial", "ratesmith"))]:
            del group[key]
    assert go(optimizer, scheduler) == pytest.approx([base * WARM(9) for base in RATES[kind]])
    assert {"initial_lr", "ratesmith_lr_base", "ratesmith_lr_step"} <= set(optimizer.param_groups[2])


@pytest.mark.parametrize("place", [0, 1])
def test_some_of_the_groups_are_written_alone(place):
    optimizer = sgd(0.1, 0.2)
    scheduler = ScheduleLR(optimizer, Target(WARM, groups=place))
    for step in range(1, 20):
        expected = [0.1, 0.2]
        expected[place] *= WARM(step)
        assert go(optimizer, scheduler) == expected
    assert scheduler._bindings.quick is not None


@pytest.mark.filterwarnings(r"ignore:.*\[RS219\]")  # it is followed beyond its end
@KINDS
@pytest.mark.parametrize(
    ("schedule", "value"),
    [
        (Absolute(WARM), lambda base, step: WARM(step)),
        (Plateau(0.5, patience=0), lambda base, step: base),
        (Custom(lambda step: 1 / (1 + step)), lambda base, step: base / (1 + step)),
        (WARM.repeat(), lambda base, step: base * WARM.repeat()(step)),
        (Constant(0.5), lambda base, step: base * 0.5),
    ],
)
def test_any_schedule_is_written_as_it_is(kind, schedule, value):
    optimizer = sgd(*RATES[kind], kind=kind)
    scheduler = ScheduleLR(optimizer, schedule)
    for step in range(1, 120):
        assert go(optimizer, scheduler) == pytest.approx([value(base, step) for base in RATES[kind]], rel=1e-15)
    scheduler.step_to(3)
    assert rates(optimizer) == pytest.approx([value(base, 3) for base in RATES[kind]], rel=1e-15)


def two(kind, second=None, steps=8):
    """Return two optimizers with one scheduler for the rates and the weight decay of both, in the quick way."""
    optimizers = [sgd(*RATES[kind], kind=kind), sgd(*RATES[kind], kind=kind)]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["weight_decay"] = 0.5
    scheduler = ScheduleLR(optimizers, WARM, Target(WARM if second is None else second, "weight_decay"))
    go(optimizers[0], scheduler, steps)
    assert type(scheduler._bindings.quick) is QuickSteps
    return optimizers, scheduler


def numbers(optimizers):
    return [(float(group["lr"]), group["weight_decay"]) for optimizer in optimizers for group in optimizer.param_groups]


@KINDS
@pytest.mark.parametrize("key", ["lr", "weight_decay"])
@pytest.mark.parametrize("place", [0, 2])
@pytest.mark.parametrize("which", [0, 1])
def test_several_keys_and_optimizers_see_a_value_set_in_any_one_group(kind, key, place, which):
    optimizers, scheduler = two(kind)
    group = optimizers[which].param_groups[place]
    if key == "lr":
        set_rate(optimizers[which], place, float(group["lr"]) / 2)
    else:
        group[key] /= 2
    go(optimizers[0], scheduler)
    expected = [[base * WARM(9), 0.5 * WARM(9)] for _ in range(2) for base in RATES[kind]]
    expected[3 * which + place][key == "weight_decay"] /= 2
    assert numbers(optimizers) == [pytest.approx(pair, rel=1e-15) for pair in expected]


@KINDS
def test_of_several_none_is_written_if_a_function_of_the_users_raises(kind):
    def rule(step):
        if step == 9:
            raise KeyError("gone")
        return 1.0

    optimizers, scheduler = two(kind, Custom(rule))
    before = numbers(optimizers)
    with pytest.raises(ValueError, match="it must give a number, got KeyError"):
        scheduler.step()
    assert (scheduler.last_epoch, numbers(optimizers)) == (8, before)
    scheduler.step(10)
    assert numbers(optimizers) == [(base * WARM(10), 0.5) for _ in range(2) for base in RATES[kind]]


@KINDS
def test_a_function_of_the_users_that_raises_changes_nothing(kind):
    def rule(step):
        if step == 9:
            raise KeyError("gone")
        return 1.0

    optimizer, scheduler = running(kind, Custom(rule))
    before = [dict(group) for group in optimizer.param_groups]
    with pytest.raises(ValueError, match="it must give a number, got KeyError"):
        scheduler.step()
    assert scheduler.last_epoch == 8
    assert all(
        group[key] is earlier[key]
        for group, earlier in zip(optimizer.param_groups, before, strict=True)
        for key in earlier
    )


# What the quick way has to see


def test_a_group_that_moves_to_the_next_optimizer_is_written_on():
    optimizers = [sgd(0.1, 0.1), sgd(0.1, 0.1)]
    scheduler = ScheduleLR(optimizers, WARM)
    go(optimizers[0], scheduler, 8)
    optimizers[0].param_groups.append(optimizers[1].param_groups.pop(0))  # the order of all stays the same
    for step in range(9, 20):
        go(optimizers[0], scheduler)
        assert rates(optimizers[0]) + rates(optimizers[1]) == [0.1 * WARM(step)] * 4
    assert scheduler._bindings.quick is not None


def test_a_group_that_joins_an_optimizer_without_any_is_written():
    optimizers = [torch.optim.SGD([{"params": parameters(), "name": name}], lr=0.1) for name in ("body", "head")]
    scheduler = ScheduleLR(optimizers, Target(WARM, groups="head"))
    go(optimizers[1], scheduler, 50)
    optimizers[0].add_param_group({"params": parameters(), "name": "head", "lr": 0.1 * WARM(50)})
    go(optimizers[1], scheduler)
    assert rates(optimizers[0]) == pytest.approx([0.1, 0.1 * WARM(51)], rel=1e-15)


def test_the_first_group_of_a_target_joins_at_the_present_factor():
    optimizer = torch.optim.SGD([{"params": parameters(), "momentum": 0.0}], lr=0.1)
    scheduler = ScheduleLR(optimizer, WARM, Target(WARM, "momentum"))
    go(optimizer, scheduler, 50)
    optimizer.add_param_group({"params": parameters(), "momentum": 0.5})
    go(optimizer, scheduler)
    momenta = [group["momentum"] for group in optimizer.param_groups]
    assert momenta == pytest.approx([0.0, 0.5 * WARM(51) / WARM(50)], rel=1e-12)


def test_a_group_that_left_comes_back_at_the_present_factor():
    optimizer = torch.optim.SGD([{"params": parameters(), "name": name} for name in ("body", "head")], lr=0.1)
    scheduler = ScheduleLR(optimizer, Target(WARM, groups="body"), Target(WARM, groups="head"))
    go(optimizer, scheduler, 8)
    optimizer.param_groups.pop()
    go(optimizer, scheduler, 42)
    optimizer.add_param_group({"params": parameters(), "name": "head", "lr": 0.1 * WARM(50)})
    assert go(optimizer, scheduler) == pytest.approx([0.1 * WARM(51)] * 2, rel=1e-12)


class Incomparable:
    """Raises what a NumPy array, a table or any class of the user's may raise."""

    def __init__(self, error):
        self.error = error

    def __eq__(self, other):
        raise self.error

    __hash__ = None


@KINDS
@pytest.mark.parametrize("value", [torch.arange(3), Incomparable(ValueError("truth")), Incomparable(TypeError("no"))])
def test_a_loaded_group_may_hold_what_cannot_be_compared(kind, value):
    optimizer, scheduler = running(kind)
    optimizer.param_groups[0]["ids"] = value
    go(optimizer, scheduler)
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert go(optimizer, scheduler) == pytest.approx([base * WARM(10) for base in RATES[kind]], rel=1e-15)


@KINDS
def test_groups_replaced_by_equal_ones_are_known_as_set_here(kind):
    optimizer, scheduler = running(kind)
    optimizer.param_groups = [dict(group) for group in optimizer.param_groups]
    go(optimizer, scheduler)
    assert ScheduleLR(optimizer, WARM).last_epoch == 0


@KINDS
def test_an_equal_group_in_place_of_another_is_seen_soon(kind):
    optimizer, scheduler = running(kind, Constant(0.5))
    optimizer.param_groups[1] = dict(optimizer.param_groups[1])
    go(optimizer, scheduler, LOOKED_AT)
    assert not scheduler._bindings.changed()


# The law: whatever happens between two steps, the quick way writes what the slow one does


def happenings(chance, *, alone):
    """Return what may happen between two steps, each a function of an optimizer and its scheduler."""

    def add(optimizer, scheduler):
        rate = chance.choice([0.05, optimizer.param_groups[0]["lr"]])
        rate = rate.clone() if isinstance(rate, torch.Tensor) else rate
        optimizer.add_param_group({"params": parameters(), "lr": rate})

    def remove(optimizer, scheduler):
        if len(optimizer.param_groups) > 1:
            del optimizer.param_groups[chance.randrange(len(optimizer.param_groups))]

    def rate(optimizer, scheduler):
        set_rate(optimizer, chance.randrange(len(optimizer.param_groups)), chance.choice([0.05, 0.3, 0.0]))

    def base(optimizer, scheduler):
        scheduler.set_base_lr(chance.choice([0.05, 0.3]), chance.randrange(len(optimizer.param_groups)))

    def shuffle(optimizer, scheduler):
        chance.shuffle(optimizer.param_groups)

    def reload(optimizer, scheduler):
        optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))

    def load_scheduler(optimizer, scheduler):
        scheduler.load_state_dict(copy.deepcopy(scheduler.state_dict()))

    def another(optimizer, scheduler):
        ScheduleLR(optimizer, Ramp(1.0, 0.5, 10)).step()

    def jump(optimizer, scheduler):
        scheduler.step_to(chance.randrange(60))

    def nothing(optimizer, scheduler):
        """Let several steps be quick."""

    changes = [add, remove, rate, base, shuffle, reload, load_scheduler, jump]
    return [*changes, *([] if alone else [another]), *[nothing] * 12]


@KINDS
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("options", [{}, {"count_updates": True}])
def test_the_quick_way_is_the_slow_way(kind, seed, options, monkeypatch):
    def run():
        chance = random.Random(seed)
        optimizer = sgd(*RATES[kind], kind=kind)
        scheduler, lines = ScheduleLR(optimizer, WARM, **options), []
        for _ in range(80):
            chance.choice(happenings(chance, alone=bool(options)))(optimizer, scheduler)
            if chance.random() < 0.05:
                optimizer, scheduler = pickle.loads(pickle.dumps((optimizer, scheduler)))
            if chance.random() < 0.05:
                optimizer, scheduler = copy.deepcopy((optimizer, scheduler))
            update(optimizer)
            scheduler.step()
            seen.append(scheduler._bindings.quick is not None)
            lines.append((scheduler.last_epoch, rates(optimizer)))
        marks = [
            {key: float(value) for key, value in group.items() if key.startswith(("initial", "ratesmith"))}
            for group in optimizer.param_groups
        ]
        return lines, marks

    seen = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quick = run()
        assert any(seen)
        monkeypatch.setattr(bindings, "quick_step", lambda *_, **__: None)
        seen = []
        slow = run()
    assert not any(seen)
    assert quick == slow
