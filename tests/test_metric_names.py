"""Metrics whose names say which values are better: a mode that goes against them is doubted, and no other."""

import pytest

from ratesmith._metric_names import doubt_of_mode


@pytest.mark.parametrize("metric", ["accuracy", "val_acc", "eval/F1", "roc-auc", "validation.mIoU", "top5"])
def test_small_values_of_what_is_better_large_are_doubted(metric):
    assert "".join(doubt_of_mode(metric, "min")).endswith("write 'max' if they are")
    assert doubt_of_mode(metric, "max") == ()


@pytest.mark.parametrize("metric", ["loss", "val_loss", "eval/perplexity", "word error rate", "RMSE"])
def test_large_values_of_what_is_better_small_are_doubted(metric):
    assert "".join(doubt_of_mode(metric, "max")).endswith("write 'min' if they are")
    assert doubt_of_mode(metric, "min") == ()


@pytest.mark.parametrize(
    "metric", ["neg_loss", "one_minus_accuracy", "score", "reward", "accuracy_loss", "mapping", ""]
)
@pytest.mark.parametrize("mode", ["min", "max", None])
def test_of_other_names_nothing_is_said(metric, mode):
    assert doubt_of_mode(metric, mode) == ()
