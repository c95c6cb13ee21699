"""Which tasks train with PyTorch: only in their scripts is ScheduleLR of use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def uses_torch(*things: Any) -> bool:
    """Whether a task or its training is of PyTorch, by its own class or by what it holds.

    A model or an optimizer of PyTorch's tells it, also in a list or dict of the training's. Nothing is imported.

    >>> uses_torch(object(), {"weights": [1.0, 2.0]})
    False
    """
    return any(_is_of_torch(each) for thing in things for each in (thing, *_held(thing)))


def _held(thing: Any) -> Iterator[Any]:
    """Yield the attributes of something, and what lists and dicts among them hold."""
    for value in getattr(thing, "__dict__", {}).values():
        yield value
        if isinstance(value, (list, tuple)):
            yield from value
        elif isinstance(value, Mapping):
            yield from value.values()


def _is_of_torch(thing: Any) -> bool:
    names = {kind.__module__ for kind in type(thing).__mro__}
    if any(name.partition(".")[0] == "keras" for name in names):  # its models are PyTorch's too, on that backend
        return False
    return any(name.partition(".")[0] == "torch" or name.startswith("ratesmith.torch.") for name in names)
