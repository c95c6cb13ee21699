"""The further optimizers of a comparison: functions of the model, by the names that strategies give, `muon: cosine()`.

Whoever asks whether a schedule is needed compares optimizers: a schedule-free one with AdamW and its best schedule.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from ratesmith._checks import Option, OptionError, OptionTypeError, OptionValueError, finite
from ratesmith._text import hint
from ratesmith.strategy.contender import NAME, contender_of

OPTIMIZER: Final = "optimizer "
"""What a study's setting of an optimizer begins with; its name follows. It may be added to a study that has begun."""
_TEXT: Final = re.compile(r"\s*([A-Za-z_]\w*)\s*(?:@(.*))?")
_MUST: Final = " must be functions of the task's file"
_REMEDY: Final = "write make_muon, or make_prodigy@1 for a rate that is fixed"


class NamedOptimizer(NamedTuple):
    """A function of the model that returns its optimizer, and the one rate that it is tried at, if it is fixed."""

    function: str | Callable[[Any], Any]
    """Itself, or its name in the task's file."""
    rate: float | None = None
    """None: its rate is searched as any other's. Prodigy and D-Adaptation find theirs: they are left at 1."""

    @property
    def name(self) -> str:
        """What the function is called."""
        return self.function if isinstance(self.function, str) else _name_of(self.function)


def read_optimizers(given: Mapping[str, Any]) -> dict[str, NamedOptimizer]:
    """Read the optimizers as `compare` takes them: by name a function, its name, or a pair of it and a fixed rate.

    >>> read_optimizers({"prodigy": "make_prodigy@1"})
    {'prodigy': NamedOptimizer(function='make_prodigy', rate=1.0)}
    """
    if not isinstance(given, Mapping):
        raise OptionTypeError(
            "compare: ",
            Option("optimizers"),
            f" must be a dict of names and functions, got {type(given).__name__}; write {{'muon': make_muon}}",
        )
    for name in given:
        if not isinstance(name, str) or not re.fullmatch(NAME, name):
            raise OptionValueError(
                "compare: ",
                Option("optimizers"),
                f" must be called by letters, digits, _ and -, got {name!r}; give a name such as muon",
            )
    return {name: _read(value) for name, value in given.items()}


def _read(value: Any) -> NamedOptimizer:
    function, rate = value if isinstance(value, (tuple, list)) and len(value) == 2 else (value, None)
    if isinstance(function, str) and rate is None:
        text = _TEXT.fullmatch(function)
        if text is None:
            raise OptionValueError("compare: ", Option("optimizers"), f"{_MUST}, got {value!r}; {_REMEDY}")
        function, rate = text[1], text[2] if text[2] is None else _number(text[2])
    if not isinstance(function, str) and not callable(function):
        raise OptionTypeError("compare: ", Option("optimizers"), f" must be functions, got {value!r}; {_REMEDY}")
    if rate is None:
        return NamedOptimizer(function)
    try:
        fixed = finite("compare", "optimizers", rate, least=0.0)
    except OptionError:
        fixed = 0.0
    if not fixed:
        raise OptionValueError(
            "compare: ",
            Option("optimizers"),
            f" must have a fixed rate above 0, got {rate!r}; write @1, or leave it out",
        )
    return NamedOptimizer(function, fixed)


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def as_names(given: Mapping[str, Any], file: Path) -> dict[str, str]:
    """Return optimizers as text, for a task in a file: a worker finds each function there by its name."""
    texts = {}
    for name, optimizer in read_optimizers(given).items():
        if not isinstance(optimizer.function, str):
            code = getattr(optimizer.function, "__code__", None)
            if code is None or Path(code.co_filename).resolve() != file.resolve():
                raise OptionValueError(
                    "compare: ",
                    Option("optimizers"),
                    f"{_MUST}, got {optimizer.name} of another; put it into {file.name}, and give its name",
                )
        texts[name] = optimizer.name if optimizer.rate is None else f"{optimizer.name}@{optimizer.rate!r}"
    return texts


def refuse_unknown(strategies: Iterable[str], optimizers: Mapping[str, NamedOptimizer]) -> None:
    """Refuse a strategy of an optimizer that is not given, and an optimizer without a strategy behind its colon."""
    for strategy in strategies:
        name, notation = contender_of(strategy)
        if name and not notation:
            raise OptionValueError(
                f"compare: {name}: a strategy must stand behind the colon, got none; write '{name}: cosine()'"
            )
        if name and name not in optimizers:
            known = f"known: {', '.join(optimizers)}" if optimizers else "give it with "
            answer = hint(name, optimizers, known)
            more: tuple[str, ...] = () if optimizers else (Option("optimizers="),)
            raise OptionValueError(f"compare: {strategy}: there is no optimizer {name!r}; {answer}", *more)


def _name_of(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
