"""Jobs on a Ray cluster: plain tasks, each of which may die with its node and be tried again elsewhere.

Plain tasks, not Tune, which takes seconds for each trial. What crosses is pickled here and not by Ray, so that a state
of many megabytes goes into Ray's object store as it is: once for all the branches that begin with it.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import pickle
import signal
import socket
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any, Final

import ratesmith
from ratesmith._checks import Option
from ratesmith._environment import environment
from ratesmith._text import named_line, one_line
from ratesmith.experiment.engine import Died, Message, OnPart, TimedOut, messages_of, packed_error, unpacked_error
from ratesmith.experiment.run_context import AnySource
from ratesmith.script_process import Script
from ratesmith.study_database import StudyError
from ratesmith.task import ONE_THREAD, split_reference

APART_BYTES: Final = 100_000
"""Bytes from which a value goes into the object store by itself; what is smaller, Ray sends along with the call."""
KEPT_STATES: Final = 4
"""How many states the object store holds on to, for further branches that begin with them."""
JOIN_SECONDS: Final = 10.0
EXCLUDES: Final = (
    *(".git/", ".hg/", ".venv/", "venv/", "node_modules/", "__pycache__/", "*.pyc"),
    *(".mypy_cache/", ".pytest_cache/", ".ruff_cache/", ".ipynb_checkpoints/"),
    *("runs/", "mlruns/", "wandb/", "lightning_logs/", "*.state", "study.sqlite*", "lock.sqlite*"),
)
"""What lies beside a task's file and no worker needs."""
LOOPBACK: Final = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""At 0, Ray listens on the loopback interface alone; it is read when ray is imported, on every system."""


class RayEngine(Executor):
    """An executor over a Ray cluster; the parts of a job come as it streams them.

    A job whose worker or node dies ends its future with Died, one that takes longer than `limit` seconds from its
    beginning, on this process's clock, with TimedOut. Nothing is tried again by Ray. One thread here follows all jobs.
    """

    def __init__(self, source: AnySource, *, address: str | None, gpus: float, limit: float | None) -> None:
        """Join the cluster at `address`, or start one on this machine; the folder of the file travels to the workers.

        If no address is given, the one in RAY_ADDRESS is taken, as `ray job submit` sets it. Raise StudyError if the
        cluster cannot be joined, ModuleNotFoundError if there is no ray.
        """
        folder = Path.cwd()
        self._texts: dict[str, str] = {}
        if isinstance(source, Script):
            folder = Path(source.path).resolve().parent
            self._texts = {source.path: Path(source.path).name}
        elif isinstance(source, str):
            path, name = split_reference(source)
            folder = path.resolve().parent
            self._texts = {source: f"{path.name}:{name}"}
        self._limit = limit
        self._ray = _join(address or os.environ.get("RAY_ADDRESS"), folder)
        self.workers = _places(self._ray.nodes(), gpus)
        if not self.workers:
            self._ray.shutdown()
            asked = f"a CPU and {gpus:g} GPUs" if gpus else "a CPU"
            raise StudyError(
                f"ray: no node of the cluster has {asked} for a trial; add nodes, or change ", Option("gpus=")
            )
        options = {"num_returns": "streaming", "num_cpus": 1, "num_gpus": gpus, "max_retries": 0}
        self._serve = self._ray.remote(**options)(_serve)
        self._states: OrderedDict[str, Any] = OrderedDict()
        self._following: set[asyncio.Task[Any]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def submit(self, job: Callable[..., Any], /, *args: Any, on_part: OnPart | None = None) -> Future[Any]:  # type: ignore[override]
        """Hand a job to the cluster. `on_part` is called in the engine's thread."""
        packed, apart = pack((job, args), self._texts)
        # What gives no parts is no trial: it has no limit.
        following = self._follow(packed, apart, on_part or (lambda part: None), on_part is not None)
        return asyncio.run_coroutine_threadsafe(following, self._loop)

    def narrow(self, workers: int) -> None:
        """Do nothing: Ray itself ends workers that rest, and gives each trial its own GPUs."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster, when all is done or at once; stop it if it was started here."""
        if not self._thread.is_alive():
            return
        if wait or cancel_futures:
            asyncio.run_coroutine_threadsafe(self._end(cancel_futures), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._states.clear()
        self._ray.shutdown()

    async def _end(self, cancel: bool) -> None:
        following = list(self._following)
        for job in following if cancel else ():
            job.cancel()
        await asyncio.gather(*following, return_exceptions=True)

    async def _follow(self, packed: bytes, apart: Sequence[bytes], on_part: OnPart, is_trial: bool) -> Any:
        """Run one job to its end, however it ends."""
        this = asyncio.current_task()
        assert this is not None
        self._following.add(this)
        stream, ended = None, False
        try:
            stream = self._serve.remote(self._limit is not None and is_trial, packed, *map(self._stored, apart))
            async with asyncio.timeout(None) as clock:
                kind, content = await self._last_word(stream, on_part, clock)
            ended = True
        except self._ray.exceptions.RuntimeEnvSetupError as error:
            raise StudyError(f"ray: a node could not make the task's folder its own: {one_line(error)}") from None
        except self._ray.exceptions.RayError as error:
            ended = True
            raise Died(_how(error)) from None
        except TimeoutError:
            raise TimedOut(f"stopped after {self._limit:g} seconds, the time limit of a trial") from None
        finally:
            self._following.discard(this)
            if stream is not None and not ended:
                self._ray.cancel(stream, force=True)
        if kind == Message.ERROR:
            raise unpacked_error(*content)
        return content

    async def _last_word(self, stream: Any, on_part: OnPart, clock: asyncio.Timeout) -> tuple[str, Any]:
        """Hand on a job's parts; return its last word. The clock starts where the job does, not where it waits."""
        last: bytes | None = None
        async for coming in stream:
            kind, packed, apart = await coming
            if kind == Message.BEGUN:
                if self._limit is not None:
                    clock.reschedule(self._loop.time() + self._limit)
                continue
            content, last = unpack(packed, [bytes(buffer) for buffer in apart], last)
            if kind != Message.PART:
                return kind, content
            on_part(content)
        raise self._ray.exceptions.WorkerCrashedError

    def _stored(self, content: bytes) -> Any:
        """Return the reference to a content in the object store, where it is put once."""
        digest = hashlib.sha256(content).hexdigest()
        if digest not in self._states:
            self._states[digest] = self._ray.put(content)
        self._states.move_to_end(digest)
        while len(self._states) > KEPT_STATES:
            self._states.popitem(last=False)
        return self._states.get(digest)


def _join(address: str | None, folder: Path) -> Any:
    """Connect this process to a cluster, and return the module ray."""
    started_here = address in (None, "local")
    if started_here and "ray" in sys.modules and os.environ.get(LOOPBACK) != "0":
        raise StudyError(
            "ray: it was imported before, and a cluster that it starts now would listen on every network; set "
            f"{LOOPBACK}=0 before `import ray`, or start a cluster and give its ",
            Option("address="),
        )
    if not started_here:
        _refuse_unreachable(str(address))
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", **({LOOPBACK: "0"} if started_here else {})}
    # What `ray job submit` sent along is for the driver: its workers have the task's folder instead.
    with environment({**quiet, "RAY_OVERRIDE_JOB_RUNTIME_ENV": "1"}):
        import ray

        if ray.is_initialized():
            raise StudyError("ray: this process has joined a cluster already; call ray.shutdown() before")
        in_main = threading.current_thread() is threading.main_thread()
        on_sigterm = signal.getsignal(signal.SIGTERM)
        options = {"include_dashboard": False, "_node_ip_address": "127.0.0.1"} if started_here else {}
        try:
            ray.init(
                address="local" if started_here else address,
                runtime_env=_surroundings(folder),
                log_to_driver=False,
                logging_level="ERROR",
                **options,
            )
        except Exception as error:
            ray.shutdown()
            raise StudyError(_no_cluster(error, address, folder)) from error
        if in_main:
            signal.signal(signal.SIGTERM, on_sigterm)  # Ray puts an exit of its own there, which would keep nothing
    return ray


def _places(nodes: Sequence[Mapping[str, Any]], gpus: float) -> int:
    """Return how many jobs run side by side on these nodes, each with a CPU and so many GPUs."""
    rooms = [(node["Resources"].get("CPU", 0.0), node["Resources"].get("GPU", 0.0)) for node in nodes if node["Alive"]]
    return sum(int(min(cpu, gpu / gpus if gpus else cpu)) for cpu, gpu in rooms)


def _surroundings(folder: Path) -> dict[str, Any]:
    """Return what a worker needs around it: the task's folder, this very Ratesmith, one thread."""
    return {
        "working_dir": str(folder),
        "excludes": list(EXCLUDES),
        "py_modules": [str(Path(ratesmith.__file__).parent)],
        "env_vars": dict.fromkeys(ONE_THREAD, "1"),
    }


def _refuse_unreachable(address: str) -> None:
    """Raise StudyError at once if nobody answers; Ray itself would try for minutes."""
    if "://" in address:
        raise StudyError(
            "ray: ",
            Option("address"),
            f" must be host:port of the cluster's head, or auto, got {address!r}; give that, on one of the cluster's "
            "machines, or hand the command to `ray job submit`",
        )
    host, colon, port = address.rpartition(":")
    if not colon:
        return  # auto
    try:
        socket.create_connection((host.strip("[]"), int(port)), JOIN_SECONDS).close()
    except (OSError, ValueError) as error:
        raise StudyError(
            f"ray: no cluster answers at {address} ({error}); start one with `ray start --head`, or give its ",
            Option("address="),
        ) from error


def _no_cluster(error: Exception, address: str | None, folder: Path) -> str:
    reason = one_line(error) or type(error).__name__
    if "exceeds the maximum size" in reason:
        return (
            f"{folder}: the folder of the task's file travels to the workers, and is too big for that ({reason}); put "
            "the file into a folder with only the modules that it needs, and give data by a path that every node has"
        )
    return f"ray: the cluster {f'at {address} ' if address else ''}could not be joined: {reason}"


def _how(error: Exception) -> str:
    ends = {
        "WorkerCrashedError": "the worker process died on its node",
        "NodeDiedError": "the node died that the worker was on",
        "LocalRayletDiedError": "the node died that the worker was on",
        "OutOfMemoryError": "the worker process was ended by Ray for want of memory on its node",
    }
    return ends.get(type(error).__name__) or named_line(error)


class _Packer(pickle.Pickler):
    """Leaves large bytes out, to go by themselves, and puts one text for another."""

    def __init__(self, file: io.BytesIO, texts: Mapping[str, str], last: bytes | None) -> None:
        super().__init__(file, protocol=5)
        self.texts, self.last = texts, last
        self.apart: list[bytes] = []

    def persistent_id(self, thing: Any) -> Any:
        if type(thing) is str:
            return self.texts.get(thing)
        if type(thing) is not bytes or len(thing) < APART_BYTES:
            return None
        if thing is self.last:  # trials that fork at one point begin with one state: it goes once
            return -1
        self.last = thing
        self.apart.append(thing)
        return len(self.apart) - 1


class _Unpacker(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, apart: Sequence[bytes], last: bytes | None) -> None:
        super().__init__(file)
        self.apart, self.last = apart, last

    def persistent_load(self, name: Any) -> Any:
        if isinstance(name, str):
            return name
        if name >= 0:
            self.last = self.apart[name]
        return self.last


def pack(thing: Any, texts: Mapping[str, str] | None = None, last: bytes | None = None) -> tuple[bytes, list[bytes]]:
    """Return the pickle of a thing, and the large bytes that go apart. `last` has gone already.

    `texts`: what is put for a text, as the task's path on this machine is for its path on a worker.
    """
    file = io.BytesIO()
    packer = _Packer(file, texts or {}, last)
    packer.dump(thing)
    return file.getvalue(), packer.apart


def unpack(packed: bytes, apart: Sequence[bytes], last: bytes | None = None) -> tuple[Any, bytes | None]:
    """Return the thing that was packed, and the bytes that went last."""
    unpacker = _Unpacker(io.BytesIO(packed), apart, last)
    return unpacker.load(), unpacker.last


_HERE: Final = Path.cwd()
"""On a worker, which imports this before any task: the task's folder."""


def _serve(timed: bool, packed: bytes, *apart: bytes) -> Iterator[tuple[str, bytes, list[pickle.PickleBuffer]]]:
    """Do a job on a worker: yield its parts, and its result or error at last."""
    os.chdir(_HERE)
    last: bytes | None = None
    for kind, content in _results(packed, apart):
        if kind == Message.BEGUN:
            if timed:  # else it would be one object more for each job
                yield kind, b"", []
            continue
        try:
            small, large = pack(content, last=last)
        except Exception as error:  # one that cannot be sent
            kind, (small, large) = Message.ERROR, pack(packed_error(error))
        last = large[-1] if large else last
        yield kind, small, [pickle.PickleBuffer(content) for content in large]


def _results(packed: bytes, apart: Sequence[bytes]) -> Iterator[tuple[str, Any]]:
    try:
        (job, args), _ = unpack(packed, apart)
        yield from messages_of(job, args)
    except Exception as error:
        yield Message.ERROR, packed_error(error)
