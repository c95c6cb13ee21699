"""A binding's part of a saved state: the schedule's text and state, its floor, and each group's numbers."""

from __future__ import annotations

from typing import Any

from ratesmith.torch.base_notes import other_base
from ratesmith.torch.binding import Binding
from ratesmith.torch.key import Group, near
from ratesmith.torch.slot import Slot


def saved(binding: Binding, groups: list[Group]) -> dict[str, Any]:
    """Return everything as plain data of its own."""
    key, covered = binding.key, {id(slot.group): slot for slot in binding.slots}
    slots = [covered.get(id(group)) for group in groups]
    floor = binding.floor.kept()
    return {
        "key": binding.name,
        "schedule": binding.text,
        "absolute": binding.absolute,
        "state": _plain_data(binding.state),
        "base": binding.bases(groups),
        "value": [None if slot is None else float(key.now(slot.group)) for slot in slots],
        "written": [None if slot is None else float(slot.written) for slot in slots],
        "given": [None if slot is None else float(slot.group[key.given]) for slot in slots],
        **({**floor, "factor": binding.last_factor} if floor else {}),  # it can't be told from a value at the floor
        **({"functions": dict(binding.functions)} if binding.functions else {}),
    }


def load(binding: Binding, data: dict[str, Any], groups: list[Group]) -> list[str]:
    """Take the groups' numbers as they were saved; return what to say of their bases, a line each.

    The value that stood in a group and the one that was written last differ if somebody had set another since, or
    if another scheduler's turn had come. They are put back as they were, to be judged as they would have been.
    """
    key, slots = binding.key, {id(slot.group): slot for slot in binding.slots}
    nothing = [None] * len(groups)
    lists = [data.get(name, nothing) for name in ("base", "value", "written", "given")]
    notes = []
    for place, (group, base, value, written, given) in enumerate(zip(groups, *lists, strict=True)):
        slot = slots.get(id(group))
        if slot is None or base is None:
            continue
        given = base if given is None else given  # a state of the first format does not tell the two apart
        if slot.given is not None and not near(given, slot.given):
            notes += other_base(binding, place, group, base, slot.given)
        group[key.base], group[key.given] = base, given
        slot.base, slot.given = base, None if slot.given is None else given  # it is said once
        slot.is_marked = False
        if value is not None and written is not None:
            _restore(binding, slot, value, written)
    if data.get("factor") is not None:
        binding.last_factor = data["factor"]
    if lists[1] is nothing:
        binding.forget_new_values()
    return notes


def _restore(binding: Binding, slot: Slot, value: float, written: float) -> None:
    slot.written = value if value == written else written
    factor = binding.floor.factor(slot.base, written)
    if factor is not None and not binding.absolute:
        binding.last_factor = factor
    if slot.cell is None:
        binding.key.put(slot.group, slot.written if value == written else value)
        return
    slot.cell.fill_(value)
    binding.key.put(slot.group, slot.cell)
    slot.note_version(value)


def mark_step(binding: Binding, step: int) -> None:
    """Keep in the groups which step their values belong to, and which schedule; the values stay."""
    if step < 0:
        return
    factor = binding.factor(step, binding.state)
    if binding.last_factor is None or near(factor, binding.last_factor):
        binding.last_factor = factor  # to the last bit
    binding.last_step = step
    binding.put_marks()


def _plain_data(state: Any) -> Any:
    return [_plain_data(part) for part in state] if isinstance(state, tuple) else state
