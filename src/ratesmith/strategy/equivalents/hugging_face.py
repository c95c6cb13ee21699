"""The schedules of Transformers, in notation.

Options have the names, the order and the defaults of the library, without the optimizer, which comes first in some.
Nothing of it is imported.
"""

from __future__ import annotations

from ratesmith.strategy.equivalents.answer import OF_THE_RATE, Answer, Equivalent, call


def after_warmup(rest: str) -> Answer:
    """Return the answer to a schedule that begins with a warm-up and goes on with the rest."""

    def answer(num_warmup_steps: int | None = None, num_training_steps: int | None = None) -> Equivalent:
        warmup = "5%" if num_warmup_steps is None else num_warmup_steps
        return Equivalent(
            f"{call('warmup', warmup)} >> {rest}", num_training_steps, is_example=num_warmup_steps is None
        )

    return answer


def hard_restarts(
    num_warmup_steps: int | None = None, num_training_steps: int | None = None, num_cycles: int = 1
) -> Equivalent:
    """Return what `cosine_with_restarts` and `get_cosine_with_hard_restarts_schedule_with_warmup` are here."""
    return after_warmup(call("cosine_restarts", num_cycles))(num_warmup_steps, num_training_steps)


def min_lr(
    num_warmup_steps: int | None = None,
    num_training_steps: int | None = None,
    num_cycles: float = 0.5,
    last_epoch: int = -1,
    min_lr: float | None = None,
    min_lr_rate: float | None = None,
) -> Equivalent:
    """Return what `cosine_with_min_lr` and `cosine_warmup_with_min_lr` are here."""
    final, note = (0.1, OF_THE_RATE.format("final", "min_lr")) if min_lr_rate is None else (min_lr_rate, "")
    here = after_warmup(call("cosine", final=final))(num_warmup_steps, num_training_steps)
    return here._replace(note=note)


def min_lr_ahead(
    num_warmup_steps: int | None = None,
    num_training_steps: int | None = None,
    num_cycles: float = 0.5,
    last_epoch: int = -1,
    min_lr: float | None = None,
    min_lr_rate: float | None = None,
) -> Equivalent:
    """Return what `cosine_warmup_with_min_lr` is here: its warm-up and its cosine are a step ahead."""
    final, note = (0.1, OF_THE_RATE.format("final", "min_lr")) if min_lr_rate is None else (min_lr_rate, "")
    warmup = call("warmup", "5%" if num_warmup_steps is None else num_warmup_steps, inclusive="right")
    notation = f"{warmup} >> shift({call('cosine', final=final)}, -1)"
    return Equivalent(notation, num_training_steps, note=note, is_example=num_warmup_steps is None)


def polynomial(
    num_warmup_steps: int | None = None,
    num_training_steps: int | None = None,
    lr_end: float = 1e-7,
    power: float = 1.0,
) -> Equivalent:
    """Return what `get_polynomial_decay_schedule_with_warmup` is here; an end that is next to nothing is 0."""
    final, note = (None, "") if lr_end <= 1e-7 else (0.01, OF_THE_RATE.format("final", "lr_end"))
    here = after_warmup(call("polynomial", *([] if power == 1 else [power]), final=final))
    return here(num_warmup_steps, num_training_steps)._replace(note=note)


def inverse_sqrt(num_warmup_steps: int | None = None, timescale: int | None = None) -> Equivalent:
    """Return what `get_inverse_sqrt_schedule` is here."""
    warmup = "5%" if num_warmup_steps is None else num_warmup_steps
    if timescale is not None and timescale != num_warmup_steps:
        notation = f"{call('warmup', warmup)} >> {call('InverseSqrt', timescale)}"
        return Equivalent(notation, is_example=num_warmup_steps is None)
    return Equivalent(call("inverse_sqrt", warmup), is_example=num_warmup_steps is None)


def stable(num_warmup_steps: int | None = None, num_decay_steps: int | None = None) -> Equivalent:
    """Return what `warmup_stable_decay` and `get_wsd_schedule` are here."""
    warmup, decay = (share if n is None else n for n, share in ((num_warmup_steps, "5%"), (num_decay_steps, "20%")))
    notation = f"{call('warmup', warmup)} >> {call('wsd', decay=decay, shape='cosine')}"
    return Equivalent(notation, is_example=num_warmup_steps is None or num_decay_steps is None)
