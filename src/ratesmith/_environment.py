"""Variables of the process that another library reads, for as long as a block lasts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager


@contextmanager
def changed_environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for the block, and put back at its end what was there."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def environment(defaults: Mapping[str, str]) -> AbstractContextManager[None]:
    """Set the variables that are not set, and take them away at the end of the block.

    >>> with environment({"RATESMITH_EXAMPLE": "1"}):
    ...     os.environ["RATESMITH_EXAMPLE"]
    '1'
    >>> "RATESMITH_EXAMPLE" in os.environ
    False
    """
    return changed_environment({name: value for name, value in defaults.items() if name not in os.environ})
