"""The names that other libraries give their schedules: a text with one is refused with what it is here."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from ratesmith.strategy.equivalents import hugging_face, keras_optax, projects, torch_timm
from ratesmith.strategy.equivalents.answer import Answer, Equivalent

UNREAD: Final = object()
"""Stands for an option that is no plain value, such as an optimizer or a function."""
LONGEST: Final = 300
"""Characters of an answer's notation; an example is given in the place of a longer one."""
PYTORCH, TIMM, KERAS, OPTAX, TRANSFORMERS = "PyTorch's", "timm's", "Keras'", "optax'", "Transformers'"
OLMO, DETECTRON2 = "OLMo's", "detectron2's"
STEPPED_BY_EPOCH: Final = (PYTORCH, TIMM)
"""Whose schedulers are mostly stepped once an epoch, so that their lengths are epochs."""
OTHER_NAMES: Final[Mapping[str, tuple[str, Answer]]] = MappingProxyType(
    {
        "StepLR": (PYTORCH, torch_timm.step_lr),
        "MultiStepLR": (PYTORCH, torch_timm.multi_step_lr),
        "ConstantLR": (PYTORCH, torch_timm.constant_lr),
        "LinearLR": (PYTORCH, torch_timm.linear_lr),
        "ExponentialLR": (PYTORCH, torch_timm.exponential_lr),
        "PolynomialLR": (PYTORCH, torch_timm.polynomial_lr),
        "CosineAnnealingLR": (PYTORCH, torch_timm.cosine_annealing_lr),
        "CosineAnnealingWarmRestarts": (PYTORCH, torch_timm.warm_restarts),
        "CyclicLR": (PYTORCH, torch_timm.cyclic_lr),
        "OneCycleLR": (PYTORCH, torch_timm.one_cycle_lr),
        "LambdaLR": (PYTORCH, torch_timm.own_rule),
        "MultiplicativeLR": (PYTORCH, torch_timm.own_changes),
        "ReduceLROnPlateau": ("PyTorch's and Keras'", torch_timm.plateau),
        "SequentialLR": (PYTORCH, torch_timm.in_turn),
        "ChainedScheduler": (PYTORCH, torch_timm.at_once),
        "CosineLRScheduler": (TIMM, torch_timm.timm_cosine),
        "StepLRScheduler": (TIMM, torch_timm.timm_steps),
        "MultiStepLRScheduler": (TIMM, torch_timm.timm_steps),
        "TanhLRScheduler": (TIMM, torch_timm.timm_tanh),
        "PolyLRScheduler": (TIMM, torch_timm.timm_polynomial),
        "WSDLRScheduler": (TIMM, torch_timm.timm_stable),
        "PlateauLRScheduler": (TIMM, torch_timm.timm_plateau),
        "ExponentialDecay": (KERAS, keras_optax.keras_exponential),
        "CosineDecay": (KERAS, keras_optax.keras_cosine),
        "CosineDecayRestarts": (KERAS, keras_optax.keras_restarts),
        "PolynomialDecay": (KERAS, keras_optax.keras_polynomial),
        "InverseTimeDecay": (KERAS, keras_optax.keras_inverse_time),
        "PiecewiseConstantDecay": (KERAS, keras_optax.keras_piecewise),
        "LearningRateScheduler": (KERAS, torch_timm.own_rule),
        "constant_schedule": (OPTAX, keras_optax.constant),
        "cosine_decay_schedule": (OPTAX, keras_optax.optax_cosine),
        "warmup_cosine_decay_schedule": (OPTAX, keras_optax.optax_warmup_cosine),
        "exponential_decay": (OPTAX, keras_optax.optax_exponential),
        "warmup_exponential_decay_schedule": (OPTAX, keras_optax.optax_warmup_exponential),
        "piecewise_constant_schedule": (OPTAX, keras_optax.optax_piecewise),
        "linear_schedule": (OPTAX, keras_optax.optax_linear),
        "polynomial_schedule": (OPTAX, keras_optax.optax_polynomial),
        "cosine_onecycle_schedule": (OPTAX, keras_optax.optax_cosine_onecycle),
        "linear_onecycle_schedule": (OPTAX, keras_optax.optax_linear_onecycle),
        "sgdr_schedule": (OPTAX, keras_optax.optax_sgdr),
        "warmup_constant_schedule": (OPTAX, keras_optax.optax_warmup),
        "join_schedules": (OPTAX, torch_timm.in_turn),
        "cosine_with_restarts": (TRANSFORMERS, hugging_face.hard_restarts),
        "cosine_with_min_lr": (TRANSFORMERS, hugging_face.min_lr),
        "cosine_warmup_with_min_lr": (TRANSFORMERS, hugging_face.min_lr_ahead),
        "warmup_stable_decay": (TRANSFORMERS, hugging_face.stable),
        "constant_with_warmup": (TRANSFORMERS, hugging_face.after_warmup("constant()")),
        "reduce_lr_on_plateau": (TRANSFORMERS, torch_timm.plateau),
        "get_constant_schedule": (TRANSFORMERS, keras_optax.constant),
        "get_constant_schedule_with_warmup": (TRANSFORMERS, hugging_face.after_warmup("constant()")),
        "get_linear_schedule_with_warmup": (TRANSFORMERS, hugging_face.after_warmup("linear()")),
        "get_cosine_schedule_with_warmup": (TRANSFORMERS, hugging_face.after_warmup("cosine()")),
        "get_cosine_with_hard_restarts_schedule_with_warmup": (TRANSFORMERS, hugging_face.hard_restarts),
        "get_cosine_with_min_lr_schedule_with_warmup": (TRANSFORMERS, hugging_face.min_lr),
        "get_cosine_with_min_lr_schedule_with_warmup_lr_rate": (TRANSFORMERS, hugging_face.min_lr_ahead),
        "get_polynomial_decay_schedule_with_warmup": (TRANSFORMERS, hugging_face.polynomial),
        "get_inverse_sqrt_schedule": (TRANSFORMERS, hugging_face.inverse_sqrt),
        "get_wsd_schedule": (TRANSFORMERS, hugging_face.stable),
        "MaxScheduler": (OLMO, projects.larger),
        "BoltOnWarmupScheduler": (OLMO, projects.bolted_on),
        "CosWithWarmup": (OLMO, projects.olmo("cosine(final=ALPHA)")),
        "LinearWithWarmup": (OLMO, projects.olmo("linear(final=ALPHA)")),
        "CosLinearEnvelope": (OLMO, projects.olmo("ALPHA + REST * linear() * cosine()")),
        "WarmupParamScheduler": (DETECTRON2, projects.warmed_into),
        "WarmupMultiStepLR": (DETECTRON2, projects.warmup_multistep),
        "WarmupCosineLR": (DETECTRON2, projects.warmup_cosine),
        "CosineScheduler": ("DINOv2's", projects.dinov2),
        "HyperbolicLR": ("its paper's", projects.hyperbolic(exponential=False)),
        "ExpHyperbolicLR": ("its paper's", projects.hyperbolic(exponential=True)),
    }
)
"""Each name of another library, whose it is, and what it is here. None of them is a name of ours."""


def equivalent(name: str, values: Sequence[Any], options: Mapping[str, Any]) -> Equivalent:
    """Return what a name of another library with these options is here; those that cannot be read are left out.

    >>> equivalent("StepLR", [UNREAD, 3], {"gamma": 0.5}).notation
    'step(3, gamma=0.5)'
    """
    answer = OTHER_NAMES[name][1]
    given = list(values)
    if given[:1] == [UNREAD]:  # the optimizer
        del given[0]
    readable = {option: value for option, value in options.items() if value is not UNREAD}
    names = inspect.signature(answer).parameters
    try:
        here = answer(
            *(None if value is UNREAD else value for value in given),
            **{option: value for option, value in readable.items() if option in names},
        )
    except (TypeError, ValueError, AttributeError, ArithmeticError):  # options that the library would refuse too
        return answer()
    sensible = here.steps is None or (type(here.steps) is int and here.steps > 0)
    return here if sensible and len(here.notation) <= LONGEST else answer()


def answer_to(name: str, values: Sequence[Any] = (), options: Mapping[str, Any] = MappingProxyType({})) -> str:
    """Return the sentence that leads from a name of another library to ours.

    >>> answer_to("CosineAnnealingLR", (), {"T_max": 50})
    "CosineAnnealingLR is PyTorch's name; here: cosine() over 50 steps, or 50 epochs if it is stepped once an epoch"
    """
    whose, _ = OTHER_NAMES[name]
    here = equivalent(name, values, options)
    by_epoch = whose in STEPPED_BY_EPOCH and here.by_epoch is not None
    length = f" over {here.steps} steps" if here.steps is not None else ""
    is_example = here.is_example or here.note.endswith("of the initial rate")  # whose number we cannot know
    start = f"{name} is {whose} name; here{', for instance' if is_example else ''}: "
    answer = f"{here.notation}{length}"
    if by_epoch and here.by_epoch:  # first: most loops step such a scheduler once an epoch
        answer = f"{here.by_epoch} if it is stepped once an epoch, else {answer}"
    elif by_epoch and here.steps is not None:
        answer += f", or {here.steps} epochs if it is stepped once an epoch"
    return f"{start}{answer}{f'; {here.note}' if here.note else ''}"
