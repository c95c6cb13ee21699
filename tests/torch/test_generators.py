"""Generators that data keeps for itself are seeded, saved and put back, whatever library they are of."""

import copy
import io
import random

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Sampler, Subset

from ratesmith.torch import TorchTask, find
from ratesmith.torch.generators import generators_in, is_generator, seeded_state, set_state, set_states, state_of

PIXELS, LABELS = (torch.tensor(array) for array in load_digits(return_X_y=True))
PIXELS = PIXELS.float() / 16
CE = nn.functional.cross_entropy

GENERATORS = {
    "torch": lambda: torch.Generator().manual_seed(1),
    "numpy": lambda: np.random.default_rng(1),
    "numpy's philox": lambda: np.random.Generator(np.random.Philox(1)),
    "numpy's sfc64": lambda: np.random.Generator(np.random.SFC64(1)),
    "numpy's old": lambda: np.random.RandomState(1),
    "python": lambda: random.Random(1),
}


def drawn(generator):
    if isinstance(generator, torch.Generator):
        return torch.rand(3, generator=generator).tolist()
    return [generator.random() for _ in range(3)]


@pytest.mark.parametrize("kind", GENERATORS)
def test_each_kind_goes_on_from_its_state_though_that_was_in_a_file(kind):
    generator = GENERATORS[kind]()
    drawn(generator)
    file = io.BytesIO()
    torch.save(state_of(generator), file)
    expected = drawn(generator)
    file.seek(0)
    set_state(generator, torch.load(file, weights_only=True))
    assert drawn(generator) == expected


@pytest.mark.parametrize("kind", GENERATORS)
def test_a_seed_gives_what_a_new_generator_of_the_kind_gives(kind):
    generator = GENERATORS[kind]()
    first = drawn(generator)
    set_state(generator, seeded_state(generator, 1))
    assert drawn(generator) == first
    set_state(generator, seeded_state(generator, 2**45))
    assert drawn(generator) != first


def test_the_generators_of_the_process_are_none_of_the_datas():
    for one in (
        torch.default_generator,
        np.random.mtrand._rand,
        random._inst,
        random.SystemRandom(),
        random,
        np.random,
    ):
        assert not is_generator(one)


def test_a_generator_of_another_kind_keeps_its_state():
    generator = np.random.default_rng(1)
    set_states([generator, random.Random(1)], [state_of(GENERATORS["numpy's sfc64"]())])
    assert drawn(generator) == drawn(np.random.default_rng(1))


class Noise:
    """A transform with a generator of its own."""

    def __init__(self, kind):
        self.rng = GENERATORS[kind]()

    def __call__(self, pixels):
        return pixels + 0.1 * drawn(self.rng)[0]


class Together:
    def __init__(self, *transforms):
        self.transforms = transforms

    def __call__(self, pixels):
        for transform in self.transforms:
            pixels = transform(pixels)
        return pixels


class Digits(Dataset):
    """The first digits, each changed by chance when it is asked for."""

    def __init__(self, kind, within="transform"):
        self.rng = GENERATORS[kind]() if within == "dataset" else None
        self.transform = None if within == "dataset" else Together(Noise(kind))
        self.model = nn.Linear(1, 1)  # one that the data uses, and none of its generators
        self.model.generator = torch.Generator()

    def __len__(self):
        return 64

    def __getitem__(self, index):
        pixels = PIXELS[index]
        return (pixels + 0.1 * drawn(self.rng)[0] if self.rng else self.transform(pixels)), LABELS[index]


class Shuffled(Sampler):
    def __init__(self):
        self.rng = np.random.default_rng(3)

    def __len__(self):
        return 64

    def __iter__(self):
        return iter(self.rng.permutation(64).tolist())


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=0.1)


def sources(kind):
    digits = Digits(kind)
    return {
        "loader": DataLoader(digits, 16, shuffle=True, generator=torch.Generator()),
        "dataset": Digits(kind, "dataset"),
        "subset": DataLoader(Subset(Digits(kind, "dataset"), range(48)), 16),
        "several": DataLoader(ConcatDataset([Digits(kind), Digits(kind, "dataset")]), 32),
        "sampler": DataLoader(digits, 16, sampler=Shuffled()),
        "function": Batches(kind).draw,
    }


class Batches:
    def __init__(self, kind):
        self.rng = GENERATORS[kind]()

    def draw(self):
        place = int(1000 * drawn(self.rng)[0])
        return PIXELS[place : place + 16], LABELS[place : place + 16]


@pytest.mark.parametrize("source", sources("numpy"))
@pytest.mark.parametrize("kind", ["torch", "numpy", "python"])
def test_find_puts_back_what_datasets_transforms_samplers_and_functions_draw_from(kind, source):
    torch.manual_seed(0)
    given, model = sources(kind)[source], nn.Linear(64, 10)
    held = list(generators_in([given]))
    assert held
    assert not any(generator is getattr(given, "model", None) for generator in held)
    before = [repr(state_of(generator)) for generator in held]
    options = {"method": "grid", "steps": 4, "rates": [0.01, 0.1], "validation": given, "validation_batches": 2}
    found = [find(model, sgd(model), CE, given, **options).curves[0].losses for _ in range(2)]
    assert found[0] == found[1], "it begins with the same noise each time"
    assert [repr(state_of(generator)) for generator in held] == before


def test_a_generator_that_is_made_when_it_is_first_needed_is_none_again():
    class Late(Digits):
        def __getitem__(self, index):
            if self.rng is None:
                self.rng = np.random.default_rng(5)
            return PIXELS[index] + 0.1 * self.rng.random(), LABELS[index]

    data, model = Late("numpy"), nn.Linear(64, 10)
    assert find(model, sgd(model), CE, DataLoader(data, 16, shuffle=True), seeds=[0]).suggestion > 0
    assert data.rng is None


@pytest.mark.parametrize("source", sources("numpy"))
@pytest.mark.parametrize("kind", ["torch", "numpy", "python"])
def test_a_task_goes_on_with_them_bit_for_bit_beside_another_training(kind, source):
    given = sources(kind)[source]
    task = TorchTask(
        model=lambda: nn.Linear(64, 10),
        optimizer=sgd,
        loss=CE,
        train=given,
        validation=(PIXELS[100:200], LABELS[100:200]),
        batch_size=16,
        steps_per_epoch=4,
    )

    def trained(training, steps):
        return [training.step(0.1) for _ in range(steps)]

    expected = trained(task.start(0), 11)
    training, other = task.start(0), task.start(1)
    assert expected != trained(task.start(1), 11)
    losses = trained(training, 3)
    trained(other, 2)
    losses += trained(training, 2)
    state = copy.deepcopy(training.state_dict())
    trained(other, 1)
    assert losses + trained(training, 6) == expected
    fresh = task.start(3)
    trained(fresh, 5)
    fresh.load_state_dict(state)
    assert trained(fresh, 6) == expected[5:]


def test_a_seed_of_a_task_trains_as_the_plain_loop_with_that_seed():
    class Fresh(Digits):
        def __init__(self, seed):
            super().__init__("numpy", "dataset")
            self.rng = np.random.default_rng(seed)

    loader = DataLoader(Fresh(2), 16, shuffle=True)
    torch.manual_seed(2)
    model, losses = nn.Linear(64, 10), []
    optimizer = sgd(model)
    for _ in range(2):
        for inputs, targets in loader:
            optimizer.zero_grad()
            losses.append(CE(model(inputs), targets))
            losses[-1].backward()
            optimizer.step()
    task = TorchTask(
        model=lambda: nn.Linear(64, 10),
        optimizer=sgd,
        loss=CE,
        train=DataLoader(Fresh(7), 16, shuffle=True),
        validation=(PIXELS, LABELS),
    )
    training = task.start(2)
    assert [training.step(0.1) for _ in losses] == [loss.item() for loss in losses]
