"""A batch of any kind: it keeps its types when it moves, and its samples are counted."""

from collections import OrderedDict, namedtuple
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.utils.data import DataLoader

from ratesmith.torch import TorchTask
from ratesmith.torch.batch import first_tensor, moved, samples_in

INPUTS = torch.arange(50.0)


@dataclass(frozen=True)
class Sample:
    """A batch as a class of one's own, with a part that the class computes."""

    names: tuple[str, ...]
    parts: dict[str, torch.Tensor]
    doubled: torch.Tensor = field(init=False)

    def __post_init__(self):
        object.__setattr__(self, "doubled", 2 * self.parts["x"])


def test_a_batch_keeps_its_types_when_it_moves():
    Parts = namedtuple("Parts", "x y")
    batch = {"a": [Parts(INPUTS, "text"), (INPUTS, None)], "b": OrderedDict(c=INPUTS)}
    there = moved(batch, torch.device("meta"))
    assert type(there["a"][0]) is Parts
    assert type(there["b"]) is OrderedDict
    assert (there["a"][0].x.device.type, there["a"][1][0].device.type, there["b"]["c"].device.type) == ("meta",) * 3
    assert (there["a"][0].y, there["a"][1][1]) == ("text", None)


def test_a_dataclass_is_moved_as_a_whole_and_its_samples_are_counted():
    batch = Sample(("a",) * 50, {"x": INPUTS})
    there = moved(batch, torch.device("meta"))
    assert (there.parts["x"].device.type, there.doubled.device.type, there.names) == ("meta", "meta", batch.names)
    assert batch.doubled.device.type == "cpu", "the one that was given stays"
    assert samples_in(batch) == 50
    assert first_tensor(batch) is INPUTS


def test_a_loss_over_dataclasses_is_the_mean_over_all_samples_though_the_last_batch_is_smaller():
    def collate(samples):
        return Sample(("a",) * len(samples), {"x": torch.stack(samples)})

    loader = DataLoader(INPUTS[:, None] / 50, batch_size=40, collate_fn=collate)
    training = TorchTask(
        model=lambda: nn.Linear(1, 1),
        optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=0.1),
        forward=lambda model, batch: model(batch.parts["x"]),
        loss=lambda output, batch: nn.functional.mse_loss(output, batch.doubled),
        train=loader,
        validation=loader,
    ).start(0)
    with torch.no_grad():
        expected = nn.functional.mse_loss(training._model(INPUTS[:, None] / 50), INPUTS[:, None] / 25).item()
    assert abs(training.evaluate()["loss"] - expected) < 1e-6 * expected


def test_the_samples_of_a_batch_are_counted_whatever_it_is_made_of():
    images = [torch.zeros(3, 8, 8) for _ in range(50)]
    for batch in (
        INPUTS,
        (INPUTS, INPUTS),
        {"x": INPUTS},
        {"name": ["text"] * 50, "x": INPUTS},
        (["text"] * 50, INPUTS),
        ([INPUTS, INPUTS], INPUTS),
        [[INPUTS, INPUTS], [INPUTS]],
        (images, INPUTS),
        (images, [{"box": INPUTS} for _ in range(50)]),
        (tuple(images), tuple({"box": INPUTS} for _ in range(50))),
    ):
        assert samples_in(batch) == 50, batch
    assert samples_in(torch.zeros(())) == samples_in("text") == samples_in([]) == 1
