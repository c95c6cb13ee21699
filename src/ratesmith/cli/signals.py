"""Signals that end a command, as Ctrl-C does: what is kept stays whole, workers end, and one line says what came."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

ENDING: Final = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
"""What batch systems and closed terminals send."""


class Stopped(KeyboardInterrupt):
    """A signal came that ends the command; its text is the signal's name. To all code it is what Ctrl-C is."""


def stopped_by(error: KeyboardInterrupt) -> str:
    """Return what stopped a command."""
    return str(error) or "Ctrl-C"


def status_of(error: KeyboardInterrupt) -> int:
    """Return the exit status of a command that was stopped, as shells have it: 128 and the signal's number."""
    return 128 + (signal.Signals[str(error)] if isinstance(error, Stopped) else signal.SIGINT)


@contextmanager
def signals_stop() -> Iterator[None]:
    """Let the signals that end a command raise `Stopped` in the main thread, until the block ends.

    A signal that is ignored, as SIGHUP is under nohup, stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python takes signals in its main thread alone
        return
    handled = [number for number in ENDING if signal.getsignal(number) == signal.SIG_DFL]

    def stop(number: int, _frame: FrameType | None) -> None:
        # A closed terminal sends SIGHUP twice, and some systems SIGTERM with it: what is being ended is left in peace.
        for other in handled:
            signal.signal(other, signal.SIG_IGN)
        raise Stopped(signal.Signals(number).name)

    for number in handled:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, signal.SIG_DFL)
