"""Jobs for worker processes: those that end well, and those that do not."""

import os
import time


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
