"""What a part of Ratesmith needs beyond a plain install: one line that names the extra which brings it."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needs(part: str, *, extra: str, also: str = "") -> Iterator[None]:
    """Raise ModuleNotFoundError that names the extra if an import inside the block lacks a package.

    `part` is what the user asked for, `also` ends the line with what else it takes. The error's name is the missing
    module's. Of two blocks, one inside the other, the outer has the word: it is nearer to the user. A module of our
    own that is missing is a fault of ours, and stays what it is.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "ratesmith"):
            raise
        raise ModuleNotFoundError(
            f"{part}: it needs {package}; install Ratesmith with its extra [{extra}]{also}", name=error.name
        ) from None


def require(part: str, *packages: str, extra: str) -> None:
    """Raise the same error for packages that are imported later, so that it comes before the work and not after it."""
    with needs(part, extra=extra):
        for package in packages:
            if importlib.util.find_spec(package) is None:
                raise ModuleNotFoundError(f"No module named {package!r}", name=package)
