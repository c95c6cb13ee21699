"""Notices a file that trains while it is imported, as a tutorial's script does, before it trains through.

PyTorch and Keras are not imported here: their optimizers are watched from the moment that the file imports them.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final


class TrainedOnImportError(BaseException):
    """An optimizer was about to make an update while a file was imported; no Exception, which scripts catch."""


def _refuse(*_: Any, **__: Any) -> None:
    raise TrainedOnImportError


def _watch_torch(module: Any) -> Callable[[], None]:
    remove: Callable[[], None] = module.register_optimizer_step_pre_hook(_refuse).remove
    return remove


def _watch_keras(module: Any) -> Callable[[], None]:
    kind = getattr(module, "BaseOptimizer", None)
    if kind is None:  # the module is Keras' own business, and may change
        return lambda: None
    apply = kind.apply
    kind.apply = _refuse

    def undo() -> None:
        kind.apply = apply

    return undo


Watch = Callable[[Any], Callable[[], None]]
_WATCHED: Final[dict[str, Watch]] = {
    "torch.optim.optimizer": _watch_torch,
    "keras.src.optimizers.base_optimizer": _watch_keras,
}
"""How the optimizers of a module are watched, by its name; each returns what ends it."""


@contextmanager
def no_training() -> Iterator[None]:
    """Raise TrainedOnImportError inside at the first update of an optimizer of PyTorch or Keras."""
    ends: list[Callable[[], None]] = []
    finders = []
    for name, watch in _WATCHED.items():
        if name in sys.modules:
            ends.append(watch(sys.modules[name]))
        else:
            finders.append(_AfterImport(name, watch, ends))
    sys.meta_path[:0] = finders
    try:
        yield
    finally:
        for finder in finders:
            if finder in sys.meta_path:
                sys.meta_path.remove(finder)
        for end in ends:
            end()


class _AfterImport:
    """Among the finders of modules: lets the watched module be imported as ever, and then watches it."""

    def __init__(self, name: str, watch: Watch, ends: list[Callable[[], None]]) -> None:
        self._name, self._watch, self._ends = name, watch, ends

    def find_spec(self, name: str, *_: Any) -> Any:
        if name != self._name:
            return None
        sys.meta_path.remove(self)  # the others find it now
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            self._ends.append(self._watch(module))

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
