"""A batch of any kind: it keeps its types when it moves, and its samples are counted."""

from collections import OrderedDict, namedtuple

import torch

from ratesmith.torch.batch import moved, samples_in

INPUTS = torch.arange(50.0)


def test_a_batch_keeps_its_types_when_it_moves():
    Parts = namedtuple("Parts", "x y")
    batch = {"a": [Parts(INPUTS, "text"), (INPUTS, None)], "b": OrderedDict(c=INPUTS)}
    there = moved(batch, torch.device("meta"))
    assert type(there["a"][0]) is Parts
    assert type(there["b"]) is OrderedDict
    assert (there["a"][0].x.device.type, there["a"][1][0].device.type, there["b"]["c"].device.type) == ("meta",) * 3
    assert (there["a"][0].y, there["a"][1][1]) == ("text", None)


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
