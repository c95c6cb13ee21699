"""The columns of a log are found by the names that trainers give them."""

import pytest

from ratesmith.logs.columns import choose_columns

LOGS = {
    "nanoGPT": ("iter train/loss val/loss lr mfu", "iter lr train/loss val/loss"),
    "nanochat": ("step total_training_flops train/loss train/dt val/bpb train/lrm lr", "step lr train/loss val/bpb"),
    "Megatron": (
        "step|learning-rate|learning-rate vs samples|batch-size|lm loss|lm loss vs samples|loss-scale|grad-norm|"
        "lm loss validation|lm loss validation ppl",
        "step|learning-rate|lm loss|lm loss validation",
    ),
    "Composer": (
        "step lr-DecoupledAdamW/group0 loss/train/total metrics/train/LanguageCrossEntropy "
        "metrics/eval/LanguageCrossEntropy trainer/device_train_microbatch_size",
        "step lr-DecoupledAdamW/group0 metrics/train/LanguageCrossEntropy metrics/eval/LanguageCrossEntropy",
    ),
    "OLMo": (
        "_step optim/learning_rate_group0 optim/grad_norm train/CrossEntropyLoss train/Perplexity",
        "_step optim/learning_rate_group0 train/CrossEntropyLoss -",
    ),
    "torchtitan": (
        "step lr loss_metrics/global_avg_loss loss_metrics/global_max_loss memory/max_active(GiB)",
        "step lr loss_metrics/global_avg_loss -",
    ),
    "Levanter": (
        "_step global_step train/loss eval/loss optim/learning_rate",
        "global_step optim/learning_rate train/loss eval/loss",
    ),
    "transformers in W&B": (
        "_step _runtime train/epoch train/global_step train/grad_norm train/learning_rate train/loss train/train_loss "
        "eval/loss eval/runtime",
        "train/global_step train/learning_rate train/loss eval/loss",
    ),
    "Lightning": (
        "epoch,lr-AdamW,lr-AdamW-momentum,step,train_loss_epoch,train_loss_step,val_loss,val_acc,test_loss",
        "step,lr-AdamW,train_loss_step,val_loss",
    ),
    "a series saved from TensorBoard's page": ("Wall time,Step,Value", "Step,-,Value,-"),
    "a Weights & Biases export": (
        "Step|run-1 - lr|run-1 - eval/loss|run-1 - eval/loss__MIN",
        "Step|run-1 - lr|-|run-1 - eval/loss",
    ),
}


@pytest.mark.parametrize("trainer", LOGS)
def test_the_columns_are_found(trainer):
    names, wanted = LOGS[trainer]
    mark = next((mark for mark in "|," if mark in names), " ")
    found = choose_columns(names.split(mark))
    assert [name or "-" for name in found] == wanted.split(mark)


def test_the_rates_name_may_tell_the_optimizer():
    names = ["step", "loss"]
    told = {"lr-AdamW": "AdamW", "lr-SGD-1/pg2": "SGD", "lr-DecoupledAdamW/group0": "DecoupledAdamW", "lr": None}
    for name, optimizer in told.items():
        assert choose_columns([*names, name]).optimizer == optimizer
