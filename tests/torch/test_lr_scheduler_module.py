"""The drop-ins as torch's module: its names, the calls of older tutorials, copies and pickles."""

import copy
import functools
import inspect
import multiprocessing
import pickle
import subprocess
import sys
import warnings

import pytest
import torch
from torch.optim import lr_scheduler, swa_utils

from ratesmith.torch import lr_scheduler as ours


def slower(step):
    return 1 / (1 + step)


KINDS = {
    "LambdaLR": (slower,),
    "MultiplicativeLR": (slower,),
    "StepLR": (3, 0.5),
    "MultiStepLR": ([4, 9], 0.5),
    "ConstantLR": (0.5, 8),
    "LinearLR": (0.1, 1.0, 9),
    "ExponentialLR": (0.9,),
    "PolynomialLR": (15, 2.0),
    "CosineAnnealingLR": (30, 0.001),
    "CosineAnnealingWarmRestarts": (3, 2, 0.001),
    "CyclicLR": (0.01, 0.2, 4, 7, "triangular2", 1.0, None, "cycle", True, 0.8, 0.9),
    "OneCycleLR": (0.5, 30, None, None, 0.3, "cos", True, 0.85, 0.95, 25.0, 1e4, False),
    "SWALR": (0.02, 12),
}


def optimizer():
    weights = [torch.nn.Parameter(torch.ones(1)) for _ in range(2)]
    groups = [{"params": [weight], "lr": rate} for weight, rate in zip(weights, (0.1, 0.013), strict=True)]
    return torch.optim.SGD(groups, lr=0.1, momentum=0.9)


def make(kind, of, *more, **options):
    if kind == "SequentialLR":
        return ours.SequentialLR(of, [make("LinearLR", of), make("StepLR", of)], [4], *more, **options)
    if kind == "ChainedScheduler":
        return ours.ChainedScheduler([make("LinearLR", of), make("StepLR", of)], of)
    if kind == "ReduceLROnPlateau":
        return ours.ReduceLROnPlateau(of, "min", 0.5, 1, 1e-4, "rel", 0, 0, 1e-8, *more, **options)
    return getattr(ours, kind)(of, *KINDS[kind], *more, **options)


ALL = [*KINDS, "SequentialLR", "ChainedScheduler", "ReduceLROnPlateau"]
WITH_VERBOSE = [kind for kind in ALL if kind not in ("SWALR", "ChainedScheduler", "ReduceLROnPlateau")]


def go(of, scheduler):
    of.step()
    scheduler.step(1.0) if isinstance(scheduler, ours.ReduceLROnPlateau) else scheduler.step()
    return [float(group["lr"]) for group in of.param_groups]


# Names


def test_every_name_at_the_top_of_torchs_module_is_here():
    for name in dir(lr_scheduler):
        if not name.startswith("__"):
            assert getattr(ours, name) is not None
    assert ours.EPOCH_DEPRECATION_WARNING == lr_scheduler.EPOCH_DEPRECATION_WARNING
    assert ours._LRScheduler is lr_scheduler._LRScheduler
    assert ours._format_param is lr_scheduler._format_param


def test_a_name_that_torch_has_not_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"module 'ratesmith.torch.lr_scheduler' has no attribute 'StepRL'"):
        ours.StepRL  # noqa: B018
    assert not hasattr(ours, "__wrapped__")


def test_it_can_stand_in_torchs_place_as_a_whole():
    program = """
import sys
import torch
from ratesmith.torch import lr_scheduler as ours
sys.modules["torch.optim.lr_scheduler"] = torch.optim.lr_scheduler = ours
from torch.optim.lr_scheduler import *
from torch.optim.lr_scheduler import EPOCH_DEPRECATION_WARNING, LRScheduler, _LRScheduler, _update_param_group_val
assert StepLR is ours.StepLR and issubclass(StepLR, LRScheduler)
print(len([name for name in ours.__all__ if name in globals()]))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (run.stdout, run.stderr, run.returncode) == ("17\n", "", 0)


@pytest.mark.parametrize("kind", ALL)
def test_its_options_are_torchs_with_the_verbose_of_old_torch_after_them(kind):
    own = list(inspect.signature(getattr(ours, kind)).parameters)
    torchs = list(inspect.signature(getattr(lr_scheduler, kind, swa_utils.SWALR)).parameters)
    assert own == [*(name for name in torchs if name != "verbose"), "verbose"]


# verbose


@pytest.mark.parametrize("kind", [*WITH_VERBOSE, "ReduceLROnPlateau"])
@pytest.mark.parametrize("quiet", [False, "deprecated"])
def test_a_quiet_verbose_is_taken_by_name_and_as_the_last_position(kind, quiet, capsys):
    places = () if kind == "ReduceLROnPlateau" else (-1,)
    plain, named, placed = optimizer(), optimizer(), optimizer()
    schedulers = [make(kind, plain), make(kind, named, verbose=quiet), make(kind, placed, *places, quiet)]
    for _ in range(5):
        assert go(plain, schedulers[0]) == go(named, schedulers[1]) == go(placed, schedulers[2])
    assert schedulers[0].state_dict().keys() == schedulers[2].state_dict().keys()
    assert "verbose" not in schedulers[2].state_dict()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("kind", WITH_VERBOSE)
def test_a_loud_verbose_warns_once_of_what_to_do_instead(kind):
    for options in ({"verbose": True}, {"last_epoch": -1, "verbose": True}):
        with pytest.warns(
            DeprecationWarning, match=f"^{kind}: verbose must be left out .*; print get_last_lr"
        ) as warned:
            scheduler = make(kind, optimizer(), **options)
        assert [warning.filename for warning in warned] == [__file__]
        assert "verbose" not in scheduler.state_dict()
    with pytest.warns(DeprecationWarning, match=f"^{kind}: verbose"):
        make(kind, optimizer(), -1, True)


def test_what_is_no_verbose_is_refused():
    with pytest.raises(TypeError, match="StepLR: verbose must be True or False, got 3; leave it out"):
        ours.StepLR(optimizer(), 5, 0.1, -1, 3)
    with pytest.raises(TypeError, match=r"StepLR.__init__\(\) takes .* but 7 were given"):
        ours.StepLR(optimizer(), 5, 0.1, -1, False, 3)
    with pytest.raises(TypeError, match=r"StepLR.__init__\(\) missing 1 required positional argument: 'step_size'"):
        ours.StepLR(optimizer())


@pytest.mark.parametrize("kind", ALL)
def test_a_state_of_old_torch_with_verbose_in_it_is_loaded_without_it(kind):
    of = optimizer()
    scheduler = make(kind, of)
    for _ in range(5):
        go(of, scheduler)
    state = copy.deepcopy(scheduler.state_dict())
    for part in (state, *state.get("_schedulers", ())):
        part["verbose"] = False
    new = optimizer()
    again = make(kind, new)
    again.load_state_dict(state)
    assert go(new, again) == go(of, scheduler)
    assert again.state_dict() == scheduler.state_dict()


def test_a_cycle_behind_an_older_scheduler_begins_at_its_own_base():
    of = optimizer()
    ours.StepLR(of, 3)
    scheduler = ours.CyclicLR(of, 0.01, 0.2, 4)
    assert scheduler.get_last_lr() == [group["lr"] for group in of.param_groups] == [0.01, 0.01]


# Copies


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("steps", [0, 5])
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_a_copy_goes_on_by_itself_without_a_warning(kind, steps, copied):
    of = optimizer()
    scheduler = make(kind, of)
    for _ in range(steps):
        go(of, scheduler)
    twin = copied(scheduler)
    assert twin.optimizer is not of
    _, new, again = copied((torch.nn.Linear(1, 1), of, scheduler))
    assert again.optimizer is new
    for _ in range(6):
        after = go(of, scheduler)
        assert go(new, again) == after
        assert go(twin.optimizer, twin) == after
    again.load_state_dict(scheduler.state_dict())
    assert go(new, again) == go(of, scheduler)


def test_a_copy_is_warned_of_a_wrong_order_as_the_first_was():
    _, scheduler = copy.deepcopy((0, make("StepLR", optimizer())))
    with pytest.warns(UserWarning, match=r"call of `lr_scheduler.step\(\)` before `optimizer.step\(\)`"):
        scheduler.step()


def test_a_shallow_copy_steps_the_same_optimizer():
    of = optimizer()
    scheduler = ours.LambdaLR(of, lambda step: 0.5**step)
    twin = copy.copy(scheduler)
    go(of, scheduler)
    assert go(of, twin) == [0.05, 0.0065]


LOCAL = {
    "LambdaLR": lambda of, function: ours.LambdaLR(of, function),
    "MultiplicativeLR": lambda of, function: ours.MultiplicativeLR(of, [slower, functools.partial(function)]),
    "CyclicLR": lambda of, function: ours.CyclicLR(of, 0.01, 0.2, 4, scale_fn=function),
}


@pytest.mark.parametrize("kind", LOCAL)
def test_a_function_that_pickle_cannot_find_is_named_and_deepcopy_takes_it(kind):
    def local(step):
        return 0.9

    for function, name in ((local, "local"), (lambda step: 0.9, "<lambda>")):
        of = optimizer()
        scheduler = LOCAL[kind](of, function)
        for holder in (scheduler, (of, scheduler), ours.ChainedScheduler([scheduler], of)):
            with pytest.raises((pickle.PicklingError, AttributeError), match=name):
                pickle.dumps(holder)
        new, again = copy.deepcopy((of, scheduler))
        assert go(new, again) == go(of, scheduler)


def rates_of(scheduler):
    return [go(scheduler.optimizer, scheduler) for _ in range(3)]


def test_a_scheduler_goes_to_another_process():
    scheduler = make("SequentialLR", optimizer())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads beside a fork
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            far = pool.apply(rates_of, [scheduler])
    assert far == rates_of(scheduler)
