"""BatchMean: a metric that is a mean over batches, for outputs that are too large to keep, or of different shapes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ratesmith.torch.batch import samples_in


class BatchMean:
    """A metric that is a mean: `function(output, target)` of each batch, weighted by its samples.

    Plain functions are called once, with the outputs and targets of the whole set, which have to be kept and joined.
    This one keeps only a sum. It suits a mean such as accuracy; of F1 or AUC it would be wrong.

    >>> import torch
    >>> accuracy = BatchMean(lambda output, target: (output.argmax(1) == target).float().mean())
    >>> accuracy.update(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.tensor([1, 1]))
    >>> accuracy.update(torch.tensor([[0.0, 1.0]]), torch.tensor([1]))
    >>> round(accuracy.compute(), 4)
    0.6667
    """

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        """Take the function."""
        self._function = function
        self.reset()

    def reset(self) -> None:
        """Forget what was measured."""
        self._total, self._samples = 0.0, 0

    def update(self, output: Any, target: Any) -> None:
        """Take in a batch."""
        size = samples_in(target)
        self._total += size * float(self._function(output, target))
        self._samples += size

    def compute(self) -> float:
        """Return the mean over all samples."""
        return self._total / self._samples if self._samples else math.nan
