"""What a comparison asks: which strategies, by which metric, over which seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ratesmith.strategy.contender import optimizer_of


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
    folds: int = 0
    """Into how many parts the data is cut: a seed's runs are measured on one of them. 0: not at all."""
    optimizers: Mapping[str, str] = field(default_factory=dict)
    """The functions that make the further optimizers, by the names that strategies give."""
    fixed_rates: Mapping[str, float] = field(default_factory=dict)
    """The one rate of each optimizer whose rate is not searched."""

    def fixed_rate(self, strategy: str) -> float | None:
        """Return the one rate that a strategy is tried at; None if it is searched."""
        return self.fixed_rates.get(optimizer_of(strategy))

    @property
    def overlap(self) -> float:
        """What is measured on, as a share of what is trained on, if the seeds are folds: their runs share the rest."""
        return 1 / (self.folds - 1) if self.folds > 1 else 0.0

    def cost(self, value: float) -> float:
        """Return a value so that less is better."""
        return value if self.mode == "min" else -value

    def undecided(self, rates: int) -> tuple[str, ...]:
        """Return the variants of the strategies that have a choice to make: among so many rates, if none is fixed."""
        open_families = [
            variants
            for variants in self.families.values()
            if len(variants) * (rates if self.fixed_rate(variants[0]) is None else 1) > 1
        ]
        return tuple(variant for variants in open_families for variant in variants)
