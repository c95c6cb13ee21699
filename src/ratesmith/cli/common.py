"""What the commands share: mistakes as one line, the list of strategies, the console."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console

from ratesmith.notation import NotationError, signatures

WIDE = 170
"""Columns to print to where the output is no terminal and so has no width."""
NAMES = "\n".join(f"  {signature}" for signature in signatures())
STRATEGIES = f"""\b
Strategies (lengths are steps as 500, shares of training as "5%", or epochs as "2ep"; join with >>, multiply with *, add
with +):
{NAMES}

\b
custom names a function of yours, plateau's patience and cooldown count measurements (one an epoch by default)."""


class Mistake(click.ClickException):
    """A user's mistake: one line on stderr and exit status 2."""

    exit_code = 2


@contextmanager
def user_mistakes(*more: type[Exception]) -> Iterator[None]:
    """Turn what a user can cause into one line."""
    mistakes: tuple[type[Exception], ...] = (ValueError, TypeError, *more)
    try:
        yield
    except mistakes as error:
        pointed = isinstance(error, NotationError)  # it shows the place, with a caret in a line of its own
        raise Mistake(str(error) if pointed else " ".join(str(error).split())) from error


def wide_console() -> Console:
    """Give a console as wide as the terminal, or wide where there is none."""
    return Console(width=None if sys.stdout.isatty() else WIDE, markup=False)
