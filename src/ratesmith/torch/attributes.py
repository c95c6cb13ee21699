"""The attributes of modules, optimizers and trainers, kept aside and put back: what a training leaves in them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, Final

import torch
from torch import Tensor, nn

from ratesmith.torch.generators import is_generator, set_state, state_of

NOT_COPIED: Final = ("_parameters", "_buffers", "state", "param_groups")
"""Where modules and optimizers keep the tensors that a Snapshot keeps."""


class Attributes:
    """The attributes of objects as they are now; `restore` makes them so again.

    Each attribute is again the very object that it was. Of lists, dicts, sets and deques, also of those inside each
    other, the contents are put back; of tensors, as metrics have, the values; of random generators, the state. What
    other objects hold is theirs.
    """

    def __init__(self, objects: Iterable[Any]) -> None:
        """Keep the attributes of these objects."""
        self._attributes = [(vars(thing), dict(vars(thing))) for thing in objects]
        self._containers: list[tuple[Any, Any]] = []
        self._tensors: list[tuple[Tensor, Tensor]] = []
        self._generators: list[tuple[Any, Any]] = []
        self._seen: set[int] = set()
        for _, kept in self._attributes:
            for name, value in kept.items():
                self._keep(value, deep=name not in NOT_COPIED)

    def _keep(self, value: Any, deep: bool = True) -> None:
        if id(value) in self._seen:
            return
        if isinstance(value, (dict, list, set, deque)):
            self._seen.add(id(value))
            # A plain copy: the container's own class may ask for more than its contents.
            self._containers.append((value, dict(value) if isinstance(value, dict) else list(value)))
            for part in (value.values() if isinstance(value, dict) else value) if deep else ():
                self._keep(part)
        elif isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
            self._seen.add(id(value))
            self._tensors.append((value, value.detach().clone()))
        elif is_generator(value):
            self._seen.add(id(value))
            self._generators.append((value, state_of(value)))

    def restore(self) -> None:
        """Put all back; this can be done as often as wanted."""
        for now, kept in self._attributes:
            now.clear()
            now.update(kept)
        for container, contents in self._containers:
            container.clear()
            (container.extend if isinstance(container, (list, deque)) else container.update)(contents)
        with torch.no_grad():
            for tensor, values in self._tensors:
                if not torch.equal(tensor, values):
                    tensor.copy_(values)
        for generator, state in self._generators:
            set_state(generator, state)
