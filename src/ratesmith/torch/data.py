"""Training data of every kind, as batches in an order that can be begun again and gone on with.

Three kinds are told apart. Tensors and datasets are drawn here, in an order that the seed and the epoch alone decide.
A loader, or whatever else can be iterated over again, is used as it is: the random generators decide its order. A
function, such as `get_batch`, gives a batch at each call, and the generators decide which.
"""

from __future__ import annotations

import abc
import inspect
import weakref
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    WeightedRandomSampler,
    default_collate,
)

from ratesmith._checks import Option, OptionTypeError, OptionValueError, whole
from ratesmith._random_states import preserve_rng_state, random_states, set_random_states
from ratesmith.torch.array_data import as_tensors
from ratesmith.torch.folds import classes_of, fold_of_each, joined
from ratesmith.torch.generators import (
    OwnGenerators,
    generators_in,
    holders_in,
    seeded,
    seeded_state,
    set_states,
    state_of,
)

MEASURED_BATCH: Final = 8
"""Measuring keeps no gradients, so batches that are drawn here can be this much larger than in training."""


class Position(abc.ABC):
    """Where one training stands in its data: `next()` gives the batch of the next update."""

    @abc.abstractmethod
    def next(self) -> Any:
        """Return the next batch; after the last one of an epoch comes the first of the next epoch."""

    @abc.abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Return the place as plain values and tensors."""

    @abc.abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a place that `state_dict` gave."""

    def close(self) -> None:  # noqa: B027  # most have none
        """Let go of workers."""


class Data(abc.ABC):
    """The batches of one split."""

    batches: int | None = None
    """Batches of one epoch; None if nobody knows."""
    source: Any = None
    """What may hold random generators of its own: a loader, a dataset or a function; None for tensors."""

    @abc.abstractmethod
    def begin(self, seed: int) -> Position:
        """Return the beginning of the data, in the order of a seed."""

    @abc.abstractmethod
    def measured(self) -> Generator[Any, None, None]:
        """Return the batches to measure on: the same at each call, if the process's generators are seeded the same."""


def data_of(given: Any, who: str, name: str, *, batch_size: int, drop_last: bool = False) -> Data:
    """Return the data that the user gave for `name`; raise an error in one line for what is none.

    `batch_size` and `drop_last` are for tensors and datasets.
    """
    start = (f"{who}: ", Option(name))
    given = as_tensors(given, who, name)
    if isinstance(given, DataLoader):
        return LoaderData(given, who, name)
    if inspect.isgeneratorfunction(given):
        raise OptionTypeError(
            *start, " must be a function that returns one batch, got one that yields many; give a list, or a loader"
        )
    if isinstance(given, Iterator):
        raise OptionTypeError(
            *start,
            " must be a loader that can begin again, got an iterator, whose place could not be put back; "
            "give the loader itself, or a function that returns a batch",
        )
    if callable(given) and not hasattr(given, "__getitem__"):
        return FunctionData(given)
    if isinstance(given, tuple) and given and not all(isinstance(part, Tensor) for part in given):
        kinds = ", ".join(dict.fromkeys(type(part).__name__ for part in given))
        raise OptionTypeError(*start, f" must be tensors, arrays or tables, got a tuple of {kinds}; give these")
    tensors = isinstance(given, (tuple, list)) and len(given) > 0 and all(isinstance(x, Tensor) for x in given)
    if tensors and isinstance(given, tuple):
        lengths = {len(tensor) for tensor in given}
        if len(lengths) > 1:
            each = " and ".join(f"{len(tensor)}" for tensor in given)
            raise OptionValueError(
                *start, f" must have one target for each input, got {each} of them; give tensors of one length"
            )
    sized = hasattr(given, "__getitem__") and hasattr(given, "__len__") and not isinstance(given, (str, Mapping))
    if sized and not isinstance(given, (list, IterableDataset)):
        return DrawnData(given, whole(who, "batch_size", batch_size, least=1), drop_last)
    if isinstance(given, IterableDataset):
        raise OptionTypeError(
            *start,
            f" must give batches, got the dataset {type(given).__name__}, which gives samples one by one; "
            "give a DataLoader of it",
        )
    if isinstance(given, Iterable) and not isinstance(given, (str, Mapping, Tensor)):
        return LoaderData(given, who, name)
    raise OptionTypeError(
        *start,
        " must be a DataLoader, tensors (inputs, ..., targets), a dataset or a function that returns a batch, "
        f"got {type(given).__name__}; give one of these",
    )


class DrawnData(Data):
    """Tensors of one length, or a dataset with a length, drawn by index."""

    def __init__(self, given: Any, batch_size: int, drop_last: bool, chosen: Tensor | None = None) -> None:
        """Take tensors of one length, or a dataset; only the samples at the `chosen` places, if they are given."""
        self._given, self._size = given, batch_size
        self._tensors = given if isinstance(given, tuple) else None
        self._chosen, self._drop_last = chosen, drop_last
        self.source = None if isinstance(given, (tuple, Tensor)) else given
        self.samples = len(given[0]) if self._tensors is not None else len(given)
        if chosen is not None:
            self.samples = len(chosen)
        self.batches = self.samples // batch_size if drop_last else -(-self.samples // batch_size)

    def begin(self, seed: int) -> Position:
        """Return the beginning of a seed's order."""
        return _DrawnPosition(self, seed)

    def measured(self) -> Generator[Any, None, None]:
        """Return larger batches, in the order of the data; generators of a dataset are seeded, and put back."""
        with seeded(generators_in([self.source]), 0):
            for indices in torch.split(torch.arange(self.samples), MEASURED_BATCH * self._size):
                yield self.at(indices)

    def order(self, seed: int, epoch: int) -> Sequence[Tensor]:
        """Return the indices of each batch of an epoch."""
        generator = torch.Generator().manual_seed((seed * 1_000_003 + epoch) % 2**63)
        indices = torch.randperm(self.samples, generator=generator)
        return torch.split(indices, self._size)[: self.batches]

    def at(self, indices: Tensor) -> Any:
        """Return the batch of these samples."""
        if self._chosen is not None:
            indices = self._chosen[indices]
        if self._tensors is not None:
            return tuple(tensor[indices] for tensor in self._tensors)
        return default_collate([self._given[index] for index in indices.tolist()])

    def cut(self, fold: int, folds: int, *, held_out: bool) -> DrawnData:
        """Return the samples outside one of `folds` equal parts, which chance decided once for all; or those in it."""
        inside = fold_of_each(self.samples, folds, classes_of(self._given)) == fold
        chosen = torch.nonzero(inside == held_out).flatten()
        return DrawnData(self._given, self._size, not held_out and self._drop_last, chosen)

    def joined(self, others: Sequence[DrawnData]) -> DrawnData:
        """Return all the samples of several; raise ValueError, with what was got, for data that cannot be one."""
        given = joined([self._given, *(other._given for other in others)])
        return DrawnData(given, self._size, self._drop_last)


class _DrawnPosition(Position):
    def __init__(self, data: DrawnData, seed: int) -> None:
        self._data, self._seed, self._drawn = data, seed, 0
        self._own = OwnGenerators([data.source], seed)
        self._order: Sequence[Tensor] | None = None

    def next(self) -> Any:
        epoch, place = divmod(self._drawn, self._data.batches or 1)
        if place == 0 or self._order is None:
            self._order = self._data.order(self._seed, epoch)
        self._drawn += 1
        with self._own.drawing():
            return self._data.at(self._order[place])

    def state_dict(self) -> dict[str, Any]:
        return {"seed": self._seed, "drawn": self._drawn, "own": list(self._own.states)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._seed, self._drawn, self._order = state["seed"], state["drawn"], None
        self._own.states = list(state["own"])


class LoaderData(Data):
    """A DataLoader, or anything else that gives its batches anew each time it is iterated over."""

    def __init__(self, loader: Any, who: str, name: str) -> None:
        """Take the loader, and what to call it in messages."""
        self.loader = self.source = loader
        self._who, self._name = who, name
        self.batches = _length(loader)
        # Weak: workers in a cycle of objects would end only at garbage collection, which takes PyTorch five seconds.
        self._user: weakref.ref[LoaderPosition] | None = None
        self._measuring: Any = None
        """Workers that stay, of measurements: those of the training go on with theirs."""

    @property
    def user(self) -> LoaderPosition | None:
        """The training that the loader's generators and workers belong to at the moment."""
        return None if self._user is None else self._user()

    @user.setter
    def user(self, position: LoaderPosition | None) -> None:
        self._user = None if position is None else weakref.ref(position)

    def begin(self, seed: int) -> Position:
        """Return the beginning; generators of the loader's own are seeded."""
        return LoaderPosition(self, seed)

    def measured(self) -> Generator[Any, None, None]:
        """Return the loader's batches; generators of its own are seeded, and put back."""
        stay = hasattr(self.loader, "_iterator")
        training = self.loader._iterator if stay else None
        with seeded(self.generators(), 0):
            try:
                if stay:
                    self.loader._iterator = self._measuring
                yield from self.loader
            finally:
                if stay:
                    self._measuring, self.loader._iterator = self.loader._iterator, training

    def generators(self) -> list[Any]:
        """Return the generators of their own that the loader, its samplers and its dataset draw from."""
        return list(generators_in([self.loader]))

    def samples_draw(self) -> bool:
        """Whether generators are drawn from when samples are made, and not only for their order."""
        parts = [getattr(self.loader, name, None) for name in ("dataset", "collate_fn")]
        return next(generators_in(parts), None) is not None

    def empty(self) -> Exception:
        """Return the mistake of data without a batch."""
        return OptionValueError(
            f"{self._who}: ", Option(self._name), " must give at least one batch, got none; give data"
        )


class LoaderPosition(Position):
    """The place in a loader.

    A loader cannot be put at a place. It is iterated over from the states that the generators had when the epoch
    began, and the batches before the place are drawn and dropped. What the model draws from the generators in between
    makes no difference to samplers, which draw their order when an epoch begins.
    """

    def __init__(self, data: LoaderData, seed: int) -> None:
        """Begin with fresh generators of the loader's own."""
        self._data = data
        self._iterator: Iterator[Any] | None = None
        self._epoch = self._place = 0
        self._own = [seeded_state(generator, seed) for generator in data.generators()]
        """The states of the loader's own generators when the epoch began."""
        self._random: dict[str, Any] | None = None
        """The states of the process's generators when the epoch began; None before its first batch."""

    def next(self) -> Any:
        """Return the next batch."""
        if self._data.user is not self:
            self._take_over()
        for _ in range(2):
            if self._iterator is None:
                self._begin_epoch()
            assert self._iterator is not None
            try:
                batch = next(self._iterator)
            except StopIteration:
                if self._place == 0:
                    raise self._data.empty() from None
                self._iterator, self._epoch, self._place = None, self._epoch + 1, 0
                self._own = [state_of(generator) for generator in self._data.generators()]
                self._random = None
                continue
            self._place += 1
            return batch
        raise self._data.empty()

    def _begin_epoch(self) -> None:
        """Iterate over the loader, from the states that the generators have now."""
        if self._random is None:
            self._random = random_states()
        for holder in holders_in([self._data.loader]):
            if callable(set_epoch := getattr(holder, "set_epoch", None)):
                set_epoch(self._epoch)
        self._iterator = iter(self._data.loader)

    def _take_over(self) -> None:
        """Make the loader this training's: another one has used its generators, or its state was just loaded."""
        if self._data.user is not None:
            self._data.user.close()
        self._data.user = self
        if getattr(self._data.loader, "_iterator", None) is not None:
            self._data.loader._iterator = None  # workers that somebody else has left there
        if self._epoch and getattr(self._data.loader, "persistent_workers", False):
            # Workers that stay draw their seed when they are made, in the first epoch, and in none after it.
            with preserve_rng_state():
                iter(self._data.loader)
        set_states(self._data.generators(), self._own)
        if self._random is None or self._place == 0:
            return
        now = random_states()
        set_random_states(self._random)
        self._begin_epoch()
        assert self._iterator is not None
        # Without workers and chance the samples before the place need not be made: their indices are enough.
        indices = getattr(self._iterator, "_sampler_iter", None)
        is_map = isinstance(self._data.loader, DataLoader) and not isinstance(
            self._data.loader.dataset, IterableDataset
        )
        by_index = indices is not None and is_map and not self._data.loader.num_workers
        skipped = indices if indices is not None and by_index and not self._data.samples_draw() else self._iterator
        for _ in range(self._place):
            next(skipped)
        set_random_states(now)

    def state_dict(self) -> dict[str, Any]:
        """Return the place, and the states of all generators when the epoch began."""
        return {"epoch": self._epoch, "place": self._place, "own": list(self._own), "random": self._random}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a place; the batches before it are drawn when the next one is needed."""
        self.close()
        self._epoch, self._place = state["epoch"], state["place"]
        self._own, self._random = list(state["own"]), state["random"]

    def close(self) -> None:
        """Let go of the iterator and its workers, persistent ones too."""
        self._iterator = None
        if self._data.user is self:
            self._data.user = None
            if getattr(self._data.loader, "_iterator", None) is not None:
                self._data.loader._iterator = None


class FunctionData(Data):
    """A function that returns a batch at each call, drawn with the generators of the process."""

    def __init__(self, function: Callable[[], Any]) -> None:
        """Take the function."""
        self.function = self.source = function

    def begin(self, seed: int) -> Position:
        """Return a position; the process's generators, and those that the function holds, say where it is."""
        return _FunctionPosition(self.function, seed)

    def measured(self) -> Generator[Any, None, None]:
        """Return batches without end: whoever measures takes as many as are wanted."""
        with seeded(generators_in([self.function]), 0):
            while True:
                yield self.function()


class _FunctionPosition(Position):
    def __init__(self, function: Callable[[], Any], seed: int) -> None:
        self._function, self._own = function, OwnGenerators([function], seed)

    def next(self) -> Any:
        with self._own.drawing():
            return self._function()

    def state_dict(self) -> dict[str, Any]:
        return {"own": list(self._own.states)}  # the process's generators say the rest

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._own.states = list(state["own"])


def is_in_fixed_order(loader: Any) -> bool:
    """Whether a DataLoader is known to give its data in one order, whatever the seed, and could give another."""
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset) or _length(loader) == 1:
        return False
    batches = loader.batch_sampler
    return type(batches) is BatchSampler and isinstance(batches.sampler, SequentialSampler)


def is_shuffled(loader: Any) -> bool:
    """Whether a DataLoader is known to draw its samples at random."""
    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        return False
    return isinstance(getattr(loader.batch_sampler, "sampler", None), (RandomSampler, WeightedRandomSampler))


def _length(loader: Any) -> int | None:
    """Return the number of batches, if the loader knows it."""
    try:
        return len(loader)
    except TypeError:
        return None
