"""Groups of a wrapper that are not those of the optimizer inside it."""

import torch
from stepping import parameters

from ratesmith.torch.inner_optimizers import groups_apart


class Wrapper(torch.optim.Optimizer):
    def __init__(self, inner, groups):
        super().__init__(groups, {"lr": 0.1})
        self.inner = inner


def test_copied_groups_are_apart_and_shared_ones_are_not():
    inner = torch.optim.SGD([{"params": parameters()}, {"params": parameters()}], lr=0.1)
    copied = Wrapper(inner, [dict(group) for group in inner.param_groups])
    assert [
        (outer is copied.param_groups[place], group is inner.param_groups[place], name)
        for place, (outer, group, name) in enumerate(groups_apart(copied))
    ] == [(True, True, "SGD")] * 2
    shared = Wrapper(inner, inner.param_groups)
    shared.param_groups = inner.param_groups
    assert groups_apart(shared) == []
    assert groups_apart(inner) == []


def test_optimizers_in_a_list_are_seen_and_those_of_other_weights_are_left_alone():
    weights = parameters()
    parts = [torch.optim.SGD(weights, lr=0.1), torch.optim.AdamW(parameters(), lr=0.1)]
    container = Wrapper(parts, [{"params": weights}])
    assert [name for _, _, name in groups_apart(container)] == ["SGD"]
