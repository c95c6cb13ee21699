"""A trainer's loop waits before each update, and ends when it is closed, whatever happens in it."""

import threading

import pytest
import torch

from ratesmith.finder import FinderError
from ratesmith.torch.paused import PausedLoop


def counting(loop):
    """A loop that answers with the rates so far, and catches all errors that a trainer might."""
    rates, answer = [], "ready"
    while True:
        try:
            rates.append(loop.pause(answer))
            answer = list(rates)
        except Exception:
            answer = "caught"


def threads():
    return [thread.name for thread in threading.enumerate() if thread.name == "ratesmith-trainer"]


def test_one_update_is_made_for_each_step_and_none_after_the_end():
    loop = PausedLoop(counting)
    assert loop.begin() == "ready"
    assert loop.step(0.1) == [0.1]
    assert loop.step(0.2) == [0.1, 0.2]
    assert loop.rate == 0.2
    loop.close()
    assert threads() == []
    loop.close()
    PausedLoop(counting).close()  # one that never began


def test_an_error_is_raised_where_it_is_waited_for_and_the_loop_is_over():
    def failing(loop):
        loop.pause(None)
        raise ArithmeticError("too hot")

    loop = PausedLoop(failing)
    loop.begin()
    with pytest.raises(ArithmeticError, match="too hot"):
        loop.step(1.0)
    with pytest.raises(FinderError, match="find: the trainer must go on, got an end of its training"):
        loop.step(1.0)
    loop.close()
    assert threads() == []


def test_a_loop_that_ends_by_itself_is_said():
    loop = PausedLoop(lambda loop: None)
    with pytest.raises(FinderError, match="find: the trainer must train until it is stopped, got an end by itself"):
        loop.begin()
    loop.close()


def test_the_loop_has_the_default_device_of_the_one_who_began_it():
    def made(loop):
        loop.pause(torch.empty(1).device.type)

    with torch.device("meta"):
        loop = PausedLoop(made)
        assert loop.begin() == "meta"
        loop.close()
    assert torch.empty(1).device.type == "cpu"
