"""Processes that other processes have started: found, and ended with those."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Callable
from pathlib import Path


def descendants(pid: int) -> list[int]:
    """Return the processes that a process has started, and those that they have; none where /proc does not tell."""
    parents: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            # `pid (name) state parent ...`, where the name may hold anything
            parents[int(status.parent.name)] = int(status.read_text(errors="replace").rpartition(")")[2].split()[1])
    found, waiting = [], [pid]
    while waiting:
        parent = waiting.pop()
        children = [child for child, its_parent in parents.items() if its_parent == parent]
        found += children
        waiting += children
    return found


def death_with_parent(number: int) -> Callable[[], None] | None:
    """Return what has the kernel send a new process this signal if its parent dies; Linux alone can."""
    if sys.platform != "linux":
        return None
    set_death_signal = 1
    # Loaded here: between fork and exec a lock that another thread holds would never be let go.
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(set_death_signal, number)
