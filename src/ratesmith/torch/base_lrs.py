"""The base rates as torch's list has them, which code of others reads, and assigns to."""

from __future__ import annotations

from typing import Any, SupportsIndex


class BaseRates(list[Any]):
    """One base rate a group; setting one of them sets the group's. The length is that of the groups."""

    def __init__(self, rates: list[Any], scheduler: Any) -> None:
        """Take the rates as they are now, and the ScheduleLR whose they are."""
        super().__init__(rates)
        self._scheduler = scheduler

    def __setitem__(self, place: Any, base: Any) -> None:
        """Set one base, or several."""
        super().__setitem__(place, base)
        self._scheduler.base_lrs = list(self)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        """Copy as a plain list."""
        return list, (list(self),)

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise TypeError(
            "ScheduleLR: base_lrs must keep one rate a group, got another length; "
            "add_param_group alone takes a new group in, and set_base_lr(value, group=) sets a base"
        )

    append = extend = insert = pop = remove = clear = __delitem__ = __iadd__ = _refuse
