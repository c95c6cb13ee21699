"""A strategy as the scheduler of Ratesmith itself: every strategy has this form."""

from __future__ import annotations

import json
import keyword

from ratesmith.exporters.source import Source


def ratesmith(source: Source) -> str:
    """Return the lines with ScheduleLR. It counts the optimizer's updates, so `step()` may be called anywhere."""
    strategy = source.strategy
    functions = ", ".join(f"{name!r}: {identifier(name, 'your_function')}" for name in strategy.functions())
    given = f", functions={{{functions}}}" if functions else ""
    when = "its updates are counted, wherever scheduler.step() is called"
    if strategy.controllers():
        names = sorted({"loss", *strategy.metrics()})
        metrics = ", ".join(f"{json.dumps(name)}: {identifier('validation_' + name, 'measured')}" for name in names)
        when = f"after every measurement: scheduler.step(metrics={{{metrics}}})"
    options = f"horizon={_horizon(source)}{given}, count_updates=True"
    return "\n".join(
        [
            "from ratesmith import Horizon",
            "from ratesmith.torch import ScheduleLR",
            f"# make the optimizer with lr={source.base_lr!r}; {when}",
            f"scheduler = ScheduleLR(optimizer, {strategy.text!r}, {options})",
        ]
    )


def identifier(name: str, otherwise: str) -> str:
    """Return a name that is one in Python too, or else another in its place: a text of the user's is never code.

    >>> identifier("validation_f1", "measured"), identifier("os.abort()", "your_function")
    ('validation_f1', 'your_function')
    """
    return name if name.isidentifier() and name.isascii() and not keyword.iskeyword(name) else otherwise


def _horizon(source: Source) -> str:
    horizon = source.horizon
    options = {"steps": horizon.steps, "steps_per_epoch": horizon.steps_per_epoch}
    for name in ("tokens_per_step", "samples_per_step"):
        if getattr(horizon, name) is not None:
            options[name] = getattr(horizon, name)
    return f"Horizon({', '.join(f'{name}={value!r}' for name, value in options.items())})"
