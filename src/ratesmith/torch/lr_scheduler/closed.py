"""Drop-ins whose rate is the base rate times a factor of the step."""

from __future__ import annotations

import bisect
import itertools
import operator
from collections.abc import Iterable, Mapping
from typing import Any, Self

from torch.optim import lr_scheduler

from ratesmith._arrays import NUMBERS
from ratesmith._checks import finite, whole
from ratesmith.shapes import SHAPES
from ratesmith.torch.compiled import not_compiled
from ratesmith.torch.lr_scheduler.checks import above_zero, each_finite
from ratesmith.torch.lr_scheduler.drop_in import DropIn, drop_in
from ratesmith.torch.lr_scheduler.writing import (
    are_plain,
    copied,
    goes_on,
    refuse_lost_groups,
    replace_plain,
    take_in_late_groups,
    write_plain,
)


class _ClosedForm(DropIn):
    """A scheduler whose rate in each group is `floor + (base - floor) * factor(step)`."""

    # A slot, since attributes are the checkpoint: the step of the rates written last, what they were made of, and they.
    # They are a fact of these numbers, whatever happens to the scheduler: it is used only if all are still the same.
    __slots__ = ("_made",)
    _made: tuple[int, Any, list[Any], list[float]] | None
    _floor = 0.0
    _options: operator.attrgetter[Any] | None = None
    """Return all that the factor and the floor are made of; None: rates are not kept."""

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """Begin with no rates known."""
        scheduler = super().__new__(cls)
        scheduler._made = None
        return scheduler

    def _factor(self, step: int) -> Any:
        raise NotImplementedError

    def _factors(self, step: int) -> tuple[Any, Any]:
        """Return the factors of the step before and of a step."""
        return self._factor(step - 1), self._factor(step)

    def _update_lr(self, epoch: int | None = None) -> None:
        """Set the next rates; where every group still holds the very rate that was written last, in one go."""
        made = self._made
        if made is not None and epoch is None and getattr(self.get_lr, "__func__", None) is _ClosedForm.get_lr:
            step, options, bases, rates = made
            groups = self.optimizer.param_groups
            if (
                step == self.last_epoch
                and options == self._options(self)  # type: ignore[misc]  # it was None where nothing was kept
                and bases == self.base_lrs
                and len(groups) == len(rates)
            ):
                factor = self._factor(step + 1)
                next_rates = self._rates(factor)
                if type(factor) is float and replace_plain(groups, rates, next_rates):
                    self.last_epoch = step + 1
                    self._made = (step + 1, options, bases, next_rates)
                    self._last_lr = next_rates.copy()  # which others may write into
                    self._wrote_in = groups[0]
                    return
        self._set_next(epoch)

    @not_compiled
    def _set_next(self, epoch: int | None) -> None:
        """Set the next rates; where nobody else wrote one, and all are plain numbers, in one go for all groups."""
        step = self.last_epoch + 1
        if (
            epoch is None
            and step > 0
            and hasattr(self, "_last_lr")
            and getattr(self.get_lr, "__func__", None) is _ClosedForm.get_lr
        ):
            groups = self.optimizer.param_groups
            before, factor = self._factors(step)
            if are_plain(groups) and [group["lr"] for group in groups] == self._rates(before):
                self.last_epoch = step
                rates = self._rates(factor)
                write_plain(self, rates)
                self._keep(step, rates)
                return
        super()._update_lr(epoch)

    def _keep(self, step: int, rates: list[Any]) -> None:
        """Keep what the rates of a step were made of, if all are plain numbers: with a float as factor they stay so."""
        options_of = type(self)._options
        if options_of is not None and {*map(type, rates)} == {float} and {*map(type, self.base_lrs)} <= {float, int}:
            self._made = (step, options_of(self), list(self.base_lrs), list(rates))

    def _rates(self, factor: Any) -> list[Any]:
        return [base * factor for base in self.base_lrs]

    def get_lr(self) -> list[Any]:
        """Return each group's rate for the step `last_epoch`."""
        refuse_lost_groups(self)
        step = self.last_epoch
        groups = self.optimizer.param_groups
        if step == 0:  # a fresh scheduler scales what it finds: another one may have been built before it
            factor = self._factor(step)
            return [self._blend(group["lr"], factor) for group in groups]
        before, factor = self._factors(step)
        if not hasattr(self, "_last_lr"):  # built in the middle of a run, with last_epoch
            return goes_on(groups, *([self._blend(base, at) for base in self.base_lrs] for at in (before, factor)))
        bases = zip(groups, self.base_lrs, strict=False)
        rates = [self._next(group["lr"], base, before, factor) for group, base in bases]
        return rates + [self._late(group, before, factor) for group in groups[len(rates) :]]

    def _get_closed_form_lr(self) -> list[Any]:
        """Return each group's rate where a step is asked for by its number, or a sequence comes to this scheduler."""
        take_in_late_groups(self)
        return self._rates(self._factor(self.last_epoch))

    def _next(self, now: Any, base: Any, before: Any, factor: Any) -> Any:
        if bool(now == self._blend(base, before)):
            return self._blend(base, factor)
        if before != 0.0:  # somebody else wrote this rate: scale it on
            return self._blend(now, factor / before)
        return now + (base - self._floor) * factor

    def _late(self, group: dict[str, Any], before: Any, factor: Any) -> Any:
        """Scale on the rate of a group that joined in the middle, never above the rate that it joined with."""
        now = group["lr"]
        highest = group.setdefault("initial_lr", copied(now))
        return min(self._blend(now, factor / before), highest) if before != 0.0 else now

    def _blend(self, high: Any, factor: Any) -> Any:
        return high if bool(factor == 1.0) else self._floor + (high - self._floor) * factor


def _integral(value: Any) -> Any:
    """Return a float that is whole as an int, as milestones such as 0.5 * 60 are."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _gamma(who: str, value: Any) -> None:
    finite(who, "gamma", value.item() if hasattr(value, "item") else value, least=0.0)


class _Stepwise(_ClosedForm):
    """A scheduler whose factor mostly is that of the step before."""

    def _holds(self, step: int) -> bool:
        """Whether the factor is that of the step before, so that each rate stays, whoever wrote it."""
        raise NotImplementedError

    def _update_lr(self, epoch: int | None = None) -> None:
        """Set the next rates, or leave them as they are."""
        groups = self.optimizer.param_groups
        step = self.last_epoch + 1
        if (
            epoch is None
            and step > 0
            and self._holds(step)
            and len(groups) >= len(self.base_lrs)
            and hasattr(self, "_last_lr")
            and getattr(self.get_lr, "__func__", None) is _ClosedForm.get_lr
            and are_plain(groups)
        ):
            self.last_epoch = step
            self._last_lr = [group["lr"] for group in groups]
            self._wrote_in = groups[0]
        else:
            self._set_next(epoch)


@drop_in
class StepLR(_Stepwise, lr_scheduler.StepLR):
    """Each group's rate times `gamma` every `step_size` steps; `ratesmith.recipes.step` as a scheduler.

    Formula: `base * gamma ** floor(epoch / step_size)`. Source: torch.optim.lr_scheduler.StepLR.
    """

    def _check(self) -> None:
        _gamma("StepLR", self.gamma)
        whole("StepLR", "step_size", _integral(self.step_size), least=1)

    def _holds(self, step: int) -> bool:
        return step % self.step_size != 0

    def _factor(self, step: int) -> Any:
        return self.gamma ** (step // self.step_size)


@drop_in
class MultiStepLR(_Stepwise, lr_scheduler.MultiStepLR):
    """Each group's rate times `gamma` at each of the `milestones`; `ratesmith.recipes.multistep` as a scheduler.

    Formula: `base * gamma ** (number of milestones <= epoch)`; a milestone named twice counts twice.
    Source: torch.optim.lr_scheduler.MultiStepLR.
    """

    # A slot, as above: the table of milestones, its steps in order, and how many milestones lie before each of them.
    __slots__ = ("_sorted",)
    _sorted: tuple[Any, list[int], list[int]]

    @classmethod
    def _refuse(cls, options: Mapping[str, Any]) -> None:
        if not isinstance(options["milestones"], Iterable):
            raise TypeError(f"MultiStepLR: milestones must be steps, got {options['milestones']!r}; give a list")

    def _check(self) -> None:
        _gamma("MultiStepLR", self.gamma)
        for milestone in self.milestones:
            if not isinstance(_integral(milestone), int):
                raise TypeError(
                    f"MultiStepLR: a milestone must be a whole number, got {milestone!r}; give a whole number"
                )

    def _holds(self, step: int) -> bool:
        return step not in self.milestones

    def _factor(self, step: int) -> Any:
        return self.gamma ** self._passed(step)

    def _factors(self, step: int) -> tuple[Any, Any]:
        # The table itself says what happens at this step: if it was written into, how many were passed before may be
        # out of date, but not the ratio of the two, by which rates are then scaled on.
        passed = self._passed(step - 1)
        return self.gamma**passed, self.gamma ** (passed + self.milestones.get(step, 0))

    def _get_closed_form_lr(self) -> list[Any]:
        self._sorted = (None, [], [0])  # the table may have been written into
        return super()._get_closed_form_lr()

    def _passed(self, step: int) -> int:
        """Return how many milestones lie at or before a step."""
        table, steps, passed = getattr(self, "_sorted", (None, [], [0]))
        if table is not self.milestones:
            table = self.milestones
            steps = sorted(at for at in table if at >= 0)
            passed = [0, *itertools.accumulate(table[at] for at in steps)]
            self._sorted = (table, steps, passed)
        return int(passed[bisect.bisect_right(steps, step)])


@drop_in
class ExponentialLR(_ClosedForm, lr_scheduler.ExponentialLR):
    """Each group's rate times `gamma` at every step; `ratesmith.recipes.exponential` as a scheduler.

    Formula: `base * gamma ** epoch`. Source: torch.optim.lr_scheduler.ExponentialLR.
    """

    _options = operator.attrgetter("gamma")

    def _check(self) -> None:
        _gamma("ExponentialLR", self.gamma)

    def _factor(self, step: int) -> Any:
        return self.gamma**step


@drop_in
class CosineAnnealingLR(_ClosedForm, lr_scheduler.CosineAnnealingLR):
    """Each group's rate along a cosine, lowest at `T_max` and rising again after it, as torch's does.

    Formula: `eta_min + (base - eta_min) * (1 + cos(pi epoch / T_max)) / 2`. `ratesmith.recipes.cosine` is the value
    that stays at its end instead. Source: Loshchilov and Hutter, "SGDR", 2017; torch.optim.lr_scheduler.
    """

    _options = operator.attrgetter("T_max", "eta_min")

    @property
    def _floor(self) -> float:  # type: ignore[override]  # torch's attribute is the one to follow
        return self.eta_min

    def _rates(self, factor: Any) -> list[Any]:
        floor = self.eta_min
        if floor == 0.0 or factor == 1.0:
            return [base * factor for base in self.base_lrs]
        return [floor + (base - floor) * factor for base in self.base_lrs]

    def _check(self) -> None:
        above_zero("CosineAnnealingLR", "T_max", self.T_max, "give the length of the decay")
        each_finite("CosineAnnealingLR", "eta_min", [self.eta_min], least=0.0)

    def _factor(self, step: int) -> Any:
        half = self.T_max
        up = abs(step % (2 * half) - half)
        return SHAPES["cosine"](up, half - up, half, NUMBERS)[0]


@drop_in
class ConstantLR(_Stepwise, lr_scheduler.ConstantLR):
    """Each group's rate times `factor` for `total_iters` steps, then the rate itself.

    Formula: `base * factor` before step `total_iters`, `base` from it on. Source: torch.optim.lr_scheduler.ConstantLR.
    """

    def _check(self) -> None:
        whole("ConstantLR", "total_iters", _integral(self.total_iters), least=0)
        each_finite("ConstantLR", "factor", [self.factor])

    def _holds(self, step: int) -> bool:
        return bool(step != self.total_iters)

    def _factor(self, step: int) -> Any:
        return self.factor if step < self.total_iters else 1.0


@drop_in
class LinearLR(_ClosedForm, lr_scheduler.LinearLR):
    """Each group's rate times a factor that goes straight from `start_factor` to `end_factor` in `total_iters` steps.

    Formula: `base * (start + (end - start) * min(epoch, total_iters) / total_iters)`; `end` where that is 0.
    `ratesmith.recipes.warmup` and `linear` are the values. Source: torch.optim.lr_scheduler.LinearLR.
    """

    _options = operator.attrgetter("start_factor", "end_factor", "total_iters")

    def _check(self) -> None:
        whole("LinearLR", "total_iters", _integral(self.total_iters), least=0)
        each_finite("LinearLR", "start_factor and end_factor", [self.start_factor, self.end_factor])

    def _factor(self, step: int) -> Any:
        if step >= self.total_iters:
            return self.end_factor
        up = step / self.total_iters
        return self.start_factor * (1 - up) + self.end_factor * up


@drop_in
class PolynomialLR(_ClosedForm, lr_scheduler.PolynomialLR):
    """Each group's rate times a power of the share of `total_iters` that is left; `ratesmith.recipes.polynomial`.

    Formula: `base * (1 - min(epoch, total_iters) / total_iters) ** power`; `base` where total_iters is 0.
    Source: torch.optim.lr_scheduler.PolynomialLR.
    """

    _options = operator.attrgetter("total_iters", "power")

    def _check(self) -> None:
        whole("PolynomialLR", "total_iters", _integral(self.total_iters), least=0)
        finite("PolynomialLR", "power", self.power, least=0.0)

    def _factor(self, step: int) -> Any:
        left = max(0, self.total_iters - step)
        return (left / self.total_iters) ** self.power if self.total_iters else 1.0
