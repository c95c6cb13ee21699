"""Which column of a log is the step, the rate and the loss, by the names that loggers and scripts give them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from ratesmith._checks import Option, OptionValueError
from ratesmith._text import hint

STEPS: Final = (
    *("trainer/global_step", "train/global_step", "global_step", "global step", "num_updates", "updates", "update"),
    *("optimizer_step", "optimizer_steps", "step", "steps", "train_step", "train/step", "iteration", "iterations"),
    *("iter", "iters", "it", "_step"),
)
"""Names of a step column, the one to be preferred first; compared in small letters."""
LOSS: Final = frozenset(
    {"loss", "nll", "bpb", "crossentropy", "crossentropyloss", "languagecrossentropy", "celoss", "lmloss", "trainloss"}
    | {"valloss", "evalloss"}
)
VALIDATION: Final = frozenset({"val", "valid", "validation", "eval", "evaluation", "dev", "valloss", "evalloss"})
TRAINING: Final = frozenset({"train", "training", "trainloss"})
PLAIN_WORDS: Final = (
    LOSS
    | VALIDATION
    | TRAINING
    | frozenset({"step", "lm", "ce", "mean", "avg", "average", "metrics", "value", "cross", "entropy"})
)
"""Words that say nothing further of a loss; any other makes it a second choice."""
OTHER: Final = frozenset(
    {"scale", "scaler", "aux", "auxiliary", "z", "balance", "balancing", "ema", "std", "min", "max", "test", "grad"}
    | {"reg", "kl", "weight"}
)
"""Words that make a column something else than the loss, or the rate, of the training."""
RATE: Final = re.compile(r"(^|[/_ .-])(lr|learning[_ -]?rate)s?([/_ .-]|$)")
NO_RATE: Final = re.compile(r"momentum|decay|(^|[/_ .-])(wd|min|max|base|scale|mult|betas?)([/_ .-]|$)")
MONITORED: Final = re.compile(r"^lr-([A-Za-z]\w*?)(-\d+)?(/(pg|group)\d+)?$")
"""A rate as Lightning and Composer name it, with the optimizer."""
EXPORTED: Final = re.compile(r"^.+? - ")
"""The run's name, which a Weights & Biases export puts before its metric."""
ROLES: Final = ("step", "lr", "loss")
Rank = tuple[int, int]
"""Whether a name says something further, and how long it is: the lowest is taken."""


class Columns(NamedTuple):
    """The names of a log's columns, by what they hold."""

    step: str
    lr: str | None
    training: str | None
    validation: str | None

    @property
    def optimizer(self) -> str | None:
        """The optimizer, if the rate's name tells it."""
        match = MONITORED.match(_bare(self.lr or ""))
        return match[1] if match else None


def choose_columns(names: Iterable[str], given: Mapping[str, str] | None = None) -> Columns:
    """Find the columns by their names, or take those `given` for "step", "lr" and "loss".

    Raises ValueError if one is missing, or several fit equally well, with the names that there are.

    >>> choose_columns(["epoch", "step", "lr-AdamW", "train_loss", "val_loss"])
    Columns(step='step', lr='lr-AdamW', training='train_loss', validation='val_loss')
    """
    names, given = list(names), dict(given or {})
    columns = _columns_of(names, given)
    if twice := [name for name in columns[:4] if name and names.count(name) > 1]:
        raise OptionValueError(f"read: a column must have a name of its own, got {twice[0]!r} twice; rename one")
    return columns


def _columns_of(names: list[str], given: Mapping[str, str]) -> Columns:
    for role, name in given.items():
        if role not in ROLES:
            raise OptionValueError(
                "read: ",
                Option("columns"),
                f" may name step, lr and loss, got {role!r}; {hint(role, ROLES, 'use these')}",
            )
        if name not in names:
            raise OptionValueError(f"read: it must have the column {name!r}, got {_listed(names)}; name one of them")
    if len(set(given.values())) < len(given):
        raise OptionValueError(
            f"read: step, lr and loss must be different columns, got {_listed(list(given.values()))}"
        )
    if not (step := given.get("step") or _step(names)):
        raise OptionValueError(
            f"read: a column must count the steps, got {_listed(names)}; name it as ", Option("columns={'step': ...}")
        )
    rate = given.get("lr") or _best("lr", names, _rate_rank, several=True)
    if "loss" in given:
        held = bool(VALIDATION & set(_words(given["loss"])))
        return Columns(step, rate, None if held else given["loss"], given["loss"] if held else None)
    validation = _best("loss", names, lambda name: _loss_rank(name, held_out=True))
    training = _best("loss", names, lambda name: _loss_rank(name, held_out=False), several=validation is not None)
    if not (validation or training):
        raise OptionValueError(
            f"read: a column must hold the loss, got {_listed(names)}; name it as ", Option("columns={'loss': ...}")
        )
    return Columns(step, rate, training, validation)


def _bare(name: str) -> str:
    return EXPORTED.sub("", name).strip()


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", _bare(name).lower())


def _step(names: list[str]) -> str | None:
    # Reversed, so that of names that differ in large letters alone the first is taken.
    small = {name.strip().lower(): name for name in reversed(names)}
    return next((small[name] for name in STEPS if name in small), None)


def _rate_rank(name: str) -> Rank | None:
    """Return how far a name is from that of a rate, None if it is none; the first of several groups is enough."""
    small = _bare(name).lower()
    if not RATE.search(small) or NO_RATE.search(small) or name.endswith(("__MIN", "__MAX")):
        return None
    return 0, len(small)


def _loss_rank(name: str, held_out: bool) -> Rank | None:
    """Return how far a name is from that of a loss, of validation or of training, None if it is none."""
    words = _words(name)
    unnamed = words == ["value"]  # a series saved from TensorBoard's page
    if not (unnamed or LOSS & set(words) or {"cross", "entropy"} <= set(words)) or OTHER & set(words):
        return None
    if bool(VALIDATION & set(words)) != held_out:
        return None
    return (0, len(words)) if PLAIN_WORDS.issuperset(words) else (1, 0)


def _best(role: str, names: list[str], rank: Callable[[str], Rank | None], several: bool = False) -> str | None:
    """Return the name of the lowest rank; of equal ones the first if `several` may be, else an error names them."""
    # An error is better than a guess between two losses; of rates of parameter groups any will do.
    ranks = {name: place for name in names if (place := rank(name)) is not None}
    if not ranks:
        return None
    best = [name for name, place in ranks.items() if place == min(ranks.values())]
    if len(best) > 1 and not several:
        raise OptionValueError(
            f"read: one column must hold the {role}, got {_listed(best)}; name one as ",
            Option(f"columns={{{role!r}: ...}}"),
        )
    return best[0]


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:12])
    return f"{shown} and {len(names) - 12} more" if len(names) > 12 else shown or "none"
