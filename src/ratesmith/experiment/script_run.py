"""One run of a user's own script or function, from its start to its end, with somebody who answers it."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Protocol

from ratesmith._random_states import preserve_rng_state, seed_all
from ratesmith._script import ActiveTrial, TrialStopped
from ratesmith.experiment.branch_trainer import Part
from ratesmith.experiment.script_source import FunctionSource, OwnTraining
from ratesmith.script_process import Ending, ScriptProcess


class Listener(Protocol):
    """Who answers a script."""

    def hear(self, content: dict[str, Any]) -> dict[str, Any]:
        """Take in a message, and return the answer."""

    def taken(self) -> Iterator[Part]:
        """Yield what came of the messages since the last call."""


def carried_out(
    source: OwnTraining, listener: Listener, log: Path, limit: float | None
) -> Generator[Part, None, Ending]:
    """Have a script or function train one run; yield what comes of its messages, and return how it ended."""
    if isinstance(source, FunctionSource):
        return (yield from _called(source, listener))
    with ScriptProcess(source, log=log, limit=limit) as process:
        for message in process.messages():
            message.answer(listener.hear(message.content))
            yield from listener.taken()
        return process.ending()


class _Direct:
    """The channel of a function that is called in this process."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        return self._listener.hear(message)


def _called(source: FunctionSource, listener: Listener) -> Generator[Part, None, Ending]:
    channel = _Direct(listener)
    trial = None
    answer = channel.ask({"kind": "hello", "asked": source.asked})
    ending = Ending("it returned", failed=False)
    with preserve_rng_state():
        seed_all(answer["trial"]["seed"])
        try:
            trial = ActiveTrial(**answer["trial"], channel=channel)
            source.function(trial)
        except TrialStopped:
            pass
        except (Exception, SystemExit) as error:
            ending = Ending(source.error_text(error), failed=True, error=error)
    if trial is not None:
        trial.end()
    yield from listener.taken()
    return ending
