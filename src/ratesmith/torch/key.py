"""One number of a parameter group, such as "lr" or "betas[0]": how it is read and put, and what is kept of it there."""

from __future__ import annotations

import math
import numbers
import re
from dataclasses import dataclass, field
from typing import Any, Final

from torch import Tensor

Group = dict[str, Any]

NAME: Final = re.compile(r"(\w+)(?:\[(\d+)\])?")


@dataclass(frozen=True)
class Key:
    """A number of a group by its name, and the names under which the group keeps what is needed to go on with it.

    `base`: what the factor multiplies, where every PyTorch tool looks for it. `given`: the base that the code gave at
    first, which `base` may have left since. Of the last write: `multiplied`, what the factor multiplied then;
    `schedule`, a number that tells which schedule gave it; `final` and `low`, its floor, if it has one; and in the
    first group of an optimizer `step`, the number of updates, and `factor`. `written`: the value itself, in states of
    before.
    """

    name: str
    key: str = field(init=False)
    index: int | None = field(init=False)
    base: str = field(init=False)
    given: str = field(init=False)
    multiplied: str = field(init=False)
    schedule: str = field(init=False)
    final: str = field(init=False)
    low: str = field(init=False)
    step: str = field(init=False)
    factor: str = field(init=False)
    written: str = field(init=False)

    def __post_init__(self) -> None:
        """Read the name."""
        found = NAME.fullmatch(self.name) if isinstance(self.name, str) else None
        if not found:
            raise ValueError(f"ScheduleLR: key must be a name such as 'lr' or 'betas[0]', got {self.name!r}; write one")
        parts = {
            "key": found[1],
            "index": None if found[2] is None else int(found[2]),
            "base": f"initial_{self.name}",
            "given": f"ratesmith_{self.name}_given",
            "multiplied": f"ratesmith_{self.name}_base",
            "schedule": f"ratesmith_{self.name}_schedule",
            "final": f"ratesmith_{self.name}_final",
            "low": f"ratesmith_{self.name}_low",
            "step": f"ratesmith_{self.name}_step",
            "factor": f"ratesmith_{self.name}_factor",
            "written": f"ratesmith_{self.name}",
        }
        for name, part in parts.items():
            object.__setattr__(self, name, part)

    def now(self, group: Group) -> Any:
        """Return what a group holds, a number or a tensor."""
        return group[self.key] if self.index is None else group[self.key][self.index]

    def put(self, group: Group, value: Any) -> None:
        """Put a number or a tensor into a group."""
        if self.index is None:
            group[self.key] = value
        else:
            several = list(group[self.key])
            several[self.index] = value
            group[self.key] = type(group[self.key])(several)

    def read(self, group: Group, place: int) -> Any:
        """Return what a group holds, or raise ValueError or TypeError that says at which place it is no number."""
        if self.key not in group:
            known = ", ".join(sorted(set(group) - {"params"}))
            raise ValueError(
                f"ScheduleLR: group {place} must have the key {self.key!r}, got {known}; name one of these"
            )
        value = group[self.key]
        several = len(value) if isinstance(value, (list, tuple)) else None
        if (several is None) != (self.index is None) or (self.index or 0) >= (1 if several is None else several):
            raise ValueError(
                f"ScheduleLR: {self.name!r} of group {place} must be one number, got {value!r}; write {self.key!r}, or "
                f"'{self.key}[0]' for one of several"
            )
        value = self.now(group)
        if not is_number(value):
            raise TypeError(
                f"ScheduleLR: {self.name!r} of group {place} must be a number, got {value!r}; name another key"
            )
        return value


def is_number(value: Any) -> bool:
    """Whether a value is one number: of Python, NumPy, or a tensor of one."""
    if isinstance(value, Tensor):
        return value.numel() == 1
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def near(first: float, second: float) -> bool:
    """Whether two numbers are the same in single precision."""
    return math.isclose(first, second, rel_tol=1e-6, abs_tol=1e-300)


def finite_value(name: str, place: Any, value: Any) -> float:
    """Return a group's number as a float, or raise an error that says where it stands."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(
            f"ScheduleLR: {name!r} of group {place} must be a finite number, got {number}; set it to a number"
        )
    return number


def kept_number(group: Group, name: str, place: Any) -> float | None:
    """Return a number that a group keeps, as a float; None if it keeps none. A tensor, as torch keeps it, counts."""
    value = group.get(name)
    if value is None:
        return None
    if not is_number(value):
        raise TypeError(f"ScheduleLR: {name!r} of group {place} must be a number, got {value!r}; remove it or mend it")
    return finite_value(name, place, value)


def name_of(place: int, group: Group) -> str:
    """Return how messages name a group: by its own name, or by its place."""
    name = group.get("name")
    return str(place) if name is None else repr(name)
