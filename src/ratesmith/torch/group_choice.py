"""Which groups a target means: by place, by name, or by a function of the user's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ratesmith._checks import Option, OptionTypeError, OptionValueError
from ratesmith.torch.key import Group, name_of


class GroupChoice:
    """What a user gave as `groups`."""

    def __init__(self, groups: Any) -> None:
        """Take places, names, a function of a group, or None for all; raise TypeError for anything else."""
        self._function = groups if callable(groups) else None
        self._entries: list[int | str] | None = None
        if groups is None or callable(groups):
            return
        entries = [groups] if isinstance(groups, (int, str)) else list(groups) if isinstance(groups, Iterable) else None
        if entries is None or not all(_is_entry(entry) for entry in entries):
            must = f" must be places, names or a function of a group, got {groups!r}; give these"
            raise OptionTypeError("ScheduleLR: ", Option("groups"), must)
        self._entries = entries

    def means(self, place: int, group: Group) -> bool:
        """Whether a group is meant."""
        if self._entries is None:
            return self._function is None or bool(self._function(group))
        return any(_fits(entry, place, group) for entry in self._entries)

    def check(self, key: str, groups: list[Group]) -> None:
        """Raise ValueError if an entry fits none of the groups, or if no group at all is meant."""
        for entry in self._entries or ():
            if not any(_fits(entry, place, group) for place, group in enumerate(groups)):
                names = [name_of(place, group) for place, group in enumerate(groups)]
                listed = ", ".join(names if len(names) <= 8 else [*names[:7], f"... {names[-1]}"])
                raise OptionValueError(
                    "ScheduleLR: ",
                    Option("groups"),
                    f" of {key!r} must be among the optimizer's, got {entry!r}, which is none of its {len(groups)}: "
                    f"{listed}; give one of these",
                )
        if not any(self.means(place, group) for place, group in enumerate(groups)):
            must = f" of {key!r} must be among the optimizer's, got none; name some of them"
            raise OptionValueError("ScheduleLR: ", Option("groups"), must)


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, (int, str)) and not isinstance(entry, bool)


def _fits(entry: int | str, place: int, group: Group) -> bool:
    return group.get("name") == entry or (isinstance(entry, int) and place == entry)
