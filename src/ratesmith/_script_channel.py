"""The script's end of the line to whoever has started it: messages as lines of JSON, and states as files.

A thread reads the answers. If the line breaks, whoever started the script is gone, and the script ends.
"""

from __future__ import annotations

import json
import os
import queue
import socket
import sys
import threading
from pathlib import Path
from typing import Any, Final, NoReturn, Protocol

ADDRESS: Final = "RATESMITH_TRIAL"
"""The variable with the address that a script reports to, as `port:token`."""
CONNECT_SECONDS: Final = 30.0
RANKS: Final = ("RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID")
"""Where launchers say which of several processes this one is."""


class Channel(Protocol):
    """Where a trial's messages go; each is answered."""

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a message and return the answer."""


class Connection:
    """The connection to whoever has started this process; a thread reads it, and ends the process if it breaks."""

    def __init__(self, address: str) -> None:
        """Connect, or end the script if nobody is there."""
        self._address = address
        self._connect()

    def _connect(self) -> None:
        port, _, token = self._address.partition(":")
        try:
            self._socket = socket.create_connection(("127.0.0.1", int(port)), CONNECT_SECONDS)
        except (OSError, ValueError):
            raise SystemExit(
                f"ratesmith: what has started this script is gone, so it ends here; by hand, unset {ADDRESS} first"
            ) from None
        self._socket.settimeout(None)
        self._answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._token, self._process, self._lock = token, os.getpid(), threading.Lock()
        threading.Thread(target=self._read, daemon=True, name="ratesmith").start()

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a line and wait for the answer's."""
        if os.getpid() != self._process:
            self._connect()  # this process was forked: the parent's thread would read its answers
        line = json.dumps({"token": self._token, **message}) + "\n"
        with self._lock:  # each thread gets the answer to its own message
            try:
                self._socket.sendall(line.encode())
            except OSError:
                _leave()
            return self._answers.get()

    def _read(self) -> None:
        try:
            for line in self._socket.makefile("r", encoding="utf-8"):
                self._answers.put(json.loads(line))
        except (OSError, ValueError):
            pass
        # It is kept open as long as this process lives: somebody who is gone can use nothing of what comes now.
        _leave()


def _leave() -> NoReturn:
    os._exit(1)


def write_state(state: dict[str, Any], path: Path) -> None:
    """Write a state: by PyTorch if it is in use, else as JSON."""
    if torch := sys.modules.get("torch"):
        torch.save(state, path)
    else:
        path.write_text(json.dumps(state), encoding="utf-8")


def read_state(path: str) -> dict[str, Any]:
    """Read a state as data alone: nothing in a file is run."""
    state: dict[str, Any]
    if torch := sys.modules.get("torch"):
        state = torch.load(path, weights_only=True, map_location="cpu")
    else:
        state = json.loads(Path(path).read_text(encoding="utf-8"))
    return state


def rank_here() -> int:
    """Return which of several processes this is, as PyTorch or the launcher has it."""
    torch: Any = sys.modules.get("torch")
    distributed = getattr(torch, "distributed", None)
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return int(distributed.get_rank())
    return next((int(os.environ[name]) for name in RANKS if os.environ.get(name, "").isdecimal()), 0)
