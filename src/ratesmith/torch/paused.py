"""A trainer's own loop, which waits before each update until it is asked for one.

A finder asks for one update after the other; a trainer runs until it is done. So the trainer runs in a thread of its
own, and at any moment only one of the two does: nothing of it is ever computed side by side.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import torch

from ratesmith.finder import FinderError
from ratesmith.torch.snapshot import uninterrupted


class _StopLoopError(BaseException):
    """Ends a trainer's loop from within; no Exception, which trainers catch."""


class PausedLoop:
    """Runs `loop(self)` in a thread; `begin`, `step` and `close` are for the finder, `pause` for the loop.

    An error in the loop is raised where the finder waits for it. Ctrl-C is heard there too; the loop then makes its
    update to the end, and no other.
    """

    def __init__(self, loop: Callable[[PausedLoop], None]) -> None:
        """Take the loop; it begins with `begin`."""
        self._loop, self._over = loop, False
        self.rate = 0.0
        """The rate that was last asked for."""
        self._asked: SimpleQueue[float | None] = SimpleQueue()
        self._answers: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        inside, self._device = contextvars.copy_context(), _device_of_this_thread()
        self._thread = threading.Thread(target=inside.run, args=(self._run,), name="ratesmith-trainer", daemon=True)

    def begin(self) -> Any:
        """Run the loop up to its first update, and return its first answer."""
        self._thread.start()
        return self._receive()

    def step(self, lr: float) -> Any:
        """Let the loop make one update at a rate, and return its answer."""
        if self._over:
            raise FinderError("find: the trainer must go on, got an end of its training; look at its error before")
        self._asked.put(lr)
        return self._receive()

    def close(self) -> None:
        """End the loop, and wait until it has ended."""
        if self._thread.ident is None:  # never begun
            return
        with uninterrupted():
            self._asked.put(None)
            self._thread.join()

    def pause(self, answer: Any) -> float:
        """Say that the loop is ready, or what the loss of the update was; return the next rate; in the loop."""
        self._answers.put((answer, None))
        rate = self._asked.get()
        if rate is None:
            raise _StopLoopError
        self.rate = rate
        return rate

    def _receive(self) -> Any:
        value, error = self._answers.get()
        if error is not None:
            self._over = True
            raise error
        return value

    def _run(self) -> None:
        try:
            _use_device(self._device)
            self._loop(self)
            ended = "find: the trainer must train until it is stopped, got an end by itself; let it train longer"
            self._answers.put((None, FinderError(ended)))
        except _StopLoopError:
            pass
        except BaseException as error:  # of whatever kind: it is raised again where the finder waits
            self._answers.put((None, error))


def _device_of_this_thread() -> tuple[torch.device, int | None]:
    """Return torch's default device and the present GPU: each thread has its own."""
    begun = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]  # asking for its device would begin it
    return torch.get_default_device(), torch.cuda.current_device() if begun else None


def _use_device(device: tuple[torch.device, int | None]) -> None:
    default, gpu = device
    if default != torch.get_default_device():
        torch.set_default_device(default)
    if gpu is not None:
        torch.cuda.set_device(gpu)
