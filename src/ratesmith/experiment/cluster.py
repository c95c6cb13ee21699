"""Jobs on a Ray cluster: plain tasks, each of which may die with its node and be tried again elsewhere."""

from __future__ import annotations

from concurrent.futures import Executor


class RayEngine(Executor):
    """An executor over a Ray cluster; the parts of a job come as it streams them."""

    def __init__(self, task: str, *, address: str | None, gpus: float, limit: float | None) -> None:
        """Join the cluster at `address`, or start one on this machine; the task's folder travels to the workers."""
        raise NotImplementedError
