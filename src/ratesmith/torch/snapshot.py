"""Everything that a training of a live model changes, kept aside and put back bit for bit."""

from __future__ import annotations

import copy
import os
import signal
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer

from ratesmith.torch.attributes import Attributes
from ratesmith.torch.generators import set_state, state_of


class Snapshot:
    """Models, their optimizers, gradient scaler and generators as they are now; `restore` makes them so again.

    Kept are parameters, buffers, gradients, the optimizers' states and groups, the flags `training` and
    `requires_grad`, the attributes of optimizers, modules and other `objects` with what is in their lists and dicts,
    and the states of `generators`. The tensors stay the same objects. The hooks that an optimizer calls after an update
    sleep until `close`, so that schedulers that count updates do not count these; those before it, which clip
    gradients, are called. Copies of the tensors lie in memory, or in a file where they would take more than half of
    what is free.
    """

    def __init__(
        self,
        models: Sequence[nn.Module],
        optimizers: Sequence[Optimizer],
        scaler: Any = None,
        generators: Sequence[Any] = (),
        objects: Sequence[Any] = (),
    ) -> None:
        """Take the copies."""
        optimizers = _with_inner(optimizers)
        self._optimizers, self._scaler = optimizers, scaler
        modules = list({id(module): module for model in models for module in model.modules()}.values())
        self._buffers = [buffer for module in modules for buffer in module._buffers.values() if buffer is not None]
        self._weights = [(weight, weight.requires_grad, weight.grad) for weight in _weights(models, optimizers)]
        # The very objects, which stand aside while copies are trained with.
        self._states = [dict(optimizer.state) for optimizer in optimizers]
        self._groups = [[dict(group) for group in optimizer.param_groups] for optimizer in optimizers]
        # Which buffers there are, flags, hooks, modes, counters and lists; what is in weights, buffers and states is
        # kept apart.
        self._attributes = Attributes([*modules, *optimizers, *objects])
        self._scaled = copy.deepcopy((scaler.state_dict(), dict(scaler._per_optimizer_states))) if scaler else None
        self._generators = [(generator, state_of(generator)) for generator in generators]
        self._originals = list(self._tensors())
        if any(is_lazy(tensor) for tensor in self._originals):
            raise ValueError(
                "find: the model must have all its weights, got a lazy layer; pass a batch through it first"
            )
        self._copies = _Copies(self._originals)
        self._put_hooks_to_sleep()  # last: nothing may fail after it

    def _put_hooks_to_sleep(self) -> None:
        for optimizer in self._optimizers:
            optimizer._optimizer_step_post_hooks = OrderedDict()

    def _tensors(self) -> Iterator[Tensor]:
        """Return the tensors that training writes into."""
        yield from (weight for weight, _, _ in self._weights)
        yield from self._buffers
        for group in (group for groups in self._groups for group in groups):
            for value in group.values():
                parts = value if isinstance(value, (tuple, list)) else [value]
                yield from (part for part in parts if isinstance(part, Tensor) and not isinstance(part, nn.Parameter))

    def restore(self) -> None:
        """Put all back; training can begin from here as often as wanted."""
        self._restore()
        self._put_hooks_to_sleep()

    def _restore(self) -> None:
        self._attributes.restore()
        with torch.no_grad():
            for tensor, kept in zip(self._originals, self._copies.read(), strict=True):
                if not torch.equal(tensor, kept):  # an expanded buffer can be read, but not written
                    tensor.copy_(kept)
        for weight, needed, _ in self._weights:
            weight.requires_grad_(needed)
            weight.grad = None
        for optimizer, states, groups in zip(self._optimizers, self._states, self._groups, strict=True):
            optimizer.state.clear()
            for key, state in states.items():
                optimizer.state[key] = copy.deepcopy(state)
            for group, own in zip(optimizer.param_groups, groups, strict=True):
                group.clear()
                group.update(own)
        if self._scaled:
            self._scaler.load_state_dict(copy.deepcopy(self._scaled[0]))
            self._scaler._per_optimizer_states.clear()
            self._scaler._per_optimizer_states.update(copy.deepcopy(self._scaled[1]))
        for generator, state in self._generators:
            set_state(generator, state)

    def close(self) -> None:
        """Put all back for good: gradients, the optimizers' own state objects, attributes and hooks too.

        A Ctrl-C while it does so is heard when it is done.
        """
        with uninterrupted():
            try:
                self._restore()
            finally:
                self._copies.close()
                for weight, _, grad in self._weights:
                    weight.grad = grad
                for optimizer, states in zip(self._optimizers, self._states, strict=True):
                    optimizer.state.clear()
                    optimizer.state.update(states)


def _with_inner(optimizers: Sequence[Optimizer]) -> tuple[Optimizer, ...]:
    """Return the optimizers, and those that they wrap: the real state is theirs."""
    found: dict[int, Optimizer] = {}
    waiting = list(optimizers)
    while waiting:
        optimizer = waiting.pop(0)
        if id(optimizer) not in found:
            found[id(optimizer)] = optimizer
            waiting += [value for value in vars(optimizer).values() if isinstance(value, Optimizer)]
    return tuple(found.values())


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back Ctrl-C, which only the main thread hears, until the end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed: list[Any] = []
    before = signal.signal(signal.SIGINT, lambda *given: pressed.append(given))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if pressed and callable(before):
            before(*pressed[0])


class _Copies:
    """Copies of tensors, in memory or in a file of their own."""

    def __init__(self, tensors: list[Tensor]) -> None:
        size = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        self._held: list[Tensor] | None = None
        self._file: IO[bytes] | None = None
        if size > _free_memory() / 2:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  # it lives until close
            torch.save([tensor.detach() for tensor in tensors], self._file)
        else:
            self._held = [tensor.detach().clone() for tensor in tensors]

    def read(self) -> list[Tensor]:
        if self._file is None:
            return self._held or []
        self._file.seek(0)
        loaded: list[Tensor] = torch.load(self._file, weights_only=True, map_location="cpu")
        return loaded

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _weights(models: Sequence[nn.Module], optimizers: Sequence[Optimizer]) -> list[nn.Parameter]:
    """Return the models' parameters, and those that only an optimizer has, once each."""
    own = [weight for optimizer in optimizers for group in optimizer.param_groups for weight in group["params"]]
    of_models = [weight for model in models for weight in model.parameters()]
    return list({id(weight): weight for weight in (*of_models, *own)}.values())


def _free_memory() -> float:
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES"))
    except (AttributeError, OSError, ValueError):  # not on this system
        return float("inf")
