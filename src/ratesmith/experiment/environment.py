"""Variables of the process that another library reads, for as long as a block lasts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


@contextmanager
def environment(defaults: Mapping[str, str]) -> Iterator[None]:
    """Set the variables that are not set, and take them away at the end of the block.

    >>> with environment({"RATESMITH_EXAMPLE": "1"}):
    ...     os.environ["RATESMITH_EXAMPLE"]
    '1'
    >>> "RATESMITH_EXAMPLE" in os.environ
    False
    """
    new = [name for name in defaults if name not in os.environ]
    os.environ.update({name: defaults[name] for name in new})
    try:
        yield
    finally:
        for name in new:
            os.environ.pop(name, None)
