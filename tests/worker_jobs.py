"""Jobs for worker processes: those that end well, and those that do not."""

import gc
import os
import signal
import struct
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from types import ModuleType

from ratesmith.experiment.engine import Message, begins_itself


@begins_itself
def prepare_long(seconds):
    time.sleep(seconds)
    yield Message.BEGUN
    yield "prepared"


def add(a, b):
    return a + b


def count(n):
    yield from range(n)


def fail(text):
    raise KeyError(text)


class OddError(Exception):
    def __reduce__(self):
        raise TypeError("cannot be sent")


def fail_oddly():
    raise OddError("no")


class MuteError(Exception):
    def __str__(self):
        raise RuntimeError("no text")

    __reduce__ = OddError.__reduce__


class NoRepr:
    def __repr__(self):
        raise RuntimeError("no repr")

    __reduce__ = OddError.__reduce__


def fail_strangely(name):
    """Raise an error that has no text, or whose class no other process has."""
    module = sys.modules["ratesmith_task_mine"] = ModuleType("ratesmith_task_mine")
    module.MineError = type("MineError", (Exception,), {"__module__": module.__name__})
    errors = {"mute": MuteError(), "no_repr": KeyError(NoRepr()), "from_a_file": module.MineError("mine alone")}
    raise errors[name]


class TwoError(Exception):
    def __init__(self, one, two):
        super().__init__(one)


def fail_with_two():
    raise TwoError(1, 2)


def die_while_sending():
    """Send a message's length and its first bytes, as a connection does, and no more."""
    [pipe] = [found for found in gc.get_objects() if isinstance(found, Connection) and not found.closed]
    os.write(pipe.fileno(), struct.pack("!i", 1000) + b"begun")
    os.kill(os.getpid(), signal.SIGKILL)


def leave(status):
    os._exit(status)


def kill(number):
    os.kill(os.getpid(), number)
    time.sleep(60)


def hang():
    time.sleep(600)


def hold_the_pipe(seconds):
    """Leave a child behind that has inherited everything, then die."""
    if os.fork() == 0:
        time.sleep(seconds)
        os._exit(0)
    os._exit(7)


def threads():
    return os.environ["OMP_NUM_THREADS"], os.getpid()


def visible(seconds):
    """Return the GPUs that this process sees, and those that a process sees which it starts."""
    time.sleep(seconds)
    code = "import os; print(os.environ['CUDA_VISIBLE_DEVICES'])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return os.environ["CUDA_VISIBLE_DEVICES"], shown.strip()
