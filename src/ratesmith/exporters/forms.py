"""The forms in which a strategy can be said, and which of them say it exactly."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from ratesmith._checks import Option, OptionValueError
from ratesmith.exporters.functions import python
from ratesmith.exporters.keras import keras
from ratesmith.exporters.optax import optax
from ratesmith.exporters.scheduler import ratesmith
from ratesmith.exporters.source import Source
from ratesmith.exporters.torch import lightning, torch
from ratesmith.exporters.transformers import transformers
from ratesmith.exporters.writer import NotExactError
from ratesmith.horizon import Horizon
from ratesmith.strategy import ScheduleLike

FORMS: Final[Mapping[str, Callable[[Source], str]]] = MappingProxyType(
    {
        "ratesmith": ratesmith,
        "python": python,
        "torch": torch,
        "lightning": lightning,
        "transformers": transformers,
        "optax": optax,
        "keras": keras,
    }
)
"""Every form, by its name; all but the first are without Ratesmith."""


def code(strategy: ScheduleLike, base_lr: float, horizon: Horizon | int, form: str = "python") -> str:
    """Return a strategy with its initial rate as code in one form: to paste, without Ratesmith if so wanted.

    The rates are the same at every step: to 1e-12 of the largest for `python`, and to what the framework rounds for
    the others. `base_lr` is the initial rate, `horizon` the length of training. Raise ValueError for a form that does
    not say this strategy exactly; the message names those that do.

    >>> print(code("linear()", 0.1, 100))
    def learning_rate(step):
        \"""Return the learning rate for the update after `step` others.\"""
        return 0.1 * (1 - min(step, 100) / 100)
    """
    source = Source.of(strategy, base_lr, horizon)
    must = f" must be the name of a form, got {form!r}"
    if form in FORMS:
        try:
            return FORMS[form](source)
        except NotExactError as error:
            must = f" must be a form that says this schedule exactly, got {form!r} ({error})"
    raise OptionValueError("code: ", Option("form"), f"{must}; choose one of {', '.join(_exact(source))}")


def forms(strategy: ScheduleLike, horizon: Horizon | int, base_lr: float = 1.0) -> tuple[str, ...]:
    """Return the names of the forms that say a strategy exactly.

    >>> forms("rex()", 100), forms('custom("mine")', 100)
    (('ratesmith', 'python', 'torch', 'lightning', 'optax'), ('ratesmith',))
    """
    return tuple(_exact(Source.of(strategy, base_lr, horizon)))


def _exact(source: Source) -> dict[str, str]:
    """Return the code in every form that says it exactly, by form."""
    codes = {}
    for form, write in FORMS.items():
        try:
            codes[form] = write(source)
        except NotExactError:
            continue
    return codes
