"""Standard output and error that may be closed, or lose their reader: what is written then goes nowhere, quietly.

A training of hours must not end because somebody looked at its first line with `head`, or closed the terminal.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO


class TolerantStream:
    """A text stream that is written to as long as that is possible; all else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        """Wrap a stream."""
        self.stream = stream
        self.error: OSError | None = None
        """What ended the writing; None as long as all was written."""

    def write(self, text: str) -> int:
        """Write a text, or drop it if that cannot be done any more; return its length."""
        if self.error is None:
            with self._tolerating():
                self.stream.write(text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts one after the other."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Hand on what is buffered."""
        if self.error is None:
            with self._tolerating():
                self.stream.flush()

    @property
    def lost(self) -> OSError | None:
        """The error for which output was lost that somebody waits for: not of a reader who has gone."""
        return None if self.error is None or self.error.errno in (errno.EPIPE, errno.EBADF) else self.error

    def __getattr__(self, name: str) -> Any:
        """Return what the stream has."""
        return getattr(self.stream, name)

    @contextmanager
    def _tolerating(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.error = error
            # What is buffered is flushed once more when Python ends: that must find a file that takes it.
            with suppress(OSError, ValueError):
                _open_null_at(self.stream.fileno())


@contextmanager
def tolerant_output() -> Iterator[tuple[TolerantStream, TolerantStream]]:
    """Let standard output and error be tolerant, and be there, until the block ends."""
    # Else the next file that is opened gets the number of a closed one, and what any library prints goes into it.
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                _open_null_at(number)
    before = sys.stdout, sys.stderr
    # Python has None for a stream whose file was closed when it started.
    with Path(os.devnull).open("w", encoding="utf-8") as null:
        out, error = (TolerantStream(stream or null) for stream in before)
        sys.stdout, sys.stderr = out, error
        try:
            yield out, error
        finally:
            out.flush()
            error.flush()
            sys.stdout, sys.stderr = before


def _open_null_at(number: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    if null == number:
        os.set_inheritable(null, True)  # as a standard file is; a copy is so by itself
        return
    os.dup2(null, number)
    os.close(null)
