"""The random generators that data keeps for itself: looked for in loaders, datasets and transforms, seeded, put back.

They are those of PyTorch, of NumPy (`default_rng()`, `RandomState()`) and of Python (`random.Random()`). The generators
of the process, which `_random_states` looks after, are left out wherever they are held.
"""

from __future__ import annotations

import copy
import random
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, Final

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler

from ratesmith._random_states import with_arrays, without_arrays

_HELD: Final = ("generator", "sampler", "batch_sampler", "dataset", "datasets", "transform", "collate_fn")
"""What a loader and its parts hold, whatever its kind."""
MOST_PARTS: Final = 1000
"""Lists and dicts of more are data, and not searched."""


def holders_in(sources: Iterable[Any]) -> Iterator[Any]:
    """Return loaders with their samplers, datasets, transforms and generators, each once."""
    seen: set[int] = set()
    waiting: list[Any] = list(sources)
    while waiting:
        holder = waiting.pop()
        if holder is None or id(holder) in seen:
            continue
        seen.add(id(holder))
        yield holder
        if not is_generator(holder):
            waiting += _parts(holder)


def generators_in(sources: Iterable[Any]) -> Iterator[Any]:
    """Return the generators that loaders keep for themselves, in all of their parts, each once."""
    yield from (holder for holder in holders_in(sources) if is_generator(holder))


def _parts(holder: Any) -> Iterator[Any]:
    """Return the parts of a loader or of a part of it: by their names, or since they are of a kind that draws."""
    if isinstance(holder, (list, tuple, dict)):
        values = holder.values() if isinstance(holder, dict) else holder
        if len(holder) <= MOST_PARTS:  # and of a list in a list, as of samples, nothing
            yield from (value for value in values if not isinstance(value, (list, tuple, dict)) and _draws(value))
        return
    if isinstance(holder, MethodType):
        yield holder.__self__
        return
    yield from (part for name in _HELD if not _is_plain(part := getattr(holder, name, None)))
    attributes: dict[str, Any] = getattr(holder, "__dict__", {})
    yield from (value for name, value in attributes.items() if name != "_iterator" and _draws(value))


def _draws(value: Any) -> bool:
    """Whether an attribute may hold a generator: it is one, or data, or a transform; a model is none."""
    if isinstance(value, nn.Module):
        return next(value.parameters(), None) is None
    if isinstance(value, (Dataset, Sampler, DataLoader, list, tuple, dict, MethodType)) or is_generator(value):
        return True
    return callable(value) and hasattr(value, "__dict__") and not _is_plain(value)


def _is_plain(value: Any) -> bool:
    """Whether it is a plain function, a class or a module, in whose attributes nobody keeps a generator."""
    return value is None or isinstance(value, (type, FunctionType, BuiltinFunctionType, ModuleType, torch.Tensor))


def is_generator(value: Any) -> bool:
    """Whether it is a random generator of PyTorch, NumPy or Python, and none of the process's own."""
    if isinstance(value, torch.Generator):
        return value is not torch.default_generator
    if isinstance(value, random.Random):
        return not isinstance(value, random.SystemRandom) and value is not random._inst
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, (numpy.random.Generator, numpy.random.RandomState)):
        return False
    return value is not numpy.random.mtrand._rand


def state_of(generator: Any) -> Any:
    """Return a generator's state: plain values or a tensor, which a file can hold as data alone."""
    if isinstance(generator, torch.Generator):
        return generator.get_state()
    if isinstance(generator, random.Random):
        return generator.getstate()
    return without_arrays(_bits(generator).state)


def set_state(generator: Any, state: Any) -> None:
    """Put a generator back to a state that `state_of` returned."""
    if isinstance(generator, torch.Generator):
        generator.set_state(state)
    elif isinstance(generator, random.Random):
        version, internal, gauss = state
        generator.setstate((version, tuple(internal), gauss))
    else:
        _bits(generator).state = with_arrays(state, sys.modules["numpy"])


def set_states(generators: Iterable[Any], states: Iterable[Any]) -> None:
    """Put generators back to their states; one that was made since, or is of another kind now, stays as it is."""
    for generator, state in zip(generators, states, strict=False):
        now = state_of(generator)
        same_kind = isinstance(now, torch.Tensor) == isinstance(state, torch.Tensor)
        if isinstance(now, dict) or isinstance(state, dict):
            same_kind = type(now) is type(state) and now["bit_generator"] == state["bit_generator"]
        if same_kind:
            set_state(generator, state)


def seeded_state(generator: Any, seed: int) -> Any:
    """Return the state that a generator of the same kind has when it is made with a seed."""
    if isinstance(generator, torch.Generator):
        return torch.Generator(generator.device).manual_seed(seed).get_state()
    if isinstance(generator, random.Random):
        fresh = copy.copy(generator)
        fresh.seed(seed)
        return fresh.getstate()
    numpy = sys.modules["numpy"]
    if isinstance(generator, numpy.random.RandomState) and type(_bits(generator)) is numpy.random.MT19937:
        return state_of(numpy.random.RandomState(seed % 2**32))  # it seeds otherwise than default_rng
    return without_arrays(type(_bits(generator))(seed).state)


def _bits(generator: Any) -> Any:
    """Return what a NumPy generator, old or new, draws its bits from."""
    return generator.bit_generator if hasattr(generator, "bit_generator") else generator._bit_generator


class OwnGenerators:
    """The generators of one training's data, in states of its own: others may draw from the same ones in between."""

    def __init__(self, sources: Iterable[Any], seed: int) -> None:
        """Begin with the states that generators with this seed have."""
        self.generators = list(generators_in(sources))
        self.states = [seeded_state(generator, seed) for generator in self.generators]

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Let the generators go on from these states, and keep what they are afterwards."""
        set_states(self.generators, self.states)
        yield
        self.states = [state_of(generator) for generator in self.generators]


@contextmanager
def seeded(generators: Iterable[Any], seed: int) -> Iterator[None]:
    """Seed generators, and put them back at the end."""
    states = [(generator, state_of(generator)) for generator in generators]
    for generator, _ in states:
        set_state(generator, seeded_state(generator, seed))
    try:
        yield
    finally:
        for generator, state in states:
            set_state(generator, state)


@contextmanager
def kept_in_place(sources: Iterable[Any]) -> Iterator[None]:
    """Let sources hold the same generators at the end: none instead of one that was made when first needed."""
    held = [
        (holder.__dict__, name, value)
        for holder in holders_in(sources)
        if not is_generator(holder)
        for name, value in getattr(holder, "__dict__", {}).items()
        if value is None or is_generator(value)
    ]
    try:
        yield
    finally:
        for attributes, name, value in held:
            if is_generator(attributes.get(name)):
                attributes[name] = value
