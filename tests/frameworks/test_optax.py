"""A schedule is an optax schedule as it is: under jit, injected, and gone on with from a checkpoint."""

import pytest

from ratesmith import Ramp, get_trial

jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")

SCHEDULE = 0.1 * (Ramp(0.0, 1.0, 4) >> Ramp(1.0, 0.1, 12, "cosine"))


def update(optimizer):
    @jax.jit
    def once(weights, state):
        changes, state = optimizer.update({"w": jax.numpy.ones(3)}, state, weights)
        return optax.apply_updates(weights, changes), state, changes["w"][0]

    return once


def test_the_updates_are_made_at_the_schedules_rates_and_compile_once():
    optimizer = optax.sgd(SCHEDULE)
    weights = {"w": jax.numpy.zeros(3)}
    state, once, found = optimizer.init(weights), update(optimizer), []
    for _ in range(16):
        weights, state, change = once(weights, state)
        found.append(-float(change))
    assert found == pytest.approx([SCHEDULE(step) for step in range(16)], rel=1e-6, abs=1e-8)
    assert once._cache_size() == 1


def test_an_injected_schedule_shows_its_rate_and_goes_on_from_a_checkpoint(tmp_path):
    numpy = pytest.importorskip("numpy")
    optimizer = optax.inject_hyperparams(optax.adamw)(learning_rate=SCHEDULE)
    weights = {"w": jax.numpy.zeros(3)}
    state, once = optimizer.init(weights), update(optimizer)
    rates, uninterrupted = [], []
    for step in range(16):
        if step == 7:
            leaves = jax.tree.leaves((weights, state))
            numpy.savez(tmp_path / "checkpoint.npz", *leaves)
        weights, state, _ = once(weights, state)
        rates.append(float(state.hyperparams["learning_rate"]))
        uninterrupted.append(weights["w"].tolist())
    assert rates == pytest.approx([SCHEDULE(step) for step in range(16)], rel=1e-6, abs=1e-8)

    saved = numpy.load(tmp_path / "checkpoint.npz", allow_pickle=False)
    again = optax.inject_hyperparams(optax.adamw)(learning_rate=SCHEDULE)
    empty = ({"w": jax.numpy.zeros(3)}, again.init({"w": jax.numpy.zeros(3)}))
    weights, state = jax.tree.unflatten(jax.tree.structure(empty), list(saved.values()))
    once = update(again)
    for step in range(7, 16):
        weights, state, _ = once(weights, state)
        assert weights["w"].tolist() == uninterrupted[step]


@pytest.mark.parametrize("injected", [False, True])
def test_a_trials_rates_are_an_optax_schedule(injected):
    trial = get_trial(lr=0.1, schedule="warmup(4) >> cosine(final=0.1)", steps=16)
    rate = trial.lr * trial.factor
    optimizer = optax.inject_hyperparams(optax.sgd)(learning_rate=rate) if injected else optax.sgd(rate)
    weights = {"w": jax.numpy.zeros(3)}
    state, once, found = optimizer.init(weights), update(optimizer), []
    for _ in range(trial.steps):
        weights, state, change = once(weights, state)
        found.append(-float(change))
    assert found == pytest.approx([0.1 * trial.factor(step) for step in range(16)], rel=1e-6, abs=1e-8)
    assert once._cache_size() == 1
