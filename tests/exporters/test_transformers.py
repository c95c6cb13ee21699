"""The options of Hugging Face's Trainer: they make the same rates up to the end of the training."""

import pytest
from exporting import HORIZONS, cases, ran, rates_of, same

from ratesmith import Horizon
from ratesmith.exporters import code, forms

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("accelerate")


def scheduler_of(arguments):
    """Return the scheduler that a Trainer makes of its arguments."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=arguments.learning_rate)
    return transformers.get_scheduler(
        arguments.lr_scheduler_type,
        optimizer,
        num_warmup_steps=arguments.get_warmup_steps(arguments.max_steps),
        num_training_steps=arguments.max_steps,
        scheduler_specific_kwargs=arguments.lr_scheduler_kwargs,
    )


@pytest.mark.parametrize(("text", "horizon"), cases("transformers"))
def test_the_rates_are_the_same_up_to_the_end(text, horizon):
    arguments = ran(text, HORIZONS[horizon], "transformers")["arguments"]
    steps = HORIZONS[horizon].steps
    assert arguments.max_steps == steps
    factor = scheduler_of(arguments).lr_lambdas[0]
    rates = [arguments.learning_rate * factor(step) for step in range(steps + 1)]
    same(rates, rates_of(text, HORIZONS[horizon], until=steps + 1), 1e-12)


@pytest.mark.parametrize("cycles", [*range(1, 30), 44, 55])
@pytest.mark.parametrize("steps", [22, 97, 100, 144])
def test_restarts_that_theirs_rounds_away_are_not_said(cycles, steps):
    text = f"cosine_restarts({cycles})"
    made = transformers.get_scheduler(
        "cosine_with_restarts",
        torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0),
        0,
        steps,
        scheduler_specific_kwargs={"num_cycles": cycles},
    )
    theirs = [made.lr_lambdas[0](step) for step in range(steps + 1)]
    wanted = rates_of(text, Horizon(steps), 1.0, steps + 1)
    exact = max(abs(a - b) for a, b in zip(theirs, wanted, strict=True)) < 1e-9
    assert ("transformers" in forms(text, steps)) == exact
    assert exact or steps == 22


def test_each_is_said_by_its_name_of_version_5():
    for text, name in (
        ('warmup("10%") >> linear()', "linear"),
        ('warmup("10%") >> cosine()', "cosine"),
        ("cosine(final=0.1)", "cosine_with_min_lr"),
        ("cosine_restarts(3)", "cosine_with_restarts"),
        ("polynomial(2, final=0.1)", "polynomial"),
        ("constant()", "constant"),
        ('warmup("10%") >> constant()', "constant_with_warmup"),
        ("inverse_sqrt(10)", "inverse_sqrt"),
        ('wsd(warmup="10%", decay="20%")', "warmup_stable_decay"),
    ):
        assert f'lr_scheduler_type="{name}"' in code(text, 0.1, 100, "transformers")


def test_a_decay_that_ends_elsewhere_than_the_training_is_not_said():
    assert "transformers" not in forms('Ramp(1, 0, 50, "cosine")', 100)
    assert "transformers" not in forms('warmup("10%", start=0.1) >> cosine()', 100)
    assert "transformers" not in forms('wsd(warmup="10%", final=0.1)', 100)
