"""Notices a file that trains while it is imported, as a tutorial's script does, before it trains through.

PyTorch is not imported here: its optimizers are watched from the moment that the file imports them.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_WATCHED = "torch.optim.optimizer"


class TrainedOnImportError(BaseException):
    """An optimizer was about to make an update while a file was imported; no Exception, which scripts catch."""


@contextmanager
def no_training() -> Iterator[None]:
    """Raise TrainedOnImportError inside at the first update of a PyTorch optimizer."""
    handles: list[Any] = []

    def watch(module: ModuleType) -> None:
        handles.append(module.register_optimizer_step_pre_hook(_refuse))

    finder = _AfterImport(watch)
    if _WATCHED in sys.modules:
        watch(sys.modules[_WATCHED])
    else:
        sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)
        for handle in handles:
            handle.remove()


def _refuse(*_: Any) -> None:
    raise TrainedOnImportError


class _AfterImport:
    """Among the finders of modules: lets the watched module be imported as ever, and then calls a function with it."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def find_spec(self, name: str, *_: Any) -> Any:
        if name != _WATCHED:
            return None
        sys.meta_path.remove(self)  # the others find it now
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            self._call(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
