"""The schedules of Keras and optax, in notation.

Options have the names, the order and the defaults of the library, without the optimizer, which comes first in some.
Nothing of it is imported.
"""

from __future__ import annotations

from ratesmith.strategy.equivalents.answer import (
    PEAK_IS_BASE,
    Equivalent,
    call,
    final_share,
    unless,
    with_warmup,
    written,
)
from ratesmith.strategy.equivalents.torch_timm import multi_step_lr, one_cycle_lr


def _exponential(
    initial: float | None, steps: int | None, rate: float | None, staircase: bool, lowest: float | None = None
) -> Equivalent:
    every, gamma = ("10%" if steps is None else steps), (0.9 if rate is None else rate)
    notation = call("step", every, gamma=gamma) if staircase else call("exponential", gamma, every=every)
    if lowest and initial:
        notation = f"clip({notation}, {'low' if gamma < 1 else 'high'}={written(lowest / initial)})"
    return Equivalent(notation, is_example=steps is None or rate is None)


def keras_exponential(
    initial_learning_rate: float | None = None,
    decay_steps: int | None = None,
    decay_rate: float | None = None,
    staircase: bool = False,
) -> Equivalent:
    """Return what `ExponentialDecay` is here."""
    return _exponential(initial_learning_rate, decay_steps, decay_rate, staircase)


def keras_cosine(
    initial_learning_rate: float | None = None,
    decay_steps: int | None = None,
    alpha: float = 0.0,
    name: str = "",
    warmup_target: float | None = None,
    warmup_steps: int = 0,
) -> Equivalent:
    """Return what `CosineDecay` is here."""
    start = initial_learning_rate / warmup_target if initial_learning_rate and warmup_target else None
    steps = None if decay_steps is None else decay_steps + warmup_steps
    notation = with_warmup(warmup_steps, start, call("cosine", final=unless(0, alpha)))
    return Equivalent(notation, steps, note=PEAK_IS_BASE.format("warmup_target") if warmup_steps else "")


def keras_restarts(
    initial_learning_rate: float | None = None,
    first_decay_steps: int | None = None,
    t_mul: float = 2.0,
    m_mul: float = 1.0,
    alpha: float = 0.0,
) -> Equivalent:
    """Return what `CosineDecayRestarts` is here."""
    first = "25%" if first_decay_steps is None else first_decay_steps
    notation = call("sgdr", first, growth=unless(1, t_mul), height=unless(1, m_mul))
    if alpha:
        notation = f"{written(alpha)} + {written(1 - alpha)} * {notation}"
    return Equivalent(notation, is_example=first_decay_steps is None)


def keras_polynomial(
    initial_learning_rate: float | None = None,
    decay_steps: int | None = None,
    end_learning_rate: float = 1e-4,
    power: float = 1.0,
    cycle: bool = False,
) -> Equivalent:
    """Return what `PolynomialDecay` is here."""
    final, note = final_share("end_learning_rate", end_learning_rate, initial_learning_rate)
    if cycle:
        length = "25%" if decay_steps is None else decay_steps
        return Equivalent(call("polynomial", power, final=final, cycle=length), note=note, is_example=not decay_steps)
    return Equivalent(call("polynomial", power, final=final), decay_steps, note=note)


def keras_inverse_time(
    initial_learning_rate: float | None = None,
    decay_steps: int | None = None,
    decay_rate: float | None = None,
    staircase: bool = False,
) -> Equivalent:
    """Return what `InverseTimeDecay` is here."""
    every, rate = ("10%" if decay_steps is None else decay_steps), (0.5 if decay_rate is None else decay_rate)
    notation = call("inverse_time", rate, every=every)
    is_example = decay_steps is None or decay_rate is None
    return Equivalent(f"hold({notation}, {written(every)})" if staircase else notation, is_example=is_example)


def keras_piecewise(boundaries: list[int] | None = None, values: list[float] | None = None) -> Equivalent:
    """Return what `PiecewiseConstantDecay` is here."""
    if boundaries is None or values is None:
        return Equivalent('piecewise_constant(["50%", "75%"], [1, 0.1, 0.01])', is_example=True)
    shares = [value / max(values) for value in values]  # Keras changes a step after its boundary
    notation = call("piecewise_constant", [boundary + 1 for boundary in boundaries], shares)
    return Equivalent(notation, note=PEAK_IS_BASE.format("the largest of the values"))


def optax_cosine(
    init_value: float | None = None, decay_steps: int | None = None, alpha: float = 0.0, exponent: float = 1.0
) -> Equivalent:
    """Return what `cosine_decay_schedule` is here."""
    return Equivalent(call("cosine", final=unless(0, alpha), power=unless(1, exponent)), decay_steps)


def optax_warmup_cosine(
    init_value: float = 0.0,
    peak_value: float | None = None,
    warmup_steps: int | None = None,
    decay_steps: int | None = None,
    end_value: float = 0.0,
    exponent: float = 1.0,
) -> Equivalent:
    """Return what `warmup_cosine_decay_schedule` is here."""
    final, note = final_share("end_value", end_value, peak_value)
    start = init_value / peak_value if init_value and peak_value else None
    warmup = "5%" if warmup_steps is None else warmup_steps
    notation = with_warmup(warmup, start, call("cosine", final=final, power=unless(1, exponent)))
    note = note or PEAK_IS_BASE.format("peak_value")
    return Equivalent(notation, decay_steps, note=note, is_example=warmup_steps is None)


def optax_exponential(
    init_value: float | None = None,
    transition_steps: int | None = None,
    decay_rate: float | None = None,
    transition_begin: int = 0,
    staircase: bool = False,
    end_value: float | None = None,
) -> Equivalent:
    """Return what `exponential_decay` is here."""
    here = _exponential(init_value, transition_steps, decay_rate, staircase, end_value)
    return here._replace(notation=_after(transition_begin, here.notation))


def optax_warmup_exponential(
    init_value: float = 0.0,
    peak_value: float | None = None,
    warmup_steps: int = 0,
    transition_steps: int | None = None,
    decay_rate: float | None = None,
    transition_begin: int = 0,
    staircase: bool = False,
    end_value: float | None = None,
) -> Equivalent:
    """Return what `warmup_exponential_decay_schedule` is here."""
    here = optax_exponential(peak_value, transition_steps, decay_rate, transition_begin, staircase, end_value)
    start = init_value / peak_value if init_value and peak_value else None
    return here._replace(notation=with_warmup(warmup_steps, start, here.notation))


def _after(begin: int, notation: str) -> str:
    return f"{call('constant', begin)} >> {notation}" if begin else notation


def optax_piecewise(
    init_value: float | None = None, boundaries_and_scales: dict[int, float] | None = None
) -> Equivalent:
    """Return what `piecewise_constant_schedule` is here."""
    if not boundaries_and_scales:
        return multi_step_lr()._replace(by_epoch="")
    points, scales = zip(*sorted(boundaries_and_scales.items()), strict=True)
    if len(set(scales)) == 1:
        return Equivalent(call("multistep", list(points), gamma=scales[0]))
    shares = [1.0]
    for scale in scales:
        shares.append(shares[-1] * scale)
    return Equivalent(call("piecewise_constant", list(points), shares))


def optax_linear(
    init_value: float | None = None,
    end_value: float | None = None,
    transition_steps: int | None = None,
    transition_begin: int = 0,
) -> Equivalent:
    """Return what `linear_schedule` is here."""
    if init_value is None or end_value is None or transition_steps is None:
        return Equivalent("linear(final=0.1)", is_example=True)
    top = max(init_value, end_value)
    ramp = call("ramp", init_value / top, end_value / top, transition_steps)
    before = f"{call('Constant', init_value / top, transition_begin)} >> " if transition_begin else ""
    return Equivalent(before + ramp, note=PEAK_IS_BASE.format("the larger of the two values"))


def optax_polynomial(
    init_value: float | None = None,
    end_value: float | None = None,
    power: float = 1.0,
    transition_steps: int | None = None,
) -> Equivalent:
    """Return what `polynomial_schedule` is here."""
    if init_value is not None and end_value is not None and init_value < end_value:
        rise, note = 1 - init_value / end_value, PEAK_IS_BASE.format("end_value")
        return Equivalent(f"1 - {written(rise)} * {call('polynomial', power)}", transition_steps, note=note)
    final, note = final_share("end_value", end_value, init_value)
    return Equivalent(call("polynomial", power, final=final), transition_steps, note=note)


def optax_cosine_onecycle(
    transition_steps: int | None = None,
    peak_value: float | None = None,
    pct_start: float = 0.3,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> Equivalent:
    """Return what `cosine_onecycle_schedule` is here."""
    options = {"pct_start": pct_start, "div_factor": div_factor, "final_div_factor": final_div_factor}
    return one_cycle_lr(total_steps=transition_steps, **options)._replace(note=PEAK_IS_BASE.format("peak_value"))  # type: ignore[arg-type]  # numbers


def optax_linear_onecycle(
    transition_steps: int | None = None,
    peak_value: float | None = None,
    pct_start: float = 0.3,
    pct_final: float = 0.85,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> Equivalent:
    """Return what `linear_onecycle_schedule` is here."""
    points = [
        f"{100 * share:g}%" if transition_steps is None else int(share * transition_steps)
        for share in (pct_start, pct_final)
    ]
    final = round(1 / (div_factor * final_div_factor), 15)
    start = unless(0.04, 1 / div_factor)
    options = {"peak": points[0], "back": points[1], "start": start, "final": unless(4e-6, final), "shape": "linear"}
    return Equivalent(call("one_cycle", **options), transition_steps, note=PEAK_IS_BASE.format("peak_value"))


def optax_sgdr(cosine_kwargs: object = None) -> Equivalent:
    """Return what `sgdr_schedule` is here."""
    return Equivalent('sgdr("25%", height=0.5, warmup="5%")', is_example=True)


def constant() -> Equivalent:
    """Return what `constant_schedule` and `get_constant_schedule` are here."""
    return Equivalent("constant()")


def optax_warmup(
    init_value: float = 0.0, peak_value: float | None = None, warmup_steps: int | None = None
) -> Equivalent:
    """Return what `warmup_constant_schedule` is here."""
    start = init_value / peak_value if init_value and peak_value else None
    warmup = call("warmup", "5%" if warmup_steps is None else warmup_steps, start=start)
    return Equivalent(f"{warmup} >> constant()", is_example=warmup_steps is None)
