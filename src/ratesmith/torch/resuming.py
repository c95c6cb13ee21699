"""Going on with groups as they are: at which step a scheduler begins, and what the user should know of it."""

from __future__ import annotations

import torch

from ratesmith.torch.bindings import Bindings
from ratesmith.torch.groups import has_foreign_scheduler, is_loaded, is_trained
from ratesmith.torch.key import Group
from ratesmith.torch.notices import warn_user


class Resumption:
    """What was noticed when a scheduler's groups were made, loaded or changed.

    It waits for the first step to be said, since the scheduler's own state may be loaded in between, or a sequence may
    take over: then there is nothing to say.
    """

    def __init__(self, bindings: Bindings, counting: bool) -> None:
        """Take the bindings; and whether updates are counted, so that none is stepped by hand."""
        self._bindings, self._counting = bindings, counting
        self._notes: list[str] = []
        self._told = False
        self._forward: tuple[torch.Tensor, int, int] | None = None
        self.without_base: Group | None = None
        """A group of a trained optimizer that came without a base, while it is not known that a new run begins."""
        self.is_pending = False
        """Whether there may be something to say at the next step."""

    def begin(self, last_epoch: int) -> int:
        """Take the groups in, and return the step to begin at."""
        bindings = self._bindings
        set_here, trained = bindings.were_set_here(), any(map(is_trained, bindings.optimizers))
        loaded, foreign = (any(map(ask, bindings.optimizers)) for ask in (is_loaded, has_foreign_scheduler))
        taken = bindings.take_in()[0]
        without_base = [part.present[0] for part in taken if trained and part.present]
        if without_base and last_epoch >= 0:
            raise ValueError(_no_base(f"for last_epoch={last_epoch}", without_base[0], "set group['initial_lr'] to"))
        step, kept = last_epoch + 1, bindings.kept_step()
        if kept is not None and self._counting and last_epoch >= 0:
            step = kept
        elif kept is not None and last_epoch < 0 and not set_here:
            step = self._adopted(kept, step, anew=True)
        notes = bindings.begin(taken, step)
        if without_base:
            self.without_base = without_base[0]
            self._notes += [_new_phase(without_base[0])] if loaded else []
        if foreign:
            self._notes += notes
        else:
            warn_user(notes)
        self.is_pending = True
        return step

    def look(self, step: int) -> int:
        """Take in the groups as they are now, and return the step that the scheduler is at."""
        self.is_pending = True
        taken, loaded = self._bindings.take_in()
        self._notes += [note for part in taken for note in part.notes] + self._bindings.foreign_bases(taken, step)
        kept = self._bindings.kept_step() if loaded else None
        return step if kept is None else self._adopted(kept, step, anew=False)

    def _adopted(self, kept: int, step: int, anew: bool) -> int:
        """Return the step that loaded groups carry, if this very schedule wrote them; else the scheduler's own."""
        if kept == step or self._told:
            return step
        if not self._bindings.have_these_schedules():
            self._notes.append(
                f"ScheduleLR: the optimizer's state was loaded at step {kept} of another schedule; this one is at step "
                f"{step}: load the scheduler's state too, or call step_to({kept}) to go on from there"
            )
            return step
        for binding in self._bindings:
            binding.last_factor = binding.factor(kept, binding.state)
        ends = [binding.ends() for binding in self._bindings]
        if all(end is not None and kept >= end for end in ends):
            self._notes.append(
                f"ScheduleLR: the optimizer's state was loaded at step {kept}, and the schedule has ended by then: its "
                "last value stays; call step_to(0) to begin anew"
            )
        elif anew and any(binding.listens for binding in self._bindings):
            self._notes.append(
                f"ScheduleLR: the optimizer's state was loaded at step {kept}, and does not say what a controller had "
                "heard by then, so it begins anew; load the scheduler's state too"
            )
        weight = next((weight for group in self._bindings.groups() for weight in group["params"]), None)
        if weight is not None and not weight.is_inference() and not self._counting:
            self._forward = weight, weight._version, 0
        return kept

    @property
    def went_on(self) -> bool:
        """Whether the step was taken from loaded groups, and no update has been seen since."""
        return self._forward is not None

    def say(self) -> None:
        """Warn of what was noticed, now that nothing more was loaded."""
        notes, self._notes, self._told, self.is_pending = self._notes, [], False, False
        if self._forward is not None:
            weight, version, steps = self._forward
            idle = weight._version == version
            self._forward = (weight, version, steps + 1) if idle and steps < 2 else None
            self.is_pending = self._forward is not None
            if idle and steps == 2:
                notes.append(
                    "ScheduleLR: it went on from the loaded optimizer's step, and was stepped three times without an "
                    "update; to step it forward yourself begin with step_to(0), or call step_to(k) once"
                )
        warn_user(notes)

    def forget(self, *, base: bool = False) -> None:
        """Forget what was noticed: the user has said, or loaded, at which step it is, and maybe the base.

        Until the next step what stands in the groups does not count against that.
        """
        self._notes, self._forward, self._told, self.is_pending = [], None, True, True
        if base:
            self.trust_base()

    def trust_base(self) -> None:
        """Take the base for known from now on."""
        self.without_base = None

    def refuse_jump(self, step: int, before: int | None) -> None:
        """Raise ValueError if the step jumps forward on a base that nobody knows; by single steps it is a new run."""
        if self.without_base is not None and step > (before or 0) + 1:
            raise ValueError(_no_base(f"to go on at step {step}", self.without_base, "call set_base_lr with"))
        if step:
            self.without_base = None


def _no_base(where: str, group: Group, remedy: str) -> str:
    """Return the message for an optimizer that was trained, and that nobody knows the base values of."""
    return (
        f"ScheduleLR: the base rate must be known {where}, got an optimizer that was trained before, at rate "
        f"{float(group.get('lr', 0.0)):g}, whose groups came without 'initial_lr'; "
        f"load the scheduler's state, or {remedy} the rate that training began with"
    )


def _new_phase(group: Group) -> str:
    """Return the note for a loaded optimizer without a base, whose present values are taken for the first."""
    return (
        "ScheduleLR: the optimizer's state was loaded without a base rate, so this is a new run from its present rate "
        f"{float(group.get('lr', 0.0)):g}; to go on with the old one load the scheduler's state, or set "
        "group['initial_lr'] and give last_epoch"
    )
