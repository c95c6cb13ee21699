"""BatchMean: a mean over batches, weighted by their samples."""

import math

import torch

from ratesmith.torch import BatchMean


def test_a_batch_mean_is_weighted_by_samples():
    mean = BatchMean(lambda output, target: output.mean())
    assert math.isnan(mean.compute())
    for rows in (torch.ones(3), torch.zeros(1)):
        mean.update(rows, rows)
    assert mean.compute() == 0.75
