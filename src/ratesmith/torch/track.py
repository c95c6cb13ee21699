"""One schedule over one key of some parameter groups: its base values, and how a value is written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import torch

from ratesmith._arrays import NUMBERS
from ratesmith.controllers import Controller
from ratesmith.schedule import Schedule
from ratesmith.torch.functions import fingerprints

KEY: Final = re.compile(r"(\w+)(?:\[(\d+)\])?")


class Track:
    """A controller with its state, the key that it sets, and the base value of every group that it covers."""

    def __init__(self, controller: Controller[Any], key: str, groups: Any, absolute: bool) -> None:
        """Read the key; the groups are taken in by `join`."""
        found = KEY.fullmatch(key) if isinstance(key, str) else None
        if not found:
            raise ValueError(f"ScheduleLR: key must be a name such as 'lr' or 'betas[0]', got {key!r}; write one")
        self.name, self.key = key, found[1]
        self.place = None if found[2] is None else int(found[2])
        self.absolute = absolute
        self._wanted = _selector(groups)
        self.bases: list[float | None] = []
        self._cells: list[torch.Tensor | None] = []
        self._plain = False
        self.follow(controller, controller.init())

    def follow(self, controller: Controller[Any], state: Any) -> None:
        """Take this controller in this state."""
        self.controller, self.state, self.why = controller, state, ""
        self.text, self.functions = str(controller), fingerprints(controller)
        # A schedule is asked directly, since this runs at every update.
        self._at = controller._at if isinstance(controller, Schedule) else None

    def join(self, groups: list[dict[str, Any]]) -> None:
        """Take in groups that are not known yet, with their present values as base."""
        for place in range(len(self.bases), len(groups)):
            group = groups[place]
            covered = self._wanted(place, group)
            value = self._read(place, group) if covered else None
            if value is not None and self.key == "momentum" and float(value) == 0.0:
                value = None  # momentum that is off stays off
            self.bases.append(None if value is None else float(value))
            self._cells.append(value if isinstance(value, torch.Tensor) else None)
        if not any(self._wanted(place, group) for place, group in enumerate(groups)):
            raise ValueError(
                f"ScheduleLR: groups of {self.name!r} must be among the optimizer's, got none; name some of them"
            )
        self._settle()

    def covered(self) -> list[int]:
        """Give the places of the groups that it sets."""
        return [place for place, base in enumerate(self.bases) if base is not None]

    def rebase(self, bases: list[float | None]) -> None:
        """Take saved base values."""
        self.bases = list(bases)
        self._settle()

    def observe(self, step: int, metrics: Mapping[str, float]) -> None:
        """Let the controller hear a measurement."""
        before, self.state = self.state, self.controller.observe(self.state, step, metrics)
        self.why = self.controller.why(before, self.state)

    def saved(self) -> dict[str, Any]:
        """Give everything as plain data of its own."""
        return {
            "key": self.name,
            "schedule": self.text,
            "absolute": self.absolute,
            "state": _plain(self.state),
            "base": list(self.bases),
            **({"functions": dict(self.functions)} if self.functions else {}),
        }

    def write(self, groups: list[dict[str, Any]], step: int) -> None:
        """Set the key of every covered group for a step: one evaluation, one write a group."""
        value = self._at(step, NUMBERS) if self._at else self.controller.value(self.state, step)
        key = self.key
        if self._plain:
            if self.absolute:
                for group in groups:
                    group[key] = value
            else:
                for group, base in zip(groups, self.bases):  # noqa: B905  # strict costs, and the lengths are known
                    group[key] = base * value  # type: ignore[operator]  # none is None where it is plain
            return
        for group, base, cell in zip(groups, self.bases, self._cells, strict=True):
            if base is not None:
                self._set(group, value if self.absolute else base * value, cell)

    def now(self, group: dict[str, Any]) -> float:
        """Give the number that a group has now."""
        return float(group[self.key] if self.place is None else group[self.key][self.place])

    def _settle(self) -> None:
        """Note whether every group is covered by plain numbers, the quick case."""
        self._plain = (
            self.place is None and None not in self.bases and not any(cell is not None for cell in self._cells)
        )

    def _read(self, place: int, group: dict[str, Any]) -> Any:
        if self.key not in group:
            known = ", ".join(sorted(set(group) - {"params"}))
            raise ValueError(
                f"ScheduleLR: group {place} must have the key {self.key!r}, got {known}; name one of these"
            )
        value = group[self.key]
        several = len(value) if isinstance(value, (list, tuple)) else None
        if (several is None) != (self.place is None) or (self.place or 0) >= (1 if several is None else several):
            raise ValueError(
                f"ScheduleLR: {self.name!r} of group {place} must be one number, got {value!r}; write {self.key!r}, or "
                f"'{self.key}[0]' for one of several"
            )
        value = value if self.place is None else value[self.place]
        if isinstance(value, bool) or not isinstance(value, (int, float, torch.Tensor)):
            raise TypeError(
                f"ScheduleLR: {self.name!r} of group {place} must be a number, got {value!r}; name another key"
            )
        return value

    def _set(self, group: dict[str, Any], value: float, cell: torch.Tensor | None) -> None:
        if cell is None:
            self._put(group, value)
            return
        cell.fill_(value)
        now = group[self.key] if self.place is None else group[self.key][self.place]
        if now is not cell:  # loading an optimizer's state puts another object there
            self._put(group, cell)

    def _put(self, group: dict[str, Any], value: Any) -> None:
        if self.place is None:
            group[self.key] = value
        else:
            several = list(group[self.key])
            several[self.place] = value
            group[self.key] = type(group[self.key])(several)


def unshare(optimizer: torch.optim.Optimizer, keys: Iterable[str]) -> None:
    """Give every group a tensor of its own where several groups, or the defaults, hold the same one under a key."""
    for key in set(keys):
        seen: set[int] = set()
        for group in (*optimizer.param_groups, optimizer.defaults):
            if isinstance(group.get(key), torch.Tensor):
                group[key] = _own(group[key], seen)
            elif isinstance(group.get(key), (tuple, list)):
                group[key] = type(group[key])([_own(one, seen) for one in group[key]])


def _own(value: Any, seen: set[int]) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    if id(value) in seen:
        value = value.clone()
    seen.add(id(value))
    return value


def _selector(groups: Any) -> Callable[[int, dict[str, Any]], bool]:
    if groups is None:
        return lambda place, group: True
    if callable(groups):
        return lambda place, group: bool(groups(group))
    wanted = [groups] if isinstance(groups, (int, str)) else list(groups) if isinstance(groups, Iterable) else [None]
    if not all(isinstance(one, (int, str)) and not isinstance(one, bool) for one in wanted):
        raise TypeError(
            f"ScheduleLR: groups must be places, names or a function of a group, got {groups!r}; give these"
        )
    return lambda place, group: place in wanted or group.get("name") in wanted


def _plain(state: Any) -> Any:
    return [_plain(part) for part in state] if isinstance(state, tuple) else state


def agree_on_every_rank(metrics: dict[str, float]) -> dict[str, float]:
    """Give the mean of all ranks' measurements, the same to the last bit on each; alone, give them as they are."""
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() == 1:
        return metrics
    device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    names = sorted(metrics)
    values = torch.tensor([metrics[name] for name in names], dtype=torch.float64, device=device)
    distributed.all_reduce(values)
    values /= distributed.get_world_size()
    distributed.broadcast(values, src=0)
    return dict(zip(names, values.tolist(), strict=True))
