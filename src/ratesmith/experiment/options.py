"""The options of a comparison, gathered once and checked, each by itself and beside the others."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from ratesmith._checks import Option, OptionError, OptionValueError, finite, whole
from ratesmith.experiment.grid import variants
from ratesmith.experiment.optimizers import NamedOptimizer, read_optimizers, refuse_unknown
from ratesmith.experiment.plan import Budget, read_budget
from ratesmith.experiment.question import Question
from ratesmith.horizon import Horizon
from ratesmith.strategy import ScheduleLike, as_strategy
from ratesmith.strategy.contender import Contender, contender_of, optimizer_of

BASELINE: Final = "constant()"
DEFAULT_STRATEGIES: Final = (
    'step(every="30%")',
    'multistep(milestones=["50%", "75%"])',
    'exponential(gamma=0.1, every="50%")',
    "cosine()",
    "plateau(factor=0.3, patience=1)",
)
FIRST_FRESH_SEED: Final = 1000
"""The verdict's seeds count from here, those of the choice from 0: they never meet."""
ENGINES: Final = ("local", "ray")


LENGTHS: Final = {
    "steps": (" must be a number of steps or epochs", "write 500 or '10ep'"),
    "evaluate_every": (" must be a number of steps, epochs or a share", "write 50, '1ep' or '5%'"),
}
"""The options that are lengths: what each must be, and what to write."""


class ComparisonError(OptionValueError):
    """Options that cannot be, or do not fit the task; the message is one line for the user."""


@dataclass(frozen=True)
class CompareOptions:
    """What one call of `compare` asks for, as it was given; strategies as text. The fields are `compare`'s options.

    Raise ComparisonError, or another OptionError, for options that cannot be.
    """

    strategies: tuple[str, ...] = DEFAULT_STRATEGIES
    steps: int | str | None = None
    rates: tuple[float, ...] | None = None
    seeds: int = 10
    choice_seeds: int = 3
    baseline: str = BASELINE
    metric: str = "loss"
    mode: str | None = None
    margin: float = 0.01
    target: float | None = None
    evaluate_every: int | str = "1ep"
    rungs: tuple[float, ...] = ()
    budget: int | str | None = None
    timeout: float | None = None
    workers: int = 0
    engine: str = "local"
    address: str | None = None
    gpus: float = 0
    version: str | None = None
    arguments: tuple[str, ...] = ()
    launch: str = ""
    optimizers: Mapping[str, Any] | None = None
    folds: int = 0

    def __post_init__(self) -> None:
        """Work out what the options stand for, so that a mistake in one is found before anything is done."""
        for name in ("named_optimizers", "families", "question", "grid", "rung_shares", "limit"):
            getattr(self, name)
        if self.steps is not None:
            check_length("steps", self.steps)
        check_length("evaluate_every", self.evaluate_every)
        whole("compare", "workers", self.workers, least=0)
        self._check_engine()
        if self.version is not None and not (isinstance(self.version, str) and self.version.strip()):
            raise ComparisonError("compare: ", Option("version"), f" must be a text, got {self.version!r}; write '1'")

    @functools.cached_property
    def named_optimizers(self) -> dict[str, NamedOptimizer]:
        """The further optimizers, by the names that strategies give."""
        return {} if self.optimizers is None else read_optimizers(self.optimizers)

    @functools.cached_property
    def families(self) -> dict[str, tuple[str, ...]]:
        """Each strategy and the variants that its listed options stand for, the baseline first.

        An optimizer that no strategy names takes part with a constant rate.
        """
        texts = [self.baseline, *self.strategies]
        refuse_unknown(texts, self.named_optimizers)
        named = set(map(optimizer_of, texts))
        texts += [str(Contender(name, BASELINE)) for name in self.named_optimizers if name not in named]
        families: dict[str, tuple[str, ...]] = {}
        for text in texts:
            listed = variants(text)
            optimizer, notation = contender_of(text)
            whole_text = str(Contender(optimizer, as_strategy(notation).text))
            families.setdefault(listed[0] if len(listed) == 1 else whole_text, listed)
        return families

    @property
    def variants(self) -> tuple[str, ...]:
        """All variants of all strategies."""
        return tuple(variant for variants in self.families.values() for variant in variants)

    @functools.cached_property
    def question(self) -> Question:
        """What the strategies are judged by."""
        if self.mode not in (None, "min", "max"):
            raise ComparisonError(
                "compare: ", Option("mode"), f" must be 'min' or 'max', got {self.mode!r}; choose one"
            )
        if self.mode is None and self.metric != "loss":
            raise ComparisonError(
                "compare: ",
                Option("mode"),
                f" must be given for the metric {self.metric!r}; write 'min' if small values are better, else 'max'",
            )
        choice_seeds = whole("compare", "choice_seeds", self.choice_seeds, least=1)
        seeds = whole("compare", "seeds", self.seeds, least=1)
        folds = self.folds
        if folds != 0 or isinstance(folds, bool):
            seeds = min(seeds, whole("compare", "folds", folds, least=2))  # each part is measured on once
        return Question(
            families=self.families,
            baseline=next(iter(self.families)),
            metric=self.metric,
            mode=self.mode or "min",
            margin=finite("compare", "margin", self.margin, least=0.0),
            choice_seeds=tuple(range(choice_seeds)),
            seeds=tuple(range(FIRST_FRESH_SEED, FIRST_FRESH_SEED + seeds)),
            target=None if self.target is None else finite("compare", "target", self.target),
            folds=folds,
            optimizers={name: optimizer.name for name, optimizer in self.named_optimizers.items()},
            fixed_rates={
                name: optimizer.rate for name, optimizer in self.named_optimizers.items() if optimizer.rate is not None
            },
        )

    @functools.cached_property
    def grid(self) -> tuple[float, ...] | None:
        """The rates to try, rising; None if a sweep is to find where they lie."""
        if self.rates is None:
            return None
        rates = _numbers("rates", self.rates, "numbers above 0", "give rates such as 0.01", most=math.inf)
        if not rates:
            raise ComparisonError("compare: ", Option("rates"), " must be numbers above 0, got none; give some")
        return rates

    @functools.cached_property
    def rung_shares(self) -> tuple[float, ...]:
        """The shares of a whole run that shorter runs have, rising."""
        return _numbers("rungs", self.rungs, "shares of a run between 0 and 1", "give 0.25", most=1.0)

    @functools.cached_property
    def limit(self) -> Budget | None:
        """What may be spent; None if that is not limited."""
        return read_budget(self.budget)

    def rung_lengths(self, steps: int) -> list[int]:
        """Return the lengths of the shorter runs, rising; those too short to be a training are left out."""
        lengths = {round(share * steps) for share in self.rung_shares}
        return sorted(length for length in lengths if 1 < length < steps)

    def _check_engine(self) -> None:
        if self.engine not in ENGINES:
            raise ComparisonError(
                "compare: ", Option("engine"), f" must be one of {', '.join(ENGINES)}, got {self.engine!r}; choose one"
            )
        if self.engine == "local" and self.address is not None:
            raise ComparisonError("compare: ", Option("address"), " is for the engine 'ray'; add that, or drop it")
        finite("compare", "gpus", self.gpus, least=0.0)
        if self.timeout is None:
            return
        if finite("compare", "timeout", self.timeout) <= 0:
            raise ComparisonError(
                "compare: ", Option("timeout"), f" must be above 0 seconds, got {self.timeout!r}; give more"
            )

    def check_metric(self, measured: Iterable[str]) -> None:
        """Refuse a metric that the task does not report."""
        measured = tuple(measured)
        if self.metric == "loss" and "loss" not in measured:
            raise ComparisonError(
                "compare: ",
                Option("metric"),
                f" must be given where no loss is reported, got none; it is one of {', '.join(measured)}",
            )
        if self.metric not in measured:
            raise ComparisonError(
                "compare: ",
                Option("metric"),
                f" must be one that the task reports, got {self.metric!r}; it reports {', '.join(measured)}",
            )

    def to_data(self) -> dict[str, Any]:
        """Return plain data, from which `from_data` makes the same options."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_data` wrote, also by way of JSON, which has no tuples."""
        options: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in data.items()
        }
        return cls(**options)


def check_length(option: str, given: int | str) -> None:
    """Refuse what is no length, whatever the training is."""
    if isinstance(given, int):
        whole("compare", option, given, least=1)
        return
    try:
        if not isinstance(given, str) or (option == "steps" and not given.strip().endswith("ep")):
            raise no_length(option, given)
        Horizon(1, steps_per_epoch=1, tokens_per_step=1, samples_per_step=1).resolve(given)
    except (ValueError, TypeError):
        raise no_length(option, given) from None


def no_length(option: str, given: int | str) -> ComparisonError:
    """Return the error for a length that cannot be read."""
    must, remedy = LENGTHS[option]
    return ComparisonError("compare: ", Option(option), f"{must}, got {given!r}; {remedy}")


def as_texts(strategies: Iterable[ScheduleLike]) -> tuple[str, ...]:
    """Return strategies as text, each as it was given if it was text."""
    if isinstance(strategies, str):
        raise ComparisonError(
            "compare: ", Option("strategies"), f" must be a list, got {strategies!r}; write [{strategies!r}]"
        )
    return tuple(as_text(strategy) for strategy in strategies)


def as_text(strategy: ScheduleLike) -> str:
    """Return a strategy as text."""
    return strategy if isinstance(strategy, str) else as_strategy(strategy, who="compare").text


def _numbers(option: str, given: Iterable[float], must: str, remedy: str, most: float) -> tuple[float, ...]:
    """Return numbers above 0 and below `most`, rising, each once."""
    try:
        numbers = sorted({finite("compare", option, number) for number in given})
    except OptionError:
        numbers = [0.0]
    if numbers and not 0.0 < numbers[0] <= numbers[-1] < most:
        raise ComparisonError("compare: ", Option(option), f" must be {must}, got {list(given)}; {remedy}")
    return tuple(numbers)
