"""PyTorch's and timm's schedulers, in notation.

Options have the names, the order and the defaults of the library, without the optimizer, which comes first in some.
Nothing of it is imported.
"""

from __future__ import annotations

from typing import Any

from ratesmith.strategy.equivalents.answer import (
    OF_THE_RATE,
    PEAK_IS_BASE,
    Equivalent,
    call,
    epochs,
    final_share,
    unless,
    with_warmup,
)


def step_lr(step_size: int | None = None, gamma: float = 0.1) -> Equivalent:
    """Return what `StepLR` is here."""
    if step_size is None:
        return Equivalent(call("step", "30%", gamma=gamma), is_example=True)
    by_epoch = call("step", epochs(step_size), gamma=gamma)
    return Equivalent(call("step", step_size, gamma=gamma), by_epoch=by_epoch)


def multi_step_lr(milestones: list[int] | None = None, gamma: float = 0.1) -> Equivalent:
    """Return what `MultiStepLR` is here."""
    if milestones is None:
        return Equivalent(call("multistep", ["50%", "75%"], gamma=gamma), is_example=True)
    points = sorted(milestones)
    by_epoch = call("multistep", [epochs(point) for point in points], gamma=gamma)
    return Equivalent(call("multistep", points, gamma=gamma), by_epoch=by_epoch)


def constant_lr(factor: float = 1 / 3, total_iters: int = 5) -> Equivalent:
    """Return what `ConstantLR` is here."""
    by_epoch = call("piecewise_constant", [epochs(total_iters)], [factor, 1])
    return Equivalent(call("piecewise_constant", [total_iters], [factor, 1]), by_epoch=by_epoch)


def linear_lr(start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5) -> Equivalent:
    """Return what `LinearLR` is here."""
    if end_factor == 1.0 and 0 <= start_factor <= 1:
        warmup, by_epoch = (call("warmup", n, start=start_factor) for n in (total_iters, epochs(total_iters)))
        return Equivalent(warmup, by_epoch=by_epoch)
    ramp, by_epoch = (call("ramp", start_factor, end_factor, n) for n in (total_iters, epochs(total_iters)))
    return Equivalent(ramp, by_epoch=by_epoch)


def exponential_lr(gamma: float | None = None) -> Equivalent:
    """Return what `ExponentialLR` is here."""
    factor = 0.95 if gamma is None else gamma
    by_epoch = call("exponential", factor, every="1ep")
    return Equivalent(call("exponential", factor), by_epoch=by_epoch, is_example=gamma is None)


def polynomial_lr(total_iters: int = 5, power: float = 1.0) -> Equivalent:
    """Return what `PolynomialLR` is here."""
    return Equivalent(call("polynomial", power), total_iters)


def cosine_annealing_lr(T_max: int | None = None, eta_min: float = 0.0) -> Equivalent:  # noqa: N803  # torch's name
    """Return what `CosineAnnealingLR` is here."""
    final, note = final_share("eta_min", eta_min)
    return Equivalent(call("cosine", final=final), T_max, note=note)


def warm_restarts(T_0: int | None = None, T_mult: int = 1, eta_min: float = 0.0) -> Equivalent:  # noqa: N803
    """Return what `CosineAnnealingWarmRestarts` is here."""
    final, note = final_share("eta_min", eta_min)
    growth = unless(1, T_mult)
    if T_0 is None:
        return Equivalent(call("sgdr", "25%", growth=growth, final=final), note=note, is_example=True)
    restarts, by_epoch = (call("sgdr", first, growth=growth, final=final) for first in (T_0, epochs(T_0)))
    return Equivalent(restarts, by_epoch=by_epoch, note=note)


def cyclic_lr(
    base_lr: float | None = None,
    max_lr: float | None = None,
    step_size_up: int = 2000,
    step_size_down: int | None = None,
    mode: str = "triangular",
    gamma: float = 1.0,
) -> Equivalent:
    """Return what `CyclicLR` is here."""
    low = 0.1 if base_lr is None or max_lr is None else base_lr / max_lr
    decay = gamma if mode == "exp_range" else None
    down = [] if step_size_down is None else [step_size_down]
    notation = call("cyclic", step_size_up, *down, low=low, mode=unless("triangular", mode), gamma=decay)
    return Equivalent(notation, note=PEAK_IS_BASE.format("max_lr"), is_example=base_lr is None or max_lr is None)


def one_cycle_lr(
    max_lr: float | None = None,
    total_steps: int | None = None,
    epochs: int | None = None,
    steps_per_epoch: int | None = None,
    pct_start: float = 0.3,
    anneal_strategy: str = "cos",
    cycle_momentum: bool = True,
    base_momentum: float = 0.85,
    max_momentum: float = 0.95,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
    three_phase: bool = False,
) -> Equivalent:
    """Return what `OneCycleLR` is here."""
    steps = epochs * steps_per_epoch if total_steps is None and epochs and steps_per_epoch else total_steps
    notation = call(
        "one_cycle",
        peak=unless("30%", f"{100 * pct_start:g}%"),
        start=unless(0.04, 1 / div_factor),
        final=unless(4e-6, round(1 / (div_factor * final_div_factor), 15)),
        shape="linear" if anneal_strategy == "linear" else None,
        phases=3 if three_phase else None,
    )
    note = "the initial rate is max_lr, and PyTorch's peak comes a step earlier"
    return Equivalent(notation, steps, by_epoch=None, note=note)


def own_rule() -> Equivalent:
    """Return what `LambdaLR` and `LearningRateScheduler` are here."""
    return Equivalent('custom("rule")', note="rule is a function of the step in your file", is_example=True)


def own_changes() -> Equivalent:
    """Return what `MultiplicativeLR` is here."""
    note = "rule is a function of the step in your file, and gives the factor itself, not its change"
    return Equivalent('custom("rule")', note=note, is_example=True)


def plateau(
    mode: str = "min",
    factor: float = 0.1,
    patience: int = 10,
    threshold: float = 1e-4,
    threshold_mode: str = "rel",
    cooldown: int = 0,
    min_lr: float = 0.0,
) -> Equivalent:
    """Return what `ReduceLROnPlateau` and `reduce_lr_on_plateau` are here."""
    if mode not in ("min", "max", "auto"):  # the metric, which comes first in Keras
        raise ValueError(f"{mode!r} is no mode")
    floor, note = (0.001, OF_THE_RATE.format("floor", "min_lr")) if min_lr else (None, "")
    notation = call(
        "plateau",
        factor=unless(0.1, factor),
        patience=unless(10, patience),
        threshold=unless(1e-4, threshold),
        threshold_mode=unless("rel", threshold_mode),
        cooldown=unless(0, cooldown),
        floor=floor,
        mode="max" if mode == "max" else None,
    )
    return Equivalent(notation, note=note)


def in_turn() -> Equivalent:
    """Return what `SequentialLR` and `join_schedules` are here."""
    return Equivalent("warmup(5) >> cosine()", note="parts are joined with >>", is_example=True)


def at_once() -> Equivalent:
    """Return what `ChainedScheduler` is here."""
    return Equivalent("warmup(5) * exponential(0.99)", note="parts are multiplied with *", is_example=True)


def timm_cosine(
    t_initial: int | None = None,
    lr_min: float = 0.0,
    cycle_mul: float = 1.0,
    cycle_decay: float = 1.0,
    cycle_limit: int = 1,
    warmup_t: int = 0,
    k_decay: float = 1.0,
) -> Equivalent:
    """Return what `CosineLRScheduler` is here."""
    final, note = final_share("lr_min", lr_min)
    late = unless(1, k_decay)
    if cycle_limit == 1 or t_initial is None:
        return Equivalent(with_warmup(warmup_t, None, call("cosine", final=final, k_decay=late)), t_initial, note=note)
    more = {"growth": unless(1, cycle_mul), "height": unless(1, cycle_decay), "final": final}
    cycles, by_epoch = (
        with_warmup(warm, None, call("sgdr", first, **more, cycles=cycle_limit, k_decay=late))
        for first, warm in ((t_initial, warmup_t), (epochs(t_initial), epochs(warmup_t) if warmup_t else 0))
    )
    return Equivalent(cycles, by_epoch=by_epoch, note=note)


def timm_steps(decay_t: Any = None, decay_rate: float = 1.0) -> Equivalent:
    """Return what `StepLRScheduler` and `MultiStepLRScheduler` are here."""
    return multi_step_lr(decay_t, decay_rate) if isinstance(decay_t, list) else step_lr(decay_t, decay_rate)


def timm_tanh(t_initial: int | None = None, lb: float = -7.0, ub: float = 3.0) -> Equivalent:
    """Return what `TanhLRScheduler` is here."""
    return Equivalent(call("tanh", lb, ub), t_initial)


def timm_polynomial(
    t_initial: int | None = None, power: float = 0.5, lr_min: float = 0.0, k_decay: float = 1.0
) -> Equivalent:
    """Return what `PolyLRScheduler` is here."""
    final, note = final_share("lr_min", lr_min)
    return Equivalent(call("polynomial", power, final=final, k_decay=unless(1, k_decay)), t_initial, note=note)


def timm_stable(t_initial: int | None = None, decay_t: int | None = None, lr_min: float = 0.0) -> Equivalent:
    """Return what `WSDLRScheduler` is here."""
    final, note = final_share("lr_min", lr_min)
    if decay_t is None:
        return Equivalent(call("wsd", decay="20%", final=final), t_initial, note=note, is_example=True)
    by_epoch = call("wsd", decay=epochs(decay_t), final=final)
    return Equivalent(call("wsd", decay=decay_t, final=final), t_initial, by_epoch=by_epoch, note=note)


def timm_plateau(decay_rate: float = 0.1, patience_t: int = 10) -> Equivalent:
    """Return what `PlateauLRScheduler` is here."""
    return plateau(factor=decay_rate, patience=patience_t)
