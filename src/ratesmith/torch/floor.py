"""Floor: an absolute value that the values of a target end at, or stay above, whatever the base of a group is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Self

from ratesmith._checks import Option, OptionValueError, finite

NAMES: Final = ("final", "low")
"""The two kinds, by their names in a target, in a saved state and in a group."""


@dataclass(frozen=True)
class Floor:
    """What stands between a factor and the value: nothing, the value at factor 0, or the lowest value.

    Formula: `base * factor`; with `final` it is `final + (base - final) * factor`; with `low` it is
    `max(low, base * factor)`. A base of 0, as of a group that is frozen, gives 0 with either.
    """

    final: float | None = None
    low: float | None = None

    @classmethod
    def checked(cls, final: Any, low: Any, *, absolute: bool) -> Self:
        """Return the floor that a user gave, or raise ValueError or TypeError."""
        given = {name: value for name, value in zip(NAMES, (final, low), strict=True) if value is not None}
        for name, value in given.items():
            if finite("Target", name, value) < 0:
                raise OptionValueError("Target: ", Option(name), f" must be at least 0, got {value!r}; give a rate")
        if len(given) > 1:
            must = f" must be given alone, got low={low!r} too; what ends at final never falls below it"
            raise OptionValueError("Target: ", Option("final"), must)
        if given and absolute:
            (name,) = given
            must = " must be left out with Absolute, whose schedule gives the value itself; clip that schedule instead"
            raise OptionValueError("Target: ", Option(name), must)
        return cls(**{name: float(value) for name, value in given.items()})

    @property
    def is_none(self) -> bool:
        """Whether nothing is set."""
        return self.final is None and self.low is None

    def value(self, base: float, factor: float) -> float:
        """Return the value of a base at a factor."""
        if self.final is not None:
            return self.final + (base - self.final) * factor if base else 0.0
        value = base * factor
        return self.low if self.low is not None and base and value < self.low else value

    def base(self, value: float, factor: float) -> float:
        """Return the base that gives a value at a factor; if none does, the value itself."""
        if not factor or not value:
            return value
        if self.final is None:
            return value / factor
        base = self.final + (value - self.final) / factor
        return base if base > 0 else value

    def new_base(self, base: float, written: float, value: float, factor: float | None) -> float:
        """Return the base that gives `value` where `base` gave `written`, by the ratio of the two.

        By the ratio and not by the factor, so that half the value is exactly half the base.
        """
        bottom = self.final or 0.0
        if value and written != bottom and not (self.low is not None and written <= self.low):
            new = bottom + (base - bottom) * ((value - bottom) / (written - bottom))
            return new if not self.final or new > 0 else value
        return 0.0 if not value and written else self.base(value, factor or 0.0)

    def factor(self, base: float, value: float) -> float | None:
        """Return the factor that gave a value to a base; None if it can't be told."""
        if self.low is not None and value <= self.low:
            return None
        bottom = self.final or 0.0
        return (value - bottom) / (base - bottom) if base and base != bottom and math.isfinite(value) else None

    def kept(self) -> dict[str, float]:
        """Return what is set of it, by name."""
        return {name: value for name in NAMES if (value := getattr(self, name)) is not None}

    def __str__(self) -> str:
        """Return it as a target's options are written, behind a comma; nothing for none."""
        return "".join(f", {name}={value!r}" for name, value in self.kept().items())
