"""Strategy: a recipe or controller with its options that waits for a horizon, and whatever stands for one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from ratesmith._checks import options_of
from ratesmith._display import Displayed
from ratesmith._field_checks import derive
from ratesmith.controllers import Adaptive, Controller
from ratesmith.horizon import Horizon
from ratesmith.schedule import Schedule
from ratesmith.strategy import choices
from ratesmith.strategy.build import CURVES, build
from ratesmith.strategy.nodes import Call, Node, Value, calls, walk
from ratesmith.strategy.parser import read, refuse_long
from ratesmith.strategy.printer import text_of
from ratesmith.strategy.registry import Functions, listens, parameters

LONGEST_WRITTEN: Final = 4096
"""Characters of a text that somebody writes, which `parse` reads; what was saved may be longer."""
PLOTTED: Final = 1000
"""Steps that a strategy is drawn over if nobody says how long training is."""
NO_FUNCTIONS: Final[Functions] = MappingProxyType({})


@dataclass(frozen=True)
class Strategy(Displayed):
    """A recipe or controller with its options, waiting for a horizon; `text` is its notation, `root` its tree.

    >>> strategy = parse('warmup("5%")>>cosine(final = 1e-1)')
    >>> print(strategy)
    warmup("5%") >> cosine(final=0.1)
    >>> schedule = strategy.build(Horizon(200))
    >>> print(schedule)
    Ramp(0.0, 1.0, 10) >> Ramp(1.0, 0.1, 190, shape="cosine")
    >>> parse(str(schedule)).build() == schedule
    True
    """

    text: str
    root: Node = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Read the text, and keep it in its one canonical form."""
        object.__setattr__(self, "root", read(self.text))
        object.__setattr__(self, "text", text_of(self.root))

    def __str__(self) -> str:
        """Return the notation."""
        return self.text

    def build(self, horizon: Horizon | int | None = None, functions: Functions = NO_FUNCTIONS) -> Controller[Any]:
        """Return the schedule or controller for one horizon; `functions` are those that `custom("name")` may name.

        A text whose lengths are all steps, as of `step(30)` and `str(schedule)`, needs no horizon. Raise NotationError
        if an option cannot hold.
        """
        training = None if horizon is None else Horizon.of(horizon)
        built = build(self.root, training, functions)
        if training is not None and isinstance(built, (Schedule, Adaptive)):
            derive(built, _horizon=training, _notation=self.text)
        return built

    def plot(self, ax: Any = None, horizon: Horizon | int = PLOTTED) -> Any:
        """Return a picture of its schedule over a horizon, as `Schedule.plot` does; of a controller, on an example."""
        built: Any = self.build(horizon)
        return built.plot(ax)

    def variants(self) -> Iterator[Strategy]:
        """Return the strategies that listed options stand for, one by one, some perhaps twice; without any, itself.

        >>> [str(each) for each in parse("step(every=[5, 9])").variants()]
        ['step(every=5)', 'step(every=9)']
        """
        return (Strategy(text_of(root)) for root in choices.variants(self.root))

    def controllers(self) -> tuple[Call, ...]:
        """Return the controllers in it, which listen to measurements, in the order of the text.

        >>> [call.name for call in parse("cosine() * Plateau() * greedy()").controllers()]
        ['Plateau', 'greedy']
        """
        return tuple(call for call in calls(self.root) if listens(call.name))

    def metrics(self) -> tuple[str, ...]:
        """Return the names of the measurements that its controllers listen to, sorted.

        >>> parse('plateau(metric="f1") * greedy()').metrics()
        ('f1', 'loss')
        """
        return tuple(sorted({name for call in self.controllers() for name in _texts(call, "metric")}))

    def functions(self) -> tuple[str, ...]:
        """Return the names of the functions that it needs, as rules and as curves of ramps, sorted.

        >>> parse('warmup(5, shape="mine") >> custom(function="halving")').functions()
        ('halving', 'mine')
        """
        rules = {name for call in calls(self.root) for name in _texts(call, "function")}
        curves = {name for call in calls(self.root) for name in _texts(call, "shape") if name not in CURVES}
        return tuple(sorted(rules | curves))


def parse(text: str) -> Strategy:
    """Read notation of at most 4 KiB, such as `step(every="30%", gamma=0.1)`; `parse(str(strategy)) == strategy`.

    Raise NotationError, which is a ValueError, with a line that names the mistake, and a caret under its place.
    """
    refuse_long(text, LONGEST_WRITTEN)
    return Strategy(text)


ScheduleLike: TypeAlias = Schedule | Adaptive[Any] | Strategy | str
"""What every verb takes for a schedule: a schedule or controller, a strategy that waits for a horizon, or its text."""


def is_schedule(given: Any) -> bool:
    """Whether something is what `as_schedule` takes."""
    return isinstance(given, (Schedule, Adaptive, Strategy, str))


def as_schedule(
    given: ScheduleLike,
    horizon: Horizon | int | None = None,
    functions: Functions = NO_FUNCTIONS,
    *,
    who: str = "Strategy",
) -> Controller[Any]:
    """Return the schedule or controller that is given, or that a strategy or its text gives for a horizon.

    Raise NotationError for a text that is none and an option that cannot hold, TypeError, in the name of `who` asks,
    for anything else.

    >>> print(as_schedule("cosine()", 100), as_schedule(parse("linear()"), 50))
    Ramp(1.0, 0.0, 100, shape="cosine") Ramp(1.0, 0.0, 50)
    """
    if isinstance(given, (Strategy, str)):
        with options_of(who, steps="horizon"):  # the caller's option is a number, or a Horizon that is made already
            horizon = None if horizon is None else Horizon.of(horizon)
        return as_strategy(given).build(horizon, functions)
    if not is_schedule(given):
        raise TypeError(f"{who}: a schedule, controller or notation must be given, got {given!r}; give one")
    return given


def as_strategy(given: ScheduleLike, *, who: str = "Strategy") -> Strategy:
    """Return the strategy that is given, as such, as text or as the value that it is the text of; raise as above.

    >>> from ratesmith import Plateau
    >>> print(as_strategy(0.5 * Plateau(patience=2)))
    Constant(factor=0.5) * Plateau(patience=2)
    """
    if isinstance(given, Strategy):
        return given
    if not is_schedule(given):
        raise TypeError(f"{who}: a schedule, controller or notation must be given, got {given!r}; give one")
    return Strategy(str(given))


def _texts(call: Call, option: str) -> Iterator[str]:
    """Return the texts that a call has for an option, several if it is a choice; its default if it is not given."""
    given = next((each.value for each in call.options if each.name == option), None)
    if given is None:
        default = next((each.default for each in parameters(call.name) if each.name == option), None)
        given = Value(default) if isinstance(default, str) else None
    nodes = () if given is None else walk(given)
    return (node.value for node in nodes if isinstance(node, Value) and isinstance(node.value, str))
