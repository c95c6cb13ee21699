"""What the tests of trainers train with: a model, Accelerate's loop, Lightning's bare trainer, a skorch callback."""

import torch
from torch import nn


class Regression(nn.Module):
    """A model as Hugging Face's Trainer calls one."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 1)

    def forward(self, x, labels=None):
        output = self.layer(x)
        return {"loss": (output - labels).square().mean(), "logits": output}


def accelerated_rates(accelerator, model, optimizer, scheduler, steps):
    """Train with what Accelerate has prepared, and return the rate of each update."""
    rates = []
    for _ in range(steps):
        with accelerator.accumulate(model):
            rates.append(optimizer.param_groups[0]["lr"])
            accelerator.backward(model(torch.ones(1, 2)).sum())
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
    return rates


def lightning_trainer(lightning, folder, epochs, **options):
    return lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        default_root_dir=folder,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
        **options,
    )


def skorch_rates(callbacks, seen):
    """Return a callback that notes the rate of each update in a list."""

    class Seen(callbacks.Callback):
        def on_batch_begin(self, net, training=False, **_):
            if training:
                seen.append(net.optimizer_.param_groups[0]["lr"])

    return Seen()


def same(first, second):
    """Whether two states are equal to the last bit, tensors and whatever holds them."""
    if isinstance(first, torch.Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(same, first, second))
    return first == second
