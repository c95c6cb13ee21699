"""Batches of every kind: the same as a plain loop draws, begun again by a seed, and gone on with from any place."""

import itertools
import random

import numpy as np
import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from ratesmith._random_states import preserve_rng_state, random_states, seed_all, set_random_states
from ratesmith.torch.batch import first_tensor
from ratesmith.torch.data import data_of, is_in_fixed_order

INPUTS = torch.arange(50.0)
PAIRS = TensorDataset(INPUTS, INPUTS % 3)


class Augmented(Dataset):
    """Every sample is changed by chance, drawn from all three generators."""

    def __len__(self):
        return 50

    def __getitem__(self, index):
        return index + torch.rand(()) + random.random() + np.random.rand()


class Stream(IterableDataset):
    def __iter__(self):
        return iter(torch.rand(23))


def get_batch():
    return INPUTS[torch.randint(0, 50, (8,))]


def loader_with_its_own_generator(**options):
    return DataLoader(PAIRS, 8, shuffle=True, generator=torch.Generator().manual_seed(11), **options)


KINDS = {
    "shuffled": lambda: DataLoader(PAIRS, 8, shuffle=True),
    "drop_last": lambda: DataLoader(PAIRS, 8, shuffle=True, drop_last=True),
    "own generator": loader_with_its_own_generator,
    "weighted": lambda: DataLoader(PAIRS, 8, sampler=WeightedRandomSampler(INPUTS + 1, 30)),
    "with replacement": lambda: DataLoader(PAIRS, 8, sampler=RandomSampler(PAIRS, replacement=True, num_samples=40)),
    "batch sampler": lambda: DataLoader(PAIRS, batch_sampler=BatchSampler(RandomSampler(PAIRS), 8, drop_last=False)),
    "distributed": lambda: DataLoader(PAIRS, 8, sampler=DistributedSampler(PAIRS, num_replicas=2, rank=1)),
    "augmented": lambda: DataLoader(Augmented(), 8, shuffle=True),
    "workers": lambda: DataLoader(Augmented(), 8, shuffle=True, num_workers=2),
    "persistent": lambda: loader_with_its_own_generator(num_workers=1, persistent_workers=True),
    "stream": lambda: DataLoader(Stream(), 4),
    "list": lambda: list(INPUTS.split(8)),
    "tensors": lambda: (INPUTS, INPUTS % 3),
    "dataset": lambda: PAIRS,
    "function": lambda: get_batch,
}

SLOW = ("workers", "persistent")


def begun(kind, seed=0):
    data = data_of(KINDS[kind](), "TorchTask", "train", batch_size=8)
    seed_all(seed)
    return data, data.begin(seed)


def values(batch):
    """Return what a batch holds; the model draws from the generators after each, as dropout does."""
    torch.rand(3), random.random(), np.random.rand()
    return first_tensor(batch).tolist()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("own generator", "persistent", "distributed")])
def test_a_loader_and_a_function_give_what_a_plain_loop_draws(kind):
    if kind in ("tensors", "dataset"):
        pytest.skip("drawn in an order of ours")
    _, position = begun(kind, seed=3)
    ours = [values(position.next()) for _ in range(12)]
    seed_all(3)
    given = KINDS[kind]()
    seed_all(3)
    plain = []
    while len(plain) < 12:
        plain += [values(batch) for batch in given] if not callable(given) else [values(given())]
    assert ours == plain[:12]


# Workers take most of a second to start; an epoch has seven batches.
PLACES = [(kind, place) for kind in KINDS for place in ((1, 8) if kind in SLOW else (0, 1, 3, 7, 10))]


@pytest.mark.parametrize(("kind", "place"), PLACES)
def test_from_any_place_it_goes_on_as_if_it_had_never_stopped(kind, place):
    data, position = begun(kind)
    for _ in range(place):
        values(position.next())
    state, states = position.state_dict(), random_states()
    expected = [values(position.next()) for _ in range(8)]
    other = data.begin(5)
    values(other.next())
    for again in (other, begun(kind, seed=9)[1]):
        again.load_state_dict(state)
        set_random_states(states)
        assert [values(again.next()) for _ in range(8)] == expected


@pytest.mark.parametrize("kind", KINDS)
def test_two_trainings_that_take_turns_do_not_disturb_each_other(kind):
    data, first = begun(kind)
    alone = [values(first.next()) for _ in range(9)]
    seed_all(0)
    first, second = data.begin(0), None
    taken = []
    for turn in range(9):
        taken.append(values(first.next()))
        with preserve_rng_state():
            second = second or data.begin(1)
            if turn % 2:
                second.next()
    assert taken == alone


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "list"])
def test_another_seed_is_another_order_and_the_same_seed_the_same(kind):
    drawn = [[values(position.next()) for _ in range(4)] for position in (begun(kind, seed)[1] for seed in (1, 1, 2))]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2] or kind == "distributed"  # its order is the epoch's


@pytest.mark.parametrize("kind", ["shuffled", "own generator", "augmented", "function"])
def test_measuring_sees_the_same_batches_each_time_and_takes_none_from_training(kind):
    data, position = begun(kind)
    most = 3 if kind == "function" else None  # it has no end
    plain = [values(position.next()) for _ in range(9)]
    seed_all(0)
    position = data.begin(0)
    seen, drawn = [], []
    for _ in range(9):
        with preserve_rng_state():
            seed_all(0)
            seen.append([first_tensor(batch).tolist() for batch in itertools.islice(data.measured(), most)])
        drawn.append(values(position.next()))
    assert drawn == plain
    assert all(batches == seen[0] for batches in seen)


def test_an_order_that_never_changes_is_noticed_whoever_makes_the_batches():
    shuffled = BatchSampler(RandomSampler(PAIRS), 8, drop_last=False)
    assert is_in_fixed_order(DataLoader(PAIRS, 8))
    assert not is_in_fixed_order(DataLoader(PAIRS, batch_sampler=shuffled))
    assert not is_in_fixed_order(DataLoader(PAIRS, 8, shuffle=True))
    assert not is_in_fixed_order(DataLoader(Stream(), 8))
    assert not is_in_fixed_order(DataLoader(PAIRS, len(PAIRS))), "one batch has no order"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (3, "TorchTask: train must be a DataLoader, tensors (inputs, ..., targets), a dataset or a function that retu"),
        ("data.csv", "TorchTask: train must be a DataLoader"),
        ({"x": INPUTS}, "TorchTask: train must be a DataLoader"),
        (iter([INPUTS]), "TorchTask: train must be a loader that can begin again, got an iterator, whose place could"),
        (Stream(), "TorchTask: train must give batches, got the dataset Stream, which gives samples one by one; give"),
        ((INPUTS, INPUTS[:5]), "TorchTask: train must have one target for each input, got 50 and 5 of them; give ten"),
    ],
)
def test_what_gives_no_batches_is_one_clear_line(given, message):
    with pytest.raises((TypeError, ValueError)) as caught:
        data_of(given, "TorchTask", "train", batch_size=8)
    assert str(caught.value).startswith(message)


def test_a_loader_that_is_empty_is_one_clear_line():
    with pytest.raises(ValueError, match=r"^TorchTask: train must give at least one batch, got none"):
        data_of([], "TorchTask", "train", batch_size=8).begin(0).next()
