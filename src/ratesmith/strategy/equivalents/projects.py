"""The schedules of OLMo, detectron2, DINOv2 and HyperbolicLR, in notation.

Options have the names, the order and the defaults of the project, without the optimizer or the schedule inside, which
comes first. Nothing of it is imported.
"""

from __future__ import annotations

from ratesmith.strategy.equivalents.answer import OF_THE_RATE, Answer, Equivalent, call, unless, written


def larger() -> Equivalent:
    """Return what `MaxScheduler` is here."""
    return Equivalent("max(cosine(final=0.1), inverse_sqrt(100))", note="min takes the smaller", is_example=True)


def bolted_on(warmup_start: int = 0, warmup_end: int | None = None) -> Equivalent:
    """Return what `BoltOnWarmupScheduler` is here."""
    warmup = "5%" if warmup_end is None or warmup_start else warmup_end
    note = "into is the schedule that it leads into"
    return Equivalent(f"{call('warmup', warmup)[:-1]}, into=cosine())", note=note, is_example=True)


def warmed_into(warmup_factor: float | None = None, warmup_length: float | None = None) -> Equivalent:
    """Return what `WarmupParamScheduler` is here: its length is a share of training."""
    start = 0.001 if warmup_factor is None else warmup_factor
    length = "5%" if warmup_length is None else f"{100 * warmup_length:g}%"
    warmup = call("warmup", length, start=start)
    note = "into is the schedule that it leads into; with rescale_interval it stands behind >>"
    return Equivalent(f"{warmup[:-1]}, into=cosine())", note=note, is_example=True)


def warmup_multistep(
    milestones: list[int] | None = None, gamma: float = 0.1, warmup_factor: float = 0.001, warmup_iters: int = 1000
) -> Equivalent:
    """Return what `WarmupMultiStepLR` is here."""
    points = ["60%", "80%"] if milestones is None else milestones
    notation = f"{call('warmup', warmup_iters, start=warmup_factor)} * {call('multistep', points, gamma=gamma)}"
    return Equivalent(notation, is_example=milestones is None)


def warmup_cosine(max_iters: int | None = None, warmup_factor: float = 0.001, warmup_iters: int = 1000) -> Equivalent:
    """Return what `WarmupCosineLR` is here."""
    return Equivalent(f"{call('warmup', warmup_iters, start=warmup_factor)} * cosine()", max_iters)


def olmo(rest: str) -> Answer:
    """Return the answer to one of OLMo's schedules, which begin at a tenth of their rate."""

    def answer(warmup_steps: int | None = None, alpha_f: float = 0.1, t_max: int | None = None) -> Equivalent:
        warmup = call("warmup", "5%" if warmup_steps is None else warmup_steps, start=0.1)
        final = {"ALPHA": written(alpha_f), "REST": written(1 - alpha_f)}
        notation = rest
        for name, number in final.items():
            notation = notation.replace(name, number)
        return Equivalent(f"{warmup} >> {notation}", t_max, is_example=warmup_steps is None)

    return answer


def hyperbolic(exponential: bool) -> Answer:
    """Return the answer to `HyperbolicLR` or `ExpHyperbolicLR`."""

    def answer(
        upper_bound: int | None = None,
        max_iter: int | None = None,
        infimum_lr: float | None = None,
        init_lr: float | None = None,
    ) -> Equivalent:
        bound = "100%" if upper_bound is None else upper_bound
        known = init_lr is not None and infimum_lr is not None
        infimum, note = (infimum_lr / init_lr, "") if known else (0.01, OF_THE_RATE.format("infimum", "infimum_lr"))  # type: ignore[operator]
        notation = call("hyperbolic", bound, infimum=infimum)
        if exponential:
            notation = f"{notation[:-1]}, exponential=True)"
        return Equivalent(notation, max_iter, note=note, is_example=upper_bound is None)

    return answer


def dinov2(
    base_value: float | None = None,
    final_value: float | None = None,
    total_iters: int | None = None,
    warmup_iters: int = 0,
    start_warmup_value: float = 0.0,
    freeze_iters: int = 0,
) -> Equivalent:
    """Return what DINOv2's `CosineScheduler` is here."""
    if not base_value or final_value is None:
        return Equivalent('warmup("5%", inclusive="both") >> cosine()', is_example=True)
    decay = call("cosine", final=unless(0, final_value / base_value))
    start = unless(0, start_warmup_value / base_value)
    warmup = f"{call('warmup', warmup_iters, start=start, inclusive='both')} >> " if warmup_iters else ""
    frozen = f"Constant(0, {freeze_iters}) >> " if freeze_iters else ""
    return Equivalent(f"{frozen}{warmup}{decay}", total_iters)
