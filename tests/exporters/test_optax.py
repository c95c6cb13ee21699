"""Optax's schedules, and functions of JAX's arrays: compiled, they give the same rates."""

import pytest
from exporting import HORIZONS, cases, ran, rates_of, same

from ratesmith.exporters import code, forms

jax = pytest.importorskip("jax")
pytest.importorskip("optax")


def compiled(text, horizon, wanted):
    rate = ran(text, horizon, "optax")["learning_rate"]
    steps = jax.numpy.arange(len(wanted))  # 32 bits wide, as optax counts, unless double precision is on
    return jax.jit(jax.vmap(lambda step: jax.numpy.asarray(rate(step))))(steps).tolist()


@pytest.fixture
def double_precision():
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize(("text", "horizon"), cases("optax"))
def test_the_rates_are_the_same_in_double_precision(text, horizon):
    wanted = rates_of(text, HORIZONS[horizon])
    same(compiled(text, HORIZONS[horizon], wanted), wanted, 1e-12)


@pytest.mark.parametrize(("text", "horizon"), [case for case in cases("optax") if case[1] == 1])
def test_the_rates_are_the_same_to_single_precision_as_jax_computes_by_default(text, horizon):
    wanted = rates_of(text, HORIZONS[horizon])
    same(
        compiled(text, HORIZONS[horizon], wanted), wanted, 5e-5 if "gamma" in text else 5e-6
    )  # a power grows an error too


def test_what_optax_has_is_said_by_its_name():
    assert "optax.warmup_cosine_decay_schedule(" in code('warmup("10%") >> cosine(final=0.1)', 0.1, 100, "optax")
    assert "optax.cosine_decay_schedule(0.1, 100)" in code("cosine()", 0.1, 100, "optax")
    assert "optax.join_schedules(" in code('wsd(warmup="10%")', 0.1, 100, "optax")
    assert "import jax.numpy as jnp" in code("rex()", 0.1, 100, "optax")


def test_cycles_that_grow_and_steps_beyond_32_bits_are_not_said():
    assert "optax" not in forms('sgdr("10%", growth=2)', 100)
    assert "optax" not in forms("cosine()", 2**31)
    assert "optax" in forms("cosine()", 10**9)


def test_a_jump_between_two_steps_is_not_said_since_a_compiled_division_may_round_over_it():
    assert "optax" not in forms("stretch(take(step(7), 99), 43)", 100)
    assert "optax" in forms("stretch(take(step(7), 99), 33)", 100)
    assert "optax" in forms("closed(cosine())", 100)


def test_lengths_that_jax_cannot_hold_are_not_said():
    assert "optax" not in forms("Ramp(1.0, 0.0, 3000000000)", 100)
    assert "optax" not in forms("0.5 * Ramp(1.0, 0.0, 3000000000) * cosine()", 100)
