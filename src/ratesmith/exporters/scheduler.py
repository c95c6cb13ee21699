"""A strategy as the scheduler of Ratesmith itself: every strategy has this form."""

from __future__ import annotations

import json
import keyword

from ratesmith.exporters.source import Source
from ratesmith.schedule import Constant, Schedule


def ratesmith(source: Source) -> str:
    """Return the lines with ScheduleLR. It counts the optimizer's updates, so `step()` may be called anywhere.

    A constant rate needs no scheduler.
    """
    if line := constant_rate(source):
        return line
    strategy = source.strategy
    given = _functions(source)
    when = "its updates are counted, wherever scheduler.step() is called"
    if strategy.controllers():
        when = f"after every measurement: scheduler.step(metrics={_metrics(source)})"
    options = f"horizon={_horizon(source)}{given}, count_updates=True"
    return "\n".join(
        [
            "from ratesmith import Horizon",
            "from ratesmith.torch import ScheduleLR",
            f"# make the optimizer with lr={source.base_lr!r}; {when}",
            f"scheduler = ScheduleLR(optimizer, {strategy.text!r}, {options})",
        ]
    )


def without_framework(source: Source) -> str:
    """Return the lines that give the rate of each update in any framework, with Ratesmith's core alone."""
    if line := constant_rate(source):
        return line
    built = f"parse({source.strategy.text!r}).build({_horizon(source)}{_functions(source)})"
    start = "from ratesmith import Horizon, parse\n\n"
    if source.strategy.controllers():
        return (
            f"{start}controller = {built}\nstate = controller.init()\n"
            f"# for the update after `step` others: lr = {source.base_lr!r} * controller.value(state, step)\n"
            f"# after every measurement: state = controller.observe(state, step, {_metrics(source)})"
        )
    return (
        f"{start}schedule = {built}\n\n\ndef learning_rate(step):\n"
        f'    """Return the learning rate for the update after `step` others."""\n'
        f"    return {source.base_lr!r} * schedule(step)"
    )


def constant_rate(source: Source) -> str:
    """Return the one line that a constant rate needs; "" if the rate changes."""
    if not isinstance(source.built, Schedule):
        return ""
    schedule, rate = source.without_scale()
    if not isinstance(schedule, Constant):
        return ""
    return f"lr = {rate * schedule.factor!r}  # make the optimizer with it; it stays as it is"


def identifier(name: str, otherwise: str) -> str:
    """Return a name that is one in Python too, or else another in its place: a text of the user's is never code.

    >>> identifier("validation_f1", "measured"), identifier("os.abort()", "your_function")
    ('validation_f1', 'your_function')
    """
    return name if name.isidentifier() and name.isascii() and not keyword.iskeyword(name) else otherwise


def _functions(source: Source) -> str:
    names = ", ".join(f"{name!r}: {identifier(name, 'your_function')}" for name in source.strategy.functions())
    return f", functions={{{names}}}" if names else ""


def _metrics(source: Source) -> str:
    names = sorted({"loss", *source.strategy.metrics()})
    metrics = ", ".join(f"{json.dumps(name)}: {identifier('validation_' + name, 'measured')}" for name in names)
    return f"{{{metrics}}}"


def _horizon(source: Source) -> str:
    horizon = source.horizon
    options = {"steps": horizon.steps, "steps_per_epoch": horizon.steps_per_epoch}
    for name in ("tokens_per_step", "samples_per_step"):
        if getattr(horizon, name) is not None:
            options[name] = getattr(horizon, name)
    return f"Horizon({', '.join(f'{name}={value!r}' for name, value in options.items())})"
