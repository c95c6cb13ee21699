"""The saved state of a ScheduleLR: read with care, and told apart from the state of another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ratesmith._checks import whole
from ratesmith.torch.functions import same
from ratesmith.torch.track import Track

FORMAT: Final = 1
"""The version of the saved state."""
FIELDS: Final = {"key": str, "schedule": str, "absolute": bool, "base": list}
"""What a saved track has, beside the controller's state."""
KEEP: Final = "give on_mismatch='keep_new' to go on with the new schedule"
USE: Final = "'use_saved' to go on with the saved one"


def read(state: Any) -> list[dict[str, Any]]:
    """Give the saved tracks, or refuse what is no state of ours."""
    if not isinstance(state, Mapping) or state.get("format") != FORMAT:
        known = sorted(state) if isinstance(state, Mapping) else type(state).__name__
        raise ValueError(
            f"ScheduleLR: the state must be one that ScheduleLR saved (format {FORMAT}), got {known}; "
            "load the state of the same class"
        )
    whole("ScheduleLR", "the saved step", state.get("step"), least=0)
    tracks = state.get("tracks")
    for track in tracks if isinstance(tracks, list) else [None]:
        if not _is_track(track):
            known = ", ".join((*FIELDS, "state"))
            raise ValueError(f"ScheduleLR: a saved schedule must have {known}, got {track!r}; it is damaged")
    return list(tracks or ())


def _is_track(data: Any) -> bool:
    fits = isinstance(data, dict) and all(isinstance(data.get(name), kind) for name, kind in FIELDS.items())
    functions = data.get("functions", {}) if fits else None
    known = isinstance(functions, dict) and all(isinstance(code, str) for code in functions.values())
    return fits and known and "state" in data and all(base is None or _is_number(base) for base in data["base"])


def _is_number(value: Any) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def refuse(tracks: list[Track], saved: list[dict[str, Any]], choice: str) -> None:
    """Refuse a state that does not fit; of another schedule or function, as `choice` says."""
    if len(saved) != len(tracks):
        raise ValueError(
            f"ScheduleLR: the saved state must be one of {len(tracks)} schedules, got {len(saved)}; "
            "make the scheduler with as many"
        )
    pairs = list(zip(tracks, saved, strict=True))
    lines, do = [line for track, data in pairs for line in _unfit(track, data)], "make it for the same keys and groups"
    if not lines and choice != "keep_new":
        lines, do = [line for track, data in pairs for line in _other_functions(track, data)], KEEP
    if not lines and choice == "error":
        lines, do = [line for track, data in pairs for line in _other_schedule(track, data)], f"{KEEP}, or {USE}"
    if lines:
        listed = "\n  ".join(lines)
        raise ValueError(f"ScheduleLR: the saved state must fit this scheduler, got a difference:\n  {listed}\n{do}")


def _unfit(track: Track, data: dict[str, Any]) -> Iterator[str]:
    """Give what can't be reconciled."""
    for name, here in (("key", track.name), ("absolute", track.absolute)):
        if here != data[name]:
            yield f"{track.name} {name}: saved {data[name]}, here {here}"
    before, now = (
        f"{len(bases)} groups, it sets {[place for place, base in enumerate(bases) if base is not None]}"
        for bases in (data["base"], track.bases)
    )
    if before != now:
        yield f"{track.name}: saved {before}; here {now}"


def _other_schedule(track: Track, data: dict[str, Any]) -> Iterator[str]:
    if track.text != data["schedule"]:
        yield f"{track.name} schedule: saved {data['schedule']}"
        yield f"{' ' * len(track.name)} schedule: here  {track.text}"


def _other_functions(track: Track, data: dict[str, Any]) -> Iterator[str]:
    """Give the functions that have the saved name and another code; only their name can be saved."""
    for name, code in data.get("functions", {}).items():
        if name in track.functions and not same(code, track.functions[name]):
            yield f"{track.name} function {name}: what it does here is not what was saved"
