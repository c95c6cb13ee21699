"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Return a path to write to that becomes `path` only when all is on disk."""
    # The process is part of the name: two attempts may write the same file at once.
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        yield part
        with part.open("r+b") as file:
            os.fsync(file.fileno())
        # Only now: a file system may put a new name on disk before the bytes behind it.
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
