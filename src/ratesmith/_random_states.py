"""The random generators of this process: seeded, read and put back, for every library that is in use.

NumPy and PyTorch are never imported here: where they are not, they have no generators to look after.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def seed_all(seed: int) -> None:
    """Seed the generators of Python, and of NumPy and PyTorch if they are in use."""
    random.seed(seed)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(seed % 2**32)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(seed)  # those of all its devices too


def random_states() -> dict[str, Any]:
    """Return the states of all generators: plain values and torch tensors, which a file can hold as data alone."""
    states: dict[str, Any] = {"python": random.getstate()}
    if numpy := sys.modules.get("numpy"):
        states["numpy"] = without_arrays(numpy.random.get_state(legacy=False))
    if torch := sys.modules.get("torch"):
        states["torch"] = torch.get_rng_state()
        if torch.cuda.is_available():
            states["cuda"] = torch.cuda.get_rng_state_all()
        if torch.backends.mps.is_available():
            states["mps"] = torch.mps.get_rng_state()
    return states


def set_random_states(states: dict[str, Any]) -> None:
    """Put generators back to states that `random_states` returned; those that it did not have stay as they are."""
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))  # a file may have made lists of tuples
    if "numpy" in states and (numpy := sys.modules.get("numpy")):
        numpy.random.set_state(with_arrays(states["numpy"], numpy))
    torch: Any = sys.modules.get("torch")
    if "torch" in states and torch:
        torch.set_rng_state(states["torch"])
        if "cuda" in states and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(states["cuda"])
        if "mps" in states and torch.backends.mps.is_available():
            torch.mps.set_rng_state(states["mps"])


def without_arrays(state: Any) -> Any:
    """Return a state of a NumPy generator, of whatever kind, with lists for its arrays."""
    if isinstance(state, dict):
        return {name: without_arrays(value) for name, value in state.items()}
    return state.tolist() if hasattr(state, "tolist") else state


def with_arrays(state: Any, numpy: Any) -> Any:
    """Return a state with arrays for its lists."""
    if isinstance(state, dict):
        return {name: with_arrays(value, numpy) for name, value in state.items()}
    return numpy.array(state, dtype=numpy.uint64) if isinstance(state, list) else state


@contextmanager
def preserve_rng_state() -> Iterator[None]:
    """Put all generators back at the end to where they were, whatever happens."""
    states = random_states()
    try:
        yield
    finally:
        set_random_states(states)
