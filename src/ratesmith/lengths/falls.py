"""How long the decay of one call in a notation takes, and the same call with its numbers as epochs or shares.

Only what was given in plain numbers counts: "3ep" and "30%" mean what they say. Curves without a length, as a cosine,
fill the training, and warm-ups are no decays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from ratesmith.strategy.nodes import Call, GivenOption, ListOf, Node, Value
from ratesmith.strategy.registry import parameters

Settings = Mapping[str, Any]
"""The options of a call by name, with the defaults of those that were left out; a call among them stays a node."""

RECIPE_OF: Final = MappingProxyType(
    {
        "Staircase": "step",
        "Milestones": "multistep",
        "Exponential": "exponential",
        "InverseTime": "inverse_time",
        "Ramp": "ramp",
        "Custom": "custom",
        "Hold": "hold",
        "Stretch": "stretch",
    }
)
"""The recipes whose values these are: they take epochs and shares too."""
OPTION_OF: Final = MappingProxyType(
    {("Milestones", "at"): "milestones", ("Ramp", "steps"): "length", ("Stretch", "steps"): "length"}
)
"""What an option of a value is called in its recipe."""
SHARES: Final = MappingProxyType({"step": "30%", "sgdr": "25%", "ramp": "50%", "stretch": "50%"})
"""What to write for a share of the training, where 10 % would be odd."""
LAST: Final = 80
"""Where the last of several milestones lies if they are written as shares, in percent."""


class Fall(NamedTuple):
    """A decay whose length was given in plain numbers."""

    steps: float
    """How long it takes: until it has halved, or until its next drop if that is later."""
    does: str
    """What it does in how many updates, as "drops every 3"."""
    options: tuple[str, ...]
    """The options that hold the numbers."""
    largest: int
    """The largest of the numbers."""
    repeats: bool = False
    """Whether it comes back, as a cycle does: many short ones may be meant."""
    gone: float = 0
    """How long it takes to a hundredth, if it falls ever more slowly."""


def settings_of(call: Call) -> Settings:
    """Return the options of a call, those left out by their defaults.

    >>> dict(settings_of(Call("exponential", (GivenOption("gamma", Value(0.9)),))))
    {'every': 1, 'gamma': 0.9}
    """
    defaults = {option.name: option.default for option in parameters(call.name) if option.default is not option.empty}
    return {**defaults, **{option.name: _plain(option.value) for option in call.options}}


def fall_of(call: Call) -> Fall | None:
    """Return the decay of a call, if it has one whose length was given in plain numbers.

    >>> fall_of(Call("step", (GivenOption("every", Value(3)),)))
    Fall(steps=3.0, does='drops every 3', options=('every',), largest=3, repeats=False, gone=0)
    """
    name = RECIPE_OF.get(call.name, call.name)
    return FALLS[name](settings_of(call)) if name in FALLS else None


def counts_epochs(call: Call, fall: Fall, each: int | None) -> bool:
    """Whether its plain numbers are whole epochs of `each` updates, so that updates were meant."""
    given = settings_of(call)
    numbers = [number for name in fall.options for number in _numbers(given[name])]
    return each is not None and all(number % each == 0 for number in numbers)


def in_epochs(call: Call, fall: Fall) -> Call:
    """Return the same call with its numbers as epochs."""
    return _rewritten(call, fall, lambda number: f"{number}ep")


def in_shares(call: Call, fall: Fall) -> Call | None:
    """Return the same call with shares of the training for its numbers; None if none would be the same."""
    name = RECIPE_OF.get(call.name, call.name)
    if name in ("custom", "hold"):
        return None
    if name in ("multistep", "piecewise_constant", "piecewise_linear"):
        return _rewritten(call, fall, lambda number: f"{round(LAST * number / fall.largest)}%")
    return _rewritten(call, fall, lambda number: SHARES.get(name, "10%"), warmup="5%")


def _rewritten(call: Call, fall: Fall, written: Callable[[int], str], warmup: str = "") -> Call:
    """Return the call of the recipe, with other texts for the numbers; `warmup` for that of a cycle, if it differs."""

    def changed(node: Node, option: str) -> Node:
        if isinstance(node, ListOf):
            return ListOf(tuple(changed(item, option) for item in node.items))
        number = _whole(node.value) if isinstance(node, Value) else None
        if not number:  # a length of 0 stays one
            return node
        return Value(warmup if warmup and option == "warmup" else written(number))

    options = [
        replace(option, value=changed(option.value, option.name) if option.name in fall.options else option.value)
        for option in call.options
    ]
    given = {option.name for option in call.options}
    left_out = (name for name in fall.options if name not in given)
    options += [GivenOption(name, changed(Value(settings_of(call)[name]), name)) for name in left_out]
    return as_recipe(Call(call.name, tuple(options)))


def as_recipe(call: Call) -> Call:
    """Return the call of the recipe that makes such a value, which takes epochs and shares; of a recipe, itself."""
    if call.name not in RECIPE_OF:
        return call
    recipe, options = RECIPE_OF[call.name], []
    named = {option.name for option in parameters(recipe) if option.kind is option.KEYWORD_ONLY}
    for option in call.options:
        if option.name != "stairs":  # of a value, whose recipe works it out
            name = OPTION_OF.get((call.name, option.name), option.name)
            options.append(GivenOption(name, option.value, option.by_place and name not in named))
    return Call(recipe, tuple(options))


def _step(given: Settings) -> Fall | None:
    every, gamma = _whole(given["every"]), given["gamma"]
    if not every or not gamma < 1:
        return None
    length = every / given.get("stairs", 1)
    halves = length * _halvings(gamma)
    does = f"drops every {_number(length)}" if length >= halves else f"halves every {_number(halves)}"
    return Fall(max(length, halves), does, ("every",), every)


def _milestones(given: Settings) -> Fall | None:
    [option] = [name for name in ("milestones", "at") if name in given]
    last = _whole(given[option][-1]) if given[option] else None
    falls = given["gamma"] < 1 if "gamma" in given else given["factors"][-1] < max(given["factors"])
    return Fall(last, f"has its last change after {last:,}", (option,), last) if last and falls else None


def _exponential(given: Settings) -> Fall | None:
    every = _whole(given["every"])
    share = given["gamma"] if "gamma" in given else math.exp(-given["rate"])
    if not every or not 0 < share < 1:
        return None
    halves = max(every, every * _halvings(share))
    return Fall(halves, f"halves in {_number(halves)}", ("every",), every)


def _inverse_time(given: Settings) -> Fall | None:
    """It falls ever more slowly, so that no time to a half says how soon it is over."""
    every, rate = _whole(given["every"]), given["rate"]
    if not every or not rate > 0:
        return None
    tenth = 9 * every / rate
    return Fall(tenth, f"is at a tenth after {_number(tenth)}", ("every",), every, gone=99 * every / rate)


def _ramp(given: Settings) -> Fall | None:
    option = "length" if "length" in given else "steps"
    length = _whole(given[option])
    if not length or not given["start"] > given["end"]:
        return None
    return Fall(length, f"is over after {length:,}", (option,), length)


def _stretch(given: Settings) -> Fall | None:
    option = "length" if "length" in given else "steps"
    length = _whole(given[option])
    return Fall(length, f"is over after {length:,}", (option,), length) if length else None


def _sgdr(given: Settings) -> Fall | None:
    first, height = _whole(given["first"]), given["height"]
    if not first or given["growth"] != 1:
        return None
    options = ("first", "warmup") if _whole(given["warmup"]) else ("first",)
    if 0 < height < 1:
        halves = max(first, first * _halvings(height))
        return Fall(halves, f"halves its cycles in {_number(halves)}", options, first)
    return Fall(first, f"has cycles of {first:,}", options, first, repeats=True)


def _cyclic(given: Settings) -> Fall | None:
    up, down = given["up"], given["down"] if given["down"] is not None else given["up"]
    if _whole(up) is None or _whole(down) is None:
        return None
    options = ("up",) if given["down"] is None else ("up", "down")
    cycle = up + down
    if given["mode"] == "triangular2":
        return Fall(cycle, f"halves its cycles in {cycle:,}", options, max(up, down), repeats=True)
    return Fall(cycle, f"has cycles of {cycle:,}", options, max(up, down), repeats=True)


def _custom(given: Settings) -> Fall | None:
    """How fast a rule of the user's falls is for its curve to show."""
    every = _whole(given["every"])
    return Fall(math.inf, "", ("every",), every) if every else None


def _hold(given: Settings) -> Fall | None:
    """To hold for an update is to do nothing."""
    return Fall(0, "holds for 1", ("every",), 1) if given["every"] == 1 else None


FALLS: Final[Mapping[str, Callable[[Settings], Fall | None]]] = MappingProxyType(
    {
        "step": _step,
        "multistep": _milestones,
        "piecewise_constant": _milestones,
        "piecewise_linear": _milestones,
        "exponential": _exponential,
        "natural_exponential": _exponential,
        "inverse_time": _inverse_time,
        "ramp": _ramp,
        "stretch": _stretch,
        "sgdr": _sgdr,
        "cyclic": _cyclic,
        "custom": _custom,
        "hold": _hold,
    }
)
"""What each name's decay is. The others fill the training, or fall by a warm-up's own pace, as `inverse_sqrt`."""


def _halvings(share: float) -> float:
    """Return how often something must fall to this share of itself until it has halved."""
    return math.log(2) / -math.log(share)


def _number(steps: float) -> str:
    return f"{steps:,.0f}" if steps >= 10 or steps == int(steps) else f"{steps:.2g}"


def _numbers(given: Any) -> list[int]:
    """Return the whole numbers that were given for an option."""
    return [number for number in (given if isinstance(given, list) else [given]) if _whole(number) is not None]


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _plain(node: Node) -> Any:
    if isinstance(node, ListOf):
        return [_plain(item) for item in node.items]
    return node.value if isinstance(node, Value) else node
