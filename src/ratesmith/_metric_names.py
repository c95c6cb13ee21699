"""Metrics whose names say which values of them are better."""

from __future__ import annotations

import math
import re
from typing import Final

from ratesmith._checks import Option

LARGE_IS_BETTER: Final = frozenset(
    {"accuracy", "acc", "f1", "auc", "auroc", "auprc", "precision", "recall", "iou", "miou", "dice", "bleu", "rouge"}
    | {"map", "ndcg", "r2", "top1", "top5", "psnr", "ssim"}
)
SMALL_IS_BETTER: Final = frozenset(
    {"loss", "error", "err", "perplexity", "ppl", "mse", "rmse", "mae", "mape", "wer", "cer", "nll", "bpb", "fid"}
    | {"regret", "entropy"}
)
SHARES: Final = LARGE_IS_BETTER - {"bleu", "rouge", "r2", "psnr", "ssim"}
"""Metrics that lie between 0 and 1, or 0 and 100."""
TURNED: Final = frozenset({"neg", "negative", "minus", "inverse", "no", "one"})
"""Words that may turn the others round, as in neg_loss and one_minus_accuracy: then nothing is said."""


def doubt_of_mode(metric: str, mode: str | None) -> tuple[str, ...]:
    """Return, as the parts of a sentence, that a mode goes against a metric's name; nothing if it does not.

    >>> "".join(doubt_of_mode("val_accuracy", "min"))
    "mode 'min' seeks small values of 'val_accuracy', whose large ones are better by its name; write 'max' if they are"
    >>> doubt_of_mode("val_accuracy", "max"), doubt_of_mode("neg_loss", "max")
    ((), ())
    """
    words = _words(metric)
    large, small = bool(words & LARGE_IS_BETTER), bool(words & SMALL_IS_BETTER)
    if large == small or words & TURNED or mode != ("min" if large else "max"):
        return ()
    sought, others, other = ("small", "large", "max") if large else ("large", "small", "min")
    text = f" {mode!r} seeks {sought} values of {metric!r}, whose {others} ones are better by its name; write {other!r}"
    return Option("mode"), f"{text} if they are"


def small_is_better(metric: str) -> bool:
    """Whether small values of a metric are better, by its name.

    >>> small_is_better("val_loss"), small_is_better("val_accuracy"), small_is_better("neg_loss")
    (True, False, False)
    """
    words = _words(metric)
    return bool(words & SMALL_IS_BETTER) and not words & (LARGE_IS_BETTER | TURNED)


def bounds(metric: str, highest: float) -> tuple[float, float]:
    """Return between what a metric lies by its name, if `highest` is its highest value: a share in percent too.

    >>> bounds("val_accuracy", 0.9), bounds("acc", 91.0), bounds("loss", 0.9)
    ((0.0, 1.0), (0.0, 100.0), (-inf, inf))
    """
    words = _words(metric)
    if not words & SHARES or words & TURNED or highest > 100:
        return -math.inf, math.inf
    return 0.0, 1.0 if highest <= 1 else 100.0


def _words(metric: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", metric.lower()))
