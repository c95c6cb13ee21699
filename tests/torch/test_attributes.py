"""What a training leaves in attributes is put back: the same objects, with what they held."""

from collections import OrderedDict, deque

import torch
from torch import nn

from ratesmith.torch.attributes import Attributes


class Thing(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 1)
        self.register_buffer("count", torch.zeros(1))
        self.number, self.text, self.nothing = 1, "one", None
        self.outputs = {"loss": [1.0], "seen": {1}, "last": deque([1, 2], maxlen=2)}
        self.order = OrderedDict(first=1, second=2)
        self.metric, self.generator = torch.ones(2), torch.Generator().manual_seed(1)


def test_all_kinds_of_attributes_are_put_back_as_often_as_wanted():
    thing = Thing()
    objects, state = dict(vars(thing)), thing.generator.get_state()
    kept = Attributes([thing])
    for _ in range(2):
        thing.number, thing.text, thing.nothing, thing.more = 2, "two", [3], 4
        thing.outputs["loss"].append(2.0)
        thing.outputs["seen"].clear()
        thing.outputs["last"].append(3)
        thing.outputs["other"] = 1
        thing.outputs = {}
        thing.order.move_to_end("first")
        thing.metric += 1
        thing.metric = torch.zeros(1)
        torch.rand(1, generator=thing.generator)
        thing.register_forward_hook(lambda *_: None)
        kept.restore()
        assert all(vars(thing)[name] is value for name, value in objects.items())
        assert vars(thing).keys() == objects.keys()
        assert (thing.number, thing.text, thing.nothing) == (1, "one", None)
        assert thing.outputs == {"loss": [1.0], "seen": {1}, "last": deque([1, 2])}
        assert list(thing.order) == ["first", "second"]
        assert thing.metric.tolist() == [1.0, 1.0]
        assert torch.equal(thing.generator.get_state(), state)
        assert not thing._forward_hooks


def test_a_container_that_holds_itself_and_weights_are_left_alone():
    thing = Thing()
    thing.outputs["all"] = thing.outputs
    kept = Attributes([thing])
    with torch.no_grad():
        thing.layer.weight.fill_(3.0)
        thing.count += 1  # a Snapshot's business, as weights are
    thing.outputs["loss"].append(2.0)
    kept.restore()
    assert thing.outputs["loss"] == [1.0]
    assert thing.outputs["all"] is thing.outputs
    assert (thing.layer.weight.item(), thing.count.item()) == (3.0, 1.0)
