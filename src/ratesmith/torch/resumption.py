"""Going on with groups as they are: at which step a scheduler begins, and what the user should know of it."""

from __future__ import annotations

from typing import Any, Final

from ratesmith.codes import coded
from ratesmith.torch.binding import Binding
from ratesmith.torch.bindings import Bindings
from ratesmith.torch.counting import watch_update
from ratesmith.torch.group_history import has_foreign_scheduler, is_loaded, is_trained, place_of
from ratesmith.torch.key import Group, name_of
from ratesmith.torch.user_warnings import warn_user

MOST_ALONE: Final = 10
"""Steps without an update that are let pass; a gradient scaler may skip a few."""


class Resumption:
    """What was noticed when a scheduler's groups were made, loaded or changed.

    It waits for the first step to be said, since the scheduler's own state may be loaded in between, or a sequence may
    take over: then there is nothing to say.
    """

    def __init__(self, bindings: Bindings, counting: bool) -> None:
        """Take the bindings; and whether updates are counted, so that none is stepped by hand."""
        self._bindings, self._counting = bindings, counting
        self._notes: list[str] = []
        self._lost: str | None = None
        """What to say of a controller; to name the step is no answer to it."""
        self._told = False
        self._steps_alone: int | None = None
        self.without_base: tuple[Binding, Group] | None = None
        """A group of a trained optimizer that came without a base, while it is not known that a new run begins."""
        self.is_pending = False
        """Whether there may be something to say at the next step."""
        self.told_of_end = False
        """Whether it noted that the schedule had ended before."""
        self.begun_anew_after = 0
        """The steps that an earlier scheduler of this process and of the same schedule had made for these groups."""

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy needs: the optimizer of a copy has not the hook that waits for an update."""
        return {**vars(self), "_steps_alone": None}

    def begin(self, last_epoch: int) -> int:
        """Take the groups in, and return the step to begin at."""
        bindings = self._bindings
        set_here = bindings.were_set_here()
        trained = {id(group) for own in bindings.optimizers if is_trained(own) for group in own.param_groups}
        loaded, foreign = (any(map(ask, bindings.optimizers)) for ask in (is_loaded, has_foreign_scheduler))
        taken = bindings.take_in()[0]
        kept = bindings.kept_step()
        without_base = [
            (binding, group)
            for binding, part in zip(bindings, taken, strict=True)
            for group in (*part.stripped, *(part.present if kept is None else ()))
            if id(group) in trained
        ]
        if without_base and last_epoch >= 0:
            raise ValueError(self._no_base(f"for last_epoch={last_epoch}", without_base[0], built=False))
        step = last_epoch + 1
        if kept is not None and self._counting and last_epoch >= 0:
            step = kept
        elif kept is not None and last_epoch < 0 and not set_here:
            step = self._adopted(kept, step, anew=True)
        if kept is not None and last_epoch >= 0:
            self._note_controllers(kept, anew=True)
        elif kept is not None and set_here and bindings.have_these_schedules():
            self.begun_anew_after = kept
        notes = bindings.begin(taken, step)
        if without_base:
            self.without_base = without_base[0]
            self._notes += [_new_phase(*without_base[0])] if loaded else []
        if foreign or last_epoch < 0:  # a sequence may take over, or step_to say where it is
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
        unmarked = next((group for part in taken for group in part.unmarked), None)
        if unmarked is not None and not self._told:
            self._notes.append(
                coded(
                    "RS206",
                    f"ScheduleLR: the optimizer's state was loaded without a base and a step, so this scheduler keeps "
                    f"its own base, and is at step {step}; load the scheduler's state too, or call step_to(k) to go on "
                    "at k",
                )
            )
        if not loaded:
            self._bindings.put_marks(taken)  # another group may be the first now
        kept = self._bindings.kept_step() if loaded else None
        return step if kept is None else self._adopted(kept, step, anew=False)

    def _adopted(self, kept: int, step: int, anew: bool) -> int:
        """Return the step that loaded groups carry, if this very schedule wrote them; else the scheduler's own."""
        if kept == step or self._told:
            return step
        if not self._bindings.have_these_schedules():
            self._notes.append(
                coded(
                    "RS207",
                    f"ScheduleLR: the optimizer's state was loaded at step {kept} of another schedule; this one is at "
                    f"step {step}: to go on from there call step_to({kept}), or load the scheduler's state too, with "
                    "on_mismatch='keep_new'",
                )
            )
            return step
        ends = [(binding.ends(), binding.factor(kept, binding.state)) for binding in self._bindings]
        if all(end is not None and kept >= end and factor == 0.0 for end, factor in ends):
            self.told_of_end = True
            self._notes.append(
                coded(
                    "RS208",
                    f"ScheduleLR: the optimizer's state was loaded at step {kept}, and the schedule has ended by then: "
                    "it stays at 0; call step_to(0) to begin anew",
                )
            )
        else:
            self._note_controllers(kept, anew)
        if not self._counting:
            self._steps_alone = 0
            for optimizer in self._bindings.optimizers:  # any of them may rest for a while
                watch_update(optimizer, self)
        return kept

    def _note_controllers(self, kept: int, anew: bool) -> None:
        """Note it if a controller has not heard what it had when the groups were written."""
        if any(own.listens and (anew or not own.agrees(kept)) for own in self._bindings):
            self._lost = coded(
                "RS209",
                f"ScheduleLR: the optimizer's state was loaded at step {kept}, and does not say what a controller had "
                "heard by then; load the scheduler's state too",
            )

    @property
    def went_on(self) -> bool:
        """Whether the step was taken from loaded groups, and no update has been seen since."""
        return self._steps_alone is not None

    def saw_update(self) -> None:
        """Know that an optimizer has made an update."""
        self._steps_alone = None

    def say(self) -> None:
        """Warn of what was noticed, now that nothing more was loaded."""
        notes = self._notes + ([] if self._lost is None else [self._lost])
        self._notes, self._lost, self._told, self.is_pending = [], None, False, False
        if self._steps_alone is not None:
            self._steps_alone += 1
            self.is_pending = True
            if self._steps_alone == MOST_ALONE:
                notes.append(
                    coded(
                        "RS210",
                        f"ScheduleLR: it went on from the loaded optimizer's step, and was stepped {MOST_ALONE} times "
                        "without an update; to step it forward yourself begin with step_to(0), or call step_to(k) once",
                    )
                )
                self._steps_alone = None
        warn_user(notes)

    def forget(self, *, all_is_known: bool = False) -> None:
        """Forget what was noticed: the user has said at which step it is, or has loaded everything.

        Until the next step what stands in the groups does not count against that.
        """
        self._notes, self._steps_alone, self._told, self.is_pending = [], None, True, True
        if all_is_known:
            self._lost, self.without_base = None, None

    def forget_end(self) -> None:
        """Forget that the schedule had ended: it was made longer."""
        self._notes = [note for note in self._notes if "[RS208]" not in note]
        self.told_of_end = False

    def trust_base(self) -> None:
        """Take the base for known from now on."""
        self.without_base = None

    def refuse_jump(self, step: int, before: int | None) -> None:
        """Raise ValueError if the step jumps forward on a base that nobody knows; by single steps it is a new run."""
        if self.without_base is not None and step > (before or 0) + 1:
            raise ValueError(self._no_base(f"to go on at step {step}", self.without_base, built=True))
        if step:
            self.without_base = None

    def _no_base(self, where: str, of: tuple[Binding, Group], built: bool) -> str:
        """Return the message for an optimizer that was trained, and that nobody knows the base values of."""
        binding, group = of
        value, base = float(binding.key.now(group)), binding.key.base
        place = name_of(place_of(group, self._bindings.groups()), group)
        call = "set_base_lr(...)" if binding.name == "lr" else f"set_base({binding.name!r}, ...)"
        remedy = f"call {call} with" if built else f"set group[{base!r}] to"
        return (
            f"ScheduleLR: the base of {binding.name!r} must be known {where}, got an optimizer that was trained "
            f"before, whose group {place} is at {value:g} and came without {base!r}; load the scheduler's state, or "
            f"{remedy} the value that training began with"
        )


def _new_phase(binding: Binding, group: Group) -> str:
    """Return the note for a loaded optimizer without a base, whose present values are taken for the first."""
    return coded(
        "RS211",
        f"ScheduleLR: the optimizer's state was loaded without {binding.key.base!r}, so this is a new run from the "
        f"present {binding.name!r} of {float(binding.key.now(group)):g}; to go on with the old one load the "
        f"scheduler's state, or set group[{binding.key.base!r}] and give last_epoch",
    )
