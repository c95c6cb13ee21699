"""How many updates a data loader or a trainer makes, read off their attributes: no framework is imported."""

from __future__ import annotations

import math
import sys
from typing import Any, Final, NamedTuple

from ratesmith._checks import whole

REMAINDERS: Final = ("step", "drop", "carry")
"""What may happen with the batches at the end of an epoch that are fewer than one accumulation."""


class Updates(NamedTuple):
    """The updates of a training, those of one epoch, and the samples of one update; None: not known, or not whole."""

    steps: int
    steps_per_epoch: int | None
    samples_per_step: int | None


def of_loader(
    loader: Any, *, epochs: int, accumulate: int, world_size: int | None, remainder: str, sharded: bool | None
) -> Updates:
    """Return the updates of a training over `loader`; `Horizon.from_dataloader` says what the options mean."""
    epochs = whole("Horizon", "epochs", epochs, least=1)
    accumulate = whole("Horizon", "accumulate", accumulate, least=1)
    if world_size is not None:
        world_size = whole("Horizon", "world_size", world_size, least=1)
    if remainder not in REMAINDERS:
        raise ValueError(f"Horizon: remainder must be 'step', 'drop' or 'carry', got {remainder!r}; choose one")
    made_for = _processes(loader)
    if sharded is None:
        if made_for is not None and world_size not in (None, made_for):
            raise ValueError(
                f"Horizon: world_size must be {made_for}, as the loader was made for, got {world_size}; leave it out"
            )
        sharded = made_for is not None
    processes = world_size or made_for
    batches = _length(loader)
    if not sharded:
        processes = processes or 1
        batches = _share(batches, processes, _drops_last(loader))
    steps, steps_per_epoch = _counted(batches, epochs, accumulate, remainder)
    return Updates(steps, steps_per_epoch, _samples(loader, accumulate, processes))


def of_trainer(trainer: Any) -> Updates:
    """Return the updates that a trainer of Lightning or Hugging Face is going to make."""
    if hasattr(type(trainer), "estimated_stepping_batches"):  # of the type: it is a property that loads the data
        return _of_lightning(trainer)
    if hasattr(trainer, "get_train_dataloader") and hasattr(trainer, "args"):
        return _of_hugging_face(trainer)
    raise TypeError(
        f"Horizon: the trainer must be one of Lightning or Hugging Face, got {type(trainer).__name__}; "
        "give from_dataloader its loader instead"
    )


def _of_lightning(trainer: Any) -> Updates:
    if trainer.lightning_module is None:
        raise ValueError(
            "Horizon: a Lightning trainer must know its model and data, got one before fit; "
            "call from_trainer in configure_optimizers"
        )
    steps = trainer.estimated_stepping_batches  # loads the data as fit would, so the order of the data stays
    batches, most = trainer.num_training_batches, trainer.max_steps
    if steps in (-1, math.inf):
        raise ValueError(
            "Horizon: the trainer must end, got neither max_steps nor epochs of known length; give Trainer(max_steps=)"
        )
    accumulate = trainer.accumulate_grad_batches
    finite = not math.isinf(batches)
    steps_per_epoch = -(-batches // accumulate) if finite else None
    # Lightning's own number takes the first epoch's accumulation for all; a callback may change it.
    changing = [called for called in trainer.callbacks if hasattr(called, "get_accumulate_grad_batches")]
    if changing and finite and trainer.max_epochs > 0:
        counts = [-(-batches // changing[-1].get_accumulate_grad_batches(epoch)) for epoch in range(trainer.max_epochs)]
        steps = sum(counts) if most == -1 else min(sum(counts), most)
        steps_per_epoch = counts[0] if len(set(counts)) == 1 else None
    loader = trainer.train_dataloader
    samples = None if changing else _samples(loader, accumulate, _processes(loader) or trainer.world_size)
    return Updates(int(steps), steps_per_epoch, samples)


def _of_hugging_face(trainer: Any) -> Updates:
    arguments = trainer.args
    accumulate = arguments.gradient_accumulation_steps
    with sys.modules["torch"].random.fork_rng(devices=[]):  # a loader may draw the seed of its order
        loader = trainer.get_train_dataloader()
    samples = _samples(loader, accumulate, _processes(loader) or arguments.world_size)
    try:
        batches = len(loader)
    except (TypeError, NotImplementedError):
        if arguments.max_steps > 0:
            return Updates(arguments.max_steps, None, samples)
        raise ValueError(
            "Horizon: the trainer must end, got data without a length and no max_steps; "
            "give TrainingArguments(max_steps=)"
        ) from None
    per_epoch = max(1, -(-batches // accumulate))
    epochs = arguments.num_train_epochs
    steps = arguments.max_steps if arguments.max_steps > 0 else math.ceil(epochs * per_epoch)
    return Updates(steps, per_epoch, samples)


def _counted(batches: int, epochs: int, accumulate: int, remainder: str) -> tuple[int, int | None]:
    """Return all updates and those of an epoch, of `batches` batches in every epoch."""
    if remainder == "carry":
        steps = epochs * batches // accumulate
        per_epoch = None if batches % accumulate else batches // accumulate
    else:
        per_epoch = batches // accumulate if remainder == "drop" else -(-batches // accumulate)
        steps = epochs * per_epoch
    if steps == 0:
        raise ValueError(
            f"Horizon: there must be at least one update, got {batches} batches an epoch with accumulate {accumulate}; "
            "give a smaller one, or remainder='step'"
        )
    return steps, per_epoch


def _length(loader: Any) -> int:
    try:
        batches = len(loader)
    except (TypeError, NotImplementedError):
        raise TypeError(
            f"Horizon: the loader must have a length, got {type(loader).__name__} without one; "
            "count its updates yourself and give Horizon(steps)"
        ) from None
    if batches == 0:
        raise ValueError("Horizon: the loader must have at least one batch, got none; give the one for training")
    return batches


def _share(batches: int, processes: int, drops_last: bool) -> int:
    """Return the batches of one process of several, as Accelerate shares them out: as many for each."""
    share = batches // processes if drops_last else -(-batches // processes)
    if share == 0:
        raise ValueError(
            f"Horizon: each process must get at least one batch, got {batches} for {processes} with drop_last; "
            "give a smaller batch size"
        )
    return share


def _drops_last(loader: Any) -> bool:
    return any(getattr(part, "drop_last", False) is True for part in (loader, getattr(loader, "batch_sampler", None)))


def _processes(loader: Any) -> int | None:
    """Return for how many processes a loader gives one's share; None where it gives all of the data.

    torch's DistributedSampler and its likes have `num_replicas`. Accelerate's loaders have a batch sampler or a data
    set with `num_processes`, or dispatch batches, and know their `state` then.
    """
    batch_sampler = getattr(loader, "batch_sampler", None)
    parts = (getattr(loader, "sampler", None), batch_sampler, getattr(batch_sampler, "sampler", None))
    for part in (*parts, getattr(loader, "dataset", None)):
        for name in ("num_replicas", "num_processes"):
            if type(found := getattr(part, name, None)) is int:
                return found
    found = getattr(getattr(loader, "state", None), "num_processes", None)
    return found if hasattr(loader, "split_batches") and type(found) is int else None


def _samples(loader: Any, accumulate: int, processes: int | None) -> int | None:
    """Return the samples of one update of all processes; None where the size of a batch or their number is unknown."""
    batch_sampler = getattr(loader, "batch_sampler", None)
    size = getattr(loader, "batch_size", None) or getattr(batch_sampler, "batch_size", None)
    if type(size) is not int or processes is None:
        return None
    split = any(getattr(part, "split_batches", False) is True for part in (loader, batch_sampler))
    return size * accumulate * (1 if split else processes)  # a batch that is split is that of all processes
