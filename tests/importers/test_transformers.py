"""The schedules of transformers by their names: the same rates, or a clear refusal."""

import pytest
import torch

from ratesmith import Plateau
from ratesmith.importers import from_transformers


def sgd(rate):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)


@pytest.mark.parametrize("warm", [0, 10])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("linear", {}),
        ("cosine", {}),
        ("cosine_with_restarts", {"num_cycles": 3}),
        ("constant", {}),
        ("constant_with_warmup", {}),
        ("inverse_sqrt", {}),
        ("cosine_with_min_lr", {"min_lr_rate": 0.1}),
        ("warmup_stable_decay", {"num_decay_steps": 30, "min_lr_ratio": 0.1, "decay_type": "1-sqrt"}),
    ],
)
def test_transformers_names_give_its_schedules(name, options, warm):
    transformers = pytest.importorskip("transformers")
    if name == "inverse_sqrt" and not warm:
        pytest.skip("it has a time scale of its own then")
    made = transformers.get_scheduler(name, sgd(1.0), warm, 100, scheduler_specific_kwargs=options)
    value = from_transformers(name, warm, 100, **options)
    for step in range(101):
        expected = made.lr_lambdas[0](step)
        assert value(step) == pytest.approx(expected, rel=1e-11, abs=1e-13), step


def test_what_transformers_does_not_have_is_refused():
    with pytest.raises(
        ValueError, match=r"from_transformers: name must be one of linear, cosine, .*, got 'cosin'; choose"
    ):
        from_transformers("cosin", 0, 100)
    with pytest.raises(ValueError, match="from_transformers: options of 'linear' must be among none, got 'q'; drop it"):
        from_transformers("linear", 0, 100, q=1)
    assert from_transformers("reduce_lr_on_plateau", 0, 100, patience=3) == Plateau(patience=3, threshold_mode="torch")
