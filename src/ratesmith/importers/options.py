"""The options of somebody else's configuration, read as what they must be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratesmith._checks import OptionValueError, finite, whole


class Options:
    """The options of a configuration, each read as the number that it must be."""

    def __init__(self, who: str, values: Mapping[str, Any]) -> None:
        """Take the name of the function that reads them, for its messages, and the options."""
        self.who, self.values = who, values

    def given(self, name: str) -> bool:
        """Whether an option is there."""
        return self.values.get(name) is not None

    def rate(self, name: str, least: float = 0.0) -> float:
        """Return a rate; a list of equal ones, one a group, counts as one."""
        value = self.values.get(name)
        if isinstance(value, (list, tuple)) and value:
            if any(each != value[0] for each in value):
                raise OptionValueError(
                    f"{self.who}: {name} must be the same for all groups, got {value!r}; make one Target for each group"
                )
            value = value[0]
        return finite(self.who, name, value, least=least)

    def length(self, name: str, least: int = 0) -> int:
        """Return a whole number of updates or samples."""
        return whole(self.who, name, self.values.get(name), least=least)

    def choice(self, name: str, among: Mapping[str, Any]) -> Any:
        """Return what one of several words stands for."""
        value = self.values.get(name)
        if not isinstance(value, str) or value not in among:
            raise OptionValueError(f"{self.who}: {name} must be one of {', '.join(among)}, got {value!r}; choose one")
        return among[value]
