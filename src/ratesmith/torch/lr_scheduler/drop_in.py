"""What all drop-ins share: options and states checked, rates that stand after a load, and copies that go on."""

from __future__ import annotations

import copy
import functools
import inspect
import warnings
from collections.abc import Mapping
from typing import Any, Self, TypeVar

from torch.optim import lr_scheduler

from ratesmith.torch.lr_scheduler.checks import check_rates, check_state
from ratesmith.torch.lr_scheduler.writing import (
    are_plain,
    copied,
    keep_loaded_rates,
    rates_as_loaded,
    replace_plain,
    write_plain,
    write_rates,
)

_Kind = TypeVar("_Kind", bound="type[DropIn]")


class DropIn(lr_scheduler.LRScheduler):
    """A scheduler that refuses what cannot hold, and whose rates stand in the optimizer once its state is loaded."""

    # A slot, since attributes are the checkpoint: the first of the groups that this scheduler wrote into last. An
    # optimizer that loads its own state makes its groups anew.
    __slots__ = ("_wrote_in",)
    _wrote_in: dict[str, Any]

    @classmethod
    def _refuse(cls, options: Mapping[str, Any]) -> None:
        """Raise an error for options that torch's own construction would stumble over."""

    def _check(self) -> None:
        """Raise an error for options that cannot hold."""

    def _settle(self) -> None:
        """Set what torch's construction leaves wrong."""

    def _write_momentum(self) -> None:
        """Set what the scheduler writes beside the rates."""

    def _initial_step(self) -> None:
        """Check the options, and set the first rates."""
        self._check()
        super()._initial_step()

    def _update_lr(self, epoch: int | None = None) -> None:
        """Set the next rates."""
        super()._update_lr(epoch)
        self._wrote_in = self.optimizer.param_groups[0]

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take a saved state and set its rates; raise ValueError with what it lacks or has of another class.

        Where the optimizer's own state was loaded too, its rates stand: they are the later ones where a second
        scheduler, or a user, writes too.
        """
        check_state(self, state_dict)
        groups = self.optimizer.param_groups
        stay = groups[0] is not self._wrote_in
        state = {name: _shallow(value) for name, value in state_dict.items() if name != "verbose"}
        super().load_state_dict(state)  # the schedulers of a composite write theirs here, before it
        if not stay:
            self._write_momentum()
            write_rates(groups, rates_as_loaded(self.optimizer) or self._last_lr)
        self._wrote_in = groups[0]

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes."""
        return dict(vars(self))

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the attributes, and watch the copy's own optimizer for the order of the calls, as torch does."""
        vars(self).update(state)
        self._wrote_in = self.optimizer.param_groups[0]
        if hasattr(self, "_step_count") and "step" not in vars(self.optimizer):
            _Watch(self.optimizer)


class WritesAtOnce(DropIn):
    """A scheduler that writes plain rates without copying each again."""

    # A slot, as above: the plain rates written last, a list of its own, or None. A group that still holds the very
    # object needs no look at its type: what else may stand there is a tensor, which is written in place.
    __slots__ = ("_written",)
    _written: list[Any] | None

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """Begin with no rates known."""
        scheduler = super().__new__(cls)
        scheduler._written = None
        return scheduler

    def _update_lr(self, epoch: int | None = None) -> None:
        """Set the next rates."""
        groups, written = self.optimizer.param_groups, self._written
        if written is not None and len(written) != len(groups):
            written = None
        if epoch is not None or (written is None and not (hasattr(self, "_last_lr") and are_plain(groups))):
            super()._update_lr(epoch)
            return
        self.last_epoch += 1
        self._get_lr_called_within_step = True
        try:
            rates: list[Any] = list(self.get_lr())
        finally:
            self._get_lr_called_within_step = False
        if written is not None and len(rates) == len(groups) and replace_plain(groups, written, rates):
            self._last_lr = rates
            self._wrote_in = groups[0]
        elif are_plain(groups):
            write_plain(self, rates)
        else:  # somebody has made tensors of them since
            write_rates(groups, rates)
            self._last_lr, self._written = [copied(group["lr"]) for group in groups], None
            self._wrote_in = groups[0]
            return
        self._written = rates.copy() if type(rates[0]) is type(rates[-1]) is float else None


def drop_in(kind: _Kind) -> _Kind:
    """Let a class take torch's options, by the installed torch's positions, and after them the `verbose` of old torch.

    Options are checked before torch's own construction sees them.
    """
    construct = kind.__init__
    options = [option for option in inspect.signature(construct).parameters.values() if option.name != "verbose"]
    signature = inspect.Signature(options)
    verbose = inspect.Parameter("verbose", inspect.Parameter.POSITIONAL_OR_KEYWORD, default="deprecated")

    @functools.wraps(construct)
    def __init__(self: DropIn, *args: Any, **named: Any) -> None:  # noqa: N807
        if len(args) == len(options) and "verbose" not in named:  # `options` has self, `args` has not
            args, named = args[:-1], {**named, "verbose": args[-1]}
        _warn_of_verbose(type(self).__name__, named.pop("verbose", False))
        try:
            given = signature.bind(self, *args, **named)
        except TypeError:
            pass  # torch's construction says it in its own words
        else:
            given.apply_defaults()
            check_rates(type(self).__name__, given.arguments.get("optimizer"))
            self._refuse(given.arguments)
            keep_loaded_rates(given.arguments.get("optimizer"))
        construct(self, *args, **named)
        self._wrote_in = self.optimizer.param_groups[0]
        self._settle()

    __init__.__signature__ = inspect.Signature([*options, verbose])  # type: ignore[attr-defined]
    kind.__init__ = __init__  # type: ignore[method-assign, assignment]  # mypy keeps to torch's own signature
    return kind


def _warn_of_verbose(who: str, verbose: Any) -> None:
    if not isinstance(verbose, bool) and verbose != "deprecated":
        raise TypeError(f"{who}: verbose must be True or False, got {verbose!r}; leave it out")
    if verbose is True:
        warnings.warn(
            f"{who}: verbose must be left out since torch 2.7, got True; print get_last_lr() after each step instead",
            DeprecationWarning,
            stacklevel=3,
        )


def _shallow(value: Any) -> Any:
    """Return a copy of a list or a table, and of the tables in a list: a scheduler changes its own."""
    if isinstance(value, list):
        return [dict(part) if type(part) is dict else part for part in value]
    return copy.copy(value) if isinstance(value, dict) else value


class _Watch(lr_scheduler.LRScheduler):
    """What torch wraps round an optimizer's `step` when any scheduler is built, which a copy has lost."""

    def _initial_step(self) -> None:
        """Set no rate."""
