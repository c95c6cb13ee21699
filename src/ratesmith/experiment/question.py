"""What a comparison asks: which strategies, by which metric, over which seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Choice(NamedTuple):
    """What a strategy goes into the verdict with."""

    variant: str
    base_lr: float


@dataclass(frozen=True)
class Question:
    """What is asked: which strategies, by which metric, over which seeds."""

    families: dict[str, tuple[str, ...]]
    """Each strategy as it was given, and the variants that its listed options stand for; the baseline first."""
    baseline: str
    metric: str
    mode: str
    margin: float
    choice_seeds: tuple[int, ...]
    seeds: tuple[int, ...]
    target: float | None = None
    paired: bool = True
    """Whether runs of one seed have the same beginning and data; if the seed decides nothing, they have not."""

    def cost(self, value: float) -> float:
        """Return a value so that less is better."""
        return value if self.mode == "min" else -value

    def undecided(self, rates: int) -> tuple[str, ...]:
        """Return the variants of the strategies that have a choice to make among so many rates."""
        open_families = [variants for variants in self.families.values() if len(variants) * rates > 1]
        return tuple(variant for variants in open_families for variant in variants)
