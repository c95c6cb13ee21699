"""What else may set a rate is found among living objects, and nothing else is."""

import gc

import pytest
import torch
from stepping import parameters, update
from torch.optim import lr_scheduler

from ratesmith.torch import ControllerLR, ScheduleLR
from ratesmith.torch.other_schedulers import may_share, others_beside


@pytest.fixture(autouse=True)
def _no_leftovers():
    gc.collect()


def made():
    optimizer = torch.optim.SGD(parameters(), lr=0.1)
    return optimizer, ScheduleLR(optimizer, "linear()", horizon=10)


def test_one_of_torchs_is_known_by_the_rate_that_it_has_set():
    optimizer, scheduler = made()
    beside = lr_scheduler.ExponentialLR(optimizer, 0.5)
    elsewhere = lr_scheduler.ExponentialLR(torch.optim.SGD(parameters(), lr=0.1), 0.5)
    update(optimizer)
    beside.step()
    assert others_beside(scheduler._bindings, 0.05, any_of_ours=False) == "ExponentialLR"
    assert others_beside(scheduler._bindings, 0.07, any_of_ours=True) == ""
    assert elsewhere.get_last_lr() == [0.1]


def test_a_second_one_of_ours_counts_only_if_it_sets_the_same_and_it_is_asked_for():
    optimizer, scheduler = made()
    second = ScheduleLR(optimizer, "cosine()", horizon=10)
    other = ScheduleLR(torch.optim.SGD(parameters(), lr=0.1), "cosine()", horizon=10)
    assert others_beside(scheduler._bindings, 0.1, any_of_ours=False) == ""
    assert others_beside(scheduler._bindings, 0.1, any_of_ours=True) == "another ScheduleLR"
    del second
    assert others_beside(scheduler._bindings, 0.1, any_of_ours=True) == ""
    assert other.last_epoch == 0


def test_a_chain_a_sequence_and_torchs_plateau_may_share_and_ours_does_not():
    optimizer, scheduler = made()
    assert not may_share(scheduler._bindings)
    chain = lr_scheduler.ChainedScheduler([scheduler, lr_scheduler.ExponentialLR(optimizer, 0.9)])
    assert may_share(scheduler._bindings)
    del chain
    gc.collect()
    assert not may_share(scheduler._bindings)
    ours = ControllerLR(optimizer, "plateau()")
    assert not may_share(scheduler._bindings)
    plateau = lr_scheduler.ReduceLROnPlateau(optimizer)
    assert may_share(scheduler._bindings)
    assert plateau.optimizer is ours.optimizer
