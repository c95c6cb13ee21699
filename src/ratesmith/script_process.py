"""A user's script as a process: started for one run, heard, answered and ended, whatever it does.

The script is started as its user starts it, in a session of its own, with the address of a socket in its environment:
see `ratesmith._script` for the other end. `messages` yields what it says; each message waits for its answer. Of several
processes, as a launcher starts them, the first one's reports count, and the others are told the same.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import secrets
import selectors
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from ratesmith._process_tree import death_with_parent, descendants
from ratesmith._script_channel import ADDRESS, RANKS
from ratesmith.task import ONE_THREAD, TaskError

END_SECONDS: Final = 10.0
"""How long a script that was told to stop may take to put its things in order."""
START_SECONDS: Final = 600.0
"""How long a script may take until it asks for its trial, and its first process until it reports as the others do."""
LAST_LINES: Final = 3
"""Lines of a script's output that an error shows."""
_TERMINAL: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[^\S\n]*[\x00-\x08\x0e-\x1f\x7f]")
"""Colours and other codes for a terminal."""


@dataclass(frozen=True)
class Script:
    """How a script is started: `launch` words, the file, and the arguments after it."""

    path: str
    arguments: tuple[str, ...] = ()
    launch: str = ""
    """A launcher's command, such as "torchrun --nproc-per-node 2"; this Python if there is none."""

    def command(self) -> list[str]:
        """Return the words of the command."""
        launcher = shlex.split(self.launch) if self.launch else [sys.executable]
        return [*launcher, self.path, *self.arguments]

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return Path(self.path).name


def is_script(reference: str) -> bool:
    """Whether a text names a script, and not a task in a file.

    >>> is_script("train.py"), is_script("digits.py:task")
    (True, False)
    """
    return reference.endswith(".py")


def no_report(metric: str) -> str:
    """Return, as a sentence's part, what a script must do that ended without a report."""
    return f"it ended without a report; call trial.report({metric}=..., step=...) whenever it measures"


def last_report(steps: int, step: int) -> str:
    """Return, as a sentence's part, what a script must do whose last report came too early."""
    return (
        f"the last report must come at step {steps}, got step {step}; train for trial.steps updates without "
        "early stopping, and report the number of updates made"
    )


class Ending(NamedTuple):
    """How a script or function ended."""

    how: str
    """As a sentence's part."""
    failed: bool
    died: bool = False
    """Whether a signal that nobody here has sent ended its process."""
    error: BaseException | None = None
    """What a function in this process has raised."""


class ScriptError(TaskError):
    """A script that does not do what a run needs; the message is one line for its author."""


class ScriptTimeout(Exception):  # noqa: N818  # what happened to a process
    """A script was stopped at its time limit."""


@dataclass
class _Peer:
    """One process of the script's that is connected."""

    connection: socket.socket
    received: bytes = b""
    rank: int = 0
    is_open: bool = True
    asked: int = 0
    """Messages of one kind that this process has sent so far, of those that all processes send alike."""


@dataclass(frozen=True)
class ScriptMessage:
    """What the script's first process says; `answer` must be called once, before the next message is asked for.

    `content["kind"]` is "hello", "report", "train", "checkpoint", "saved" or "end"; an answer's "do" is "go", "stop" or
    "save".
    """

    content: dict[str, Any]
    answer: Callable[[dict[str, Any]], None] = field(repr=False)


class ScriptProcess:
    """A running script. Use it in a with block: at its end the process and all that it has started are gone.

    `log` takes what the script prints. `limit` is the seconds that the run may take, from when it asks for its trial.
    """

    def __init__(
        self,
        script: Script,
        *,
        log: Path,
        limit: float | None = None,
        environment: Mapping[str, str] | None = None,
        folder: str | None = None,
    ) -> None:
        """Start the script; raise ScriptError if it cannot be started."""
        self.script, self.log, self._limit = script, log, limit
        self._token = secrets.token_hex(16)
        self._server = socket.create_server(("127.0.0.1", 0))
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._server, selectors.EVENT_READ)
        self._peers: list[_Peer] = []
        self._decisions: list[dict[str, Any]] = []
        self._waiting: list[tuple[_Peer, int]] = []
        self._waiting_since = 0.0
        self._hello: dict[str, Any] | None = None
        self._stopped_at: float | None = None
        self._has_reported = False
        """Whether the first process has."""
        self.greeted = False
        """Whether it has asked for its trial."""
        self._began = time.monotonic()
        # The driver may itself be, say, the third task of an array of jobs: its script is a first process all the same.
        inherited = {name: value for name, value in os.environ.items() if name not in RANKS or value == "0"}
        surroundings = {
            **dict.fromkeys(ONE_THREAD, "1"),
            **inherited,
            "PYTHONUNBUFFERED": "1",
            **(environment or {}),
            ADDRESS: f"{self._server.getsockname()[1]}:{self._token}",
        }
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with log.open("wb") as output:
                self._process = subprocess.Popen(  # noqa: S603  # the user's own script
                    script.command(),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=surroundings,
                    cwd=folder,
                    start_new_session=True,
                    # A launcher ends its ranks when it is asked to end; killed, it leaves them.
                    preexec_fn=death_with_parent(signal.SIGTERM if script.launch else signal.SIGKILL),
                )
        except OSError as error:
            self._close()
            raise ScriptError(
                f"{script.name}: it could not be started ({error}); see that the launcher is there"
            ) from None

    def __enter__(self) -> Self:
        """Use the process in a with block."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process, if it has not ended by itself, and all that it has started."""
        self.kill()
        self._close()

    def messages(self) -> Iterator[ScriptMessage]:
        """Yield what the script's first process says, until the script has ended.

        Raise ScriptTimeout if it takes longer than it may; a script that was told to stop is given a few seconds.
        """
        while True:
            message = self._next()
            if message is not None:
                yield message
            elif self._process.poll() is not None and not self._pending():
                return
            self._check_time()

    @property
    def status(self) -> int | None:
        """The exit status; None while it runs."""
        return self._process.poll()

    def ending(self) -> Ending:
        """Return how the script ended; raise ScriptError if it did so without asking for its trial."""
        status = self.status or 0
        if not self.greeted and not status:
            raise ScriptError(
                f"{self.script.name}: it ended without asking for its trial; write trial = ratesmith.get_trial(lr=..., "
                f"steps=...) in it, or name the task in the file: {self.script.path}:task"
            )
        return Ending(f"it {self.how_it_ended()}", failed=status != 0, died=status < 0)

    def last_lines(self) -> str:
        """Return the last lines of what it has printed, as one line."""
        with contextlib.suppress(OSError), self.log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
            text = _TERMINAL.sub("", file.read().decode("utf-8", "replace"))
            lines = [line for line in text.splitlines() if line.strip()]
            if "Traceback (most recent call last):" in lines:
                # What was raised stands below the calls, which are indented.
                calls = [place for place, line in enumerate(lines) if line.startswith("  ")]
                lines = lines[max(calls, default=-1) + 1 :] or lines
            return " | ".join(line.strip() for line in lines[-LAST_LINES:])
        return ""

    def how_it_ended(self) -> str:
        """Return, as a sentence's part, how the process ended, with the last thing that it printed."""
        status = self._process.poll()
        if status is not None and status < 0:
            try:
                name = signal.Signals(-status).name
            except ValueError:
                name = f"signal {-status}"
            how = f"was ended by {name}"
        else:
            how = f"ended with status {status}"
        lines = self.last_lines()
        return f"{how}; it last printed: {_shortened(lines)}" if lines else f"{how}, and printed nothing"

    def kill(self) -> None:
        """End the process and all that it has started, at once."""
        # Launchers start each rank in a session of its own, which no signal to a group reaches. A process that has
        # ended has none: its number may be another's by now.
        started = descendants(self._process.pid) if self._process.poll() is None else []
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        for pid in started:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)

    # Reading

    def _next(self) -> ScriptMessage | None:
        """Return the first process's next message if there is one within a moment."""
        for key, _ in self._selector.select(timeout=0.2):
            if key.fileobj is self._server:
                connection, _ = self._server.accept()
                peer = _Peer(connection)
                self._peers.append(peer)
                self._selector.register(connection, selectors.EVENT_READ, peer)
                continue
            peer = key.data
            try:
                received = peer.connection.recv(1 << 16)
            except OSError:
                received = b""
            if not received:
                self._selector.unregister(peer.connection)
                peer.is_open = False
                continue
            peer.received += received
        for peer in self._peers:
            while b"\n" in peer.received:
                line, _, peer.received = peer.received.partition(b"\n")
                message = self._read(peer, line)
                if message is not None:
                    return message
        return None

    def _read(self, peer: _Peer, line: bytes) -> ScriptMessage | None:
        try:
            content = json.loads(line)
        except ValueError:
            return None
        if not isinstance(content, dict) or content.pop("token", None) != self._token:
            return None  # from somebody else on this machine
        peer.rank = content.get("rank", 0)
        if content["kind"] == "hello" and self._hello is not None:
            self._send(peer, self._hello)  # a further process of the same run
            return None
        if content["kind"] == "hello":
            self.greeted, self._began = True, time.monotonic()
            return ScriptMessage(content, functools.partial(self._greet, peer))
        if peer.rank:
            self._follow(peer)
            return None
        self._has_reported = self._has_reported or content["kind"] in ("report", "train")
        return ScriptMessage(content, functools.partial(self._decide, peer))

    def _follow(self, peer: _Peer) -> None:
        """Answer a process that is not the first as the first was answered at the same place."""
        place, peer.asked = peer.asked, peer.asked + 1
        if place < len(self._decisions):
            # In step with the first: processes that train together meet at each update.
            self._send(peer, self._decisions[place])
        elif self._stopped_at is not None:
            self._send(peer, self._decisions[-1])
        else:
            if not self._waiting:
                self._waiting_since = time.monotonic()
            self._waiting.append((peer, place))

    def _greet(self, peer: _Peer, answer: dict[str, Any]) -> None:
        """Answer the first hello; further ones get the same."""
        self._hello = answer
        if answer["do"] == "stop":
            self._stopped_at = time.monotonic()
        self._send(peer, answer)

    def _decide(self, peer: _Peer, answer: dict[str, Any]) -> None:
        """Answer the first process's last message, and the others that have come as far."""
        if answer["do"] == "stop" and self._stopped_at is None:
            self._stopped_at = time.monotonic()
        self._decisions.append(answer)
        self._send(peer, answer)
        if answer["do"] == "stop":  # every process hears it at the next thing that it says
            waiting, self._waiting = self._waiting, []
            for other, _ in waiting:
                self._send(other, answer)
            return
        for other, place in list(self._waiting):
            if place < len(self._decisions):
                self._waiting.remove((other, place))
                self._send(other, self._decisions[place])

    def _send(self, peer: _Peer, answer: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):  # it has ended, which is seen by its status
            peer.connection.sendall((json.dumps(answer) + "\n").encode())

    def _pending(self) -> bool:
        """Whether something that it said before its end has not been read yet."""
        return any(b"\n" in peer.received for peer in self._peers) or any(
            key.fileobj is not self._server for key, _ in self._selector.select(timeout=0)
        )

    # Time

    def _check_time(self) -> None:
        now = time.monotonic()
        if self._stopped_at is not None and now - self._stopped_at > END_SECONDS:
            self.kill()
            return
        self._see_to_waiting(now)
        limit = self._limit if self.greeted else (self._limit or 0.0) + START_SECONDS
        if limit is not None and now - self._began > limit:
            self.kill()
            if not self.greeted:
                raise ScriptTimeout(f"stopped after {limit:g} seconds: it had not come to get_trial by then")
            raise ScriptTimeout(f"stopped after {limit:g} seconds, the time limit of a trial")

    def _see_to_waiting(self, now: float) -> None:
        """Let nobody wait for what the first process never says: it has ended, or the others have waited too long."""
        gone = not any(peer.is_open and not peer.rank for peer in self._peers)
        if self._waiting and self._has_reported and gone:
            waiting, self._waiting = self._waiting, []
            for peer, _ in waiting:
                self._send(peer, {"do": "go"})
        # If it has reported before, it may be measuring while the others wait.
        if self._waiting and not self._has_reported and (gone or now - self._waiting_since > START_SECONDS):
            self.kill()
            raise ScriptError(
                f"{self.script.name}: the first process must report, got reports of others alone; call trial.report in "
                "the process of rank 0 too"
            )

    def _close(self) -> None:
        for peer in self._peers:
            peer.connection.close()
        self._selector.close()
        self._server.close()


def has_risen(first: float, last: float) -> bool:
    """Whether a training loss has more than doubled, or is no number: a script that then gives up has diverged.

    >>> has_risen(2.3, 2.9), has_risen(2.3, 5.0), has_risen(2.3, float("nan"))
    (False, True, True)
    """
    return not last <= first + max(1.0, abs(first))


def _shortened(text: str) -> str:
    """Return text as one short line."""
    line = " ".join(text.split())
    return line if len(line) <= 400 else f"... {line[-400:]}"
