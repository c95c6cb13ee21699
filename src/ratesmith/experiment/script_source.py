"""A training of the user's own that reports by itself: a script, or a function of a trial; and what tells it apart."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ratesmith._script import ActiveTrial
from ratesmith._text import named_line
from ratesmith.experiment.options import ComparisonError
from ratesmith.experiment.task_source import digest_of_files, imported_beside, imported_names
from ratesmith.script_process import Script
from ratesmith.study_database import StudyError

LIBRARIES: Final = ("ratesmith", "site-packages", "dist-packages")
"""Folders with code that is not the user's: his own line is the last one outside of them."""


@dataclass(frozen=True)
class FunctionSource:
    """A function that is called with each trial. In another process it is found by its name, or sent by cloudpickle."""

    function: Callable[[ActiveTrial], Any]
    steps: int
    lr: float
    """The rate at which it is tried before a comparison."""

    @property
    def name(self) -> str:
        """What the function is called."""
        return getattr(self.function, "__qualname__", type(self.function).__name__)

    @property
    def asked(self) -> dict[str, Any]:
        """What a script would ask for by itself."""
        known = {"lr": self.lr, "schedule": "constant()", "steps": self.steps}
        return {**known, "seed": 0, "steps_per_epoch": None, "functions": ()}

    def error_text(self, error: BaseException) -> str:
        """Return an error of the function's as a sentence's part, with the last line of the user's own code."""
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if not set(LIBRARIES) & set(Path(frame.filename).parts)]
        where = f" in {own[-1].name}, line {own[-1].lineno}" if own else ""
        return f"it raised {named_line(error)}{where}"

    def __reduce__(self) -> tuple[Any, ...]:
        """Send the function as it is if it cannot be imported where it arrives."""
        module = sys.modules.get(getattr(self.function, "__module__", ""))
        importable = self.function.__module__ != "__main__" and getattr(module, self.name, None) is self.function
        if importable:
            return FunctionSource, (self.function, self.steps, self.lr)
        try:
            import cloudpickle  # type: ignore[import-untyped]
        except ModuleNotFoundError:
            raise ComparisonError(
                f"compare: {self.name} must be importable to be sent to workers, got a function of a notebook or of "
                "the main script; install cloudpickle, put it into a module, or drop the workers"
            ) from None
        return _unpickled, (cloudpickle.dumps(self.function), self.steps, self.lr)


def _unpickled(content: bytes, steps: int, lr: float) -> FunctionSource:
    import cloudpickle

    return FunctionSource(cloudpickle.loads(content), steps, lr)  # our own, from the driver of this worker


OwnTraining = Script | FunctionSource
"""A training that drives itself, and reports."""


def identity_of(source: OwnTraining) -> dict[str, Any]:
    """Return what tells a training from another: files, arguments, launcher, versions; a function has only its name."""
    if isinstance(source, FunctionSource):
        return {"task": source.name}
    path = Path(source.path).resolve()
    return {
        "task": source.name,
        "task_files": digest_of_files(path, path.read_bytes()),
        "arguments": list(source.arguments),
        "launch": source.launch,
        "versions": versions(imported_names([path, *imported_beside(path)])),
    }


def require_unchanged(script: Script, digest: str) -> None:
    """Raise StudyError if the script's files are not those of this digest: its runs would be of two trainings."""
    try:
        path = Path(script.path)
        same = digest_of_files(path, path.read_bytes()) == digest
    except (OSError, SyntaxError):  # it is just being written
        same = False
    if not same:
        raise StudyError(
            f"{script.name}: its files must stay as they are while it is compared, got others; finished runs are kept: "
            "put the files back and give the same command, or begin in another folder"
        )


def versions(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of Python and of the installed libraries that have these modules; the rest have none.

    >>> versions(["json"]) == {"python": platform.python_version()}
    True
    """
    libraries = {"python": platform.python_version()}
    distributions = importlib.metadata.packages_distributions()
    for name in sorted(names):
        for distribution in distributions.get(name, ()):
            if name not in sys.stdlib_module_names and name != "ratesmith":
                libraries[distribution.lower()] = importlib.metadata.version(distribution)
    return dict(sorted(libraries.items()))
