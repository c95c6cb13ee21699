"""Lengths become steps in one place, and nothing is guessed."""

import math
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratesmith import Horizon


@pytest.mark.parametrize(
    ("length", "steps"),
    [
        *[(0, 0), (7, 7), (np.int64(7), 7)],
        *[("5%", 50), ("12.5%", 125), (" 5 % ", 50), ("0%", 0), ("100%", 1000)],
        *[("2ep", 60), ("0.5ep", 15), ("1.5 ep", 45)],
    ],
)
def test_a_length_becomes_steps(length, steps):
    assert Horizon(1000, steps_per_epoch=30).resolve(length) == steps


def test_a_share_is_rounded_to_the_nearest_step():
    assert [Horizon(n).resolve("5%") for n in (9, 10, 29, 30)] == [0, 1, 1, 2]


def test_a_later_part_sees_what_is_left_and_shares_of_the_whole():
    later = Horizon(1000, steps_per_epoch=10).after(50).after(150)
    assert (later.left, later.resolve("10%"), later.resolve("1ep")) == (800, 100, 10)
    assert Horizon(10).after(50).left == 0


@pytest.mark.parametrize(
    ("length", "steps"),
    [
        *[
            ("500tok", 1),
            ("5ktok", 5),
            ("5Mtok", 5000),
            ("5Gtok", 5 * 10**6),
            ("5Btok", 5 * 10**6),
            ("5Ttok", 5 * 10**9),
        ],
        *[("50sp", 5), ("1.5ksp", 150), ("5Msp", 500_000)],
    ],
)
def test_a_length_in_tokens_or_samples_becomes_steps(length, steps):
    assert Horizon(10, tokens_per_step=1000, samples_per_step=10).resolve(length) == steps


def test_a_later_part_knows_all_that_the_first_knows():
    assert Horizon(10, 2, 1, 3, 4).after(5) == Horizon(10, 2, 6, 3, 4)


def test_a_point_exactly_where_a_part_begins_is_its_first_step():
    later = Horizon(1000, steps_per_epoch=100).after(200)
    assert [later.locate(point) for point in ("20%", "2ep", "20.1%")] == [0, 0, 1]
    with pytest.raises(ValueError, match=r"Horizon: length '19.9%' is step 199, and 200 steps are over by then"):
        later.locate("19.9%")


@pytest.mark.parametrize(
    ("length", "message"),
    [
        (0.05, "Horizon: length must be whole steps, '5%', '2ep' or '3Mtok', got 0.05; write '5%' for a share"),
        (1.0, "Horizon: length must be whole steps, '5%', '2ep' or '3Mtok', got 1.0; write '100%' for a share of"),
        (1.5, "Horizon: length must be whole steps, '5%', '2ep' or '3Mtok', got 1.5; write an int for steps"),
        (True, "Horizon: length must be whole steps, '5%', '2ep' or '3Mtok', got True"),
        (-1, "Horizon: length must be a whole number of at least 0, got -1"),
        ("fast", "Horizon: length must be whole steps, '5%', '2ep' or '3Mtok', got 'fast'"),
        ("-5%", "Horizon: length must be whole steps, '5%', '2ep' or '3Mtok', got '-5%'"),
        ("1e-3", "Horizon: length must be whole steps, '5%', '2ep' or '3Mtok', got '1e-3'"),
        ("120%", "Horizon: length must be a share of at most 100%, got '120%'"),
        ("2ep", "Horizon: length '2ep' needs steps_per_epoch, which is not known; give steps_per_epoch=, or a"),
        (None, "Horizon: length must be whole steps, '5%', '2ep' or '3Mtok', got None; write one of these"),
    ],
)
def test_a_length_that_could_mean_two_things_or_none_is_refused(length, message):
    with pytest.raises((ValueError, TypeError)) as caught:
        Horizon(1000).resolve(length)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("steps", [0, -5, 2.5, True, "10"])
def test_a_horizon_is_at_least_one_step(steps):
    with pytest.raises((ValueError, TypeError), match="Horizon: steps must be a whole number of at least 1"):
        Horizon(steps)


class Loader:
    """A loader of so many batches, with any attributes."""

    def __init__(self, batches, **attributes):
        self.batches = batches
        vars(self).update(attributes)

    def __len__(self):
        return self.batches


def updates_of_a_loop(batches, accumulate, epochs, remainder):
    """Count the updates that the loops in the wild make."""
    updates = counter = 0
    for _ in range(epochs):
        for i in range(batches):
            counter += 1
            if remainder == "carry":
                updates += counter % accumulate == 0
            else:
                updates += (i + 1) % accumulate == 0 or (remainder == "step" and i + 1 == batches)
    return updates


@pytest.mark.parametrize("remainder", ["step", "drop", "carry"])
@given(batches=st.integers(1, 40), accumulate=st.integers(1, 12), epochs=st.integers(1, 6))
def test_a_loader_gives_the_updates_that_the_loop_over_it_makes(remainder, batches, accumulate, epochs):
    updates = updates_of_a_loop(batches, accumulate, epochs, remainder)
    if updates == 0:
        with pytest.raises(ValueError, match="Horizon: there must be at least one update"):
            Horizon.from_dataloader(range(batches), epochs=epochs, accumulate=accumulate, remainder=remainder)
        return
    horizon = Horizon.from_dataloader(range(batches), epochs=epochs, accumulate=accumulate, remainder=remainder)
    assert horizon.steps == updates
    if horizon.steps_per_epoch is None:
        assert remainder == "carry"
        assert batches % accumulate > 0
    else:
        assert horizon.resolve(f"{epochs}ep") == updates


def test_epochs_of_no_whole_number_of_updates_are_refused_not_rounded():
    horizon = Horizon.from_dataloader(range(10), epochs=2, accumulate=4, remainder="carry")
    assert horizon == Horizon(5)
    with pytest.raises(ValueError, match="Horizon: length '1ep' needs steps_per_epoch, which is not known"):
        horizon.resolve("1ep")


@pytest.mark.parametrize(
    ("loader", "options", "expected"),
    [
        (Loader(10, batch_size=8), {"accumulate": 4}, Horizon(6, 3, samples_per_step=32)),
        (Loader(10, batch_size=8), {"world_size": 4}, Horizon(6, 3, samples_per_step=32)),
        (Loader(10, batch_size=8, drop_last=True), {"world_size": 4}, Horizon(4, 2, samples_per_step=32)),
        (Loader(10, batch_size=8), {"world_size": 4, "sharded": True}, Horizon(20, 10, samples_per_step=32)),
        (Loader(10, batch_size=8), {"sharded": True}, Horizon(20, 10)),
        (Loader(10, batch_size=None, batch_sampler=SimpleNamespace(batch_size=3)), {}, Horizon(20, 10, 0, None, 3)),
        (Loader(10, batch_size=None, batch_sampler=None), {}, Horizon(20, 10)),
        (Loader(10, batch_size=2, sampler=SimpleNamespace(num_replicas=3)), {}, Horizon(20, 10, samples_per_step=6)),
        (
            Loader(10, batch_size=2, sampler=SimpleNamespace(num_replicas=3)),
            {"sharded": False},
            Horizon(8, 4, samples_per_step=6),
        ),
    ],
)
def test_the_processes_and_the_batch_size_count(loader, options, expected):
    assert Horizon.from_dataloader(loader, epochs=2, **options) == expected


@pytest.mark.parametrize(
    ("loader", "options", "message"),
    [
        (range(10), {"epochs": 0}, "Horizon: epochs must be a whole number of at least 1, got 0"),
        (range(10), {"epochs": 1.5}, "Horizon: epochs must be a whole number of at least 1, got 1.5"),
        (range(10), {"accumulate": 0}, "Horizon: accumulate must be a whole number of at least 1, got 0"),
        (range(10), {"world_size": 0}, "Horizon: world_size must be a whole number of at least 1, got 0"),
        (
            range(10),
            {"remainder": "keep"},
            "Horizon: remainder must be 'step', 'drop' or 'carry', got 'keep'; choose one",
        ),
        (
            iter([]),
            {},
            "Horizon: the loader must have a length, got list_iterator without one; count its updates yourself and "
            "give Horizon(steps)",
        ),
        ([], {}, "Horizon: the loader must have at least one batch, got none; give the one for training"),
        (
            range(3),
            {"accumulate": 4, "remainder": "drop"},
            "Horizon: there must be at least one update, got 3 batches an epoch with accumulate 4; give a smaller one, "
            "or remainder='step'",
        ),
        (
            Loader(3, drop_last=True),
            {"world_size": 4},
            "Horizon: each process must get at least one batch, got 3 for 4 with drop_last; give a smaller batch size",
        ),
        (
            Loader(3, sampler=SimpleNamespace(num_replicas=2)),
            {"world_size": 4},
            "Horizon: world_size must be 2, as the loader was made for, got 4; leave it out",
        ),
    ],
)
def test_a_loader_that_gives_no_updates_is_refused(loader, options, message):
    with pytest.raises((ValueError, TypeError)) as caught:
        Horizon.from_dataloader(loader, **{"epochs": 1, **options})
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(("batches", "steps"), [(0, 3), (1, 3), (4, 3), (5, 6)])
def test_an_epoch_of_a_hugging_face_trainer_makes_an_update_at_least(batches, steps):
    pytest.importorskip("torch")
    arguments = {"gradient_accumulation_steps": 4, "world_size": 1, "max_steps": -1, "num_train_epochs": 3}
    trainer = SimpleNamespace(args=SimpleNamespace(**arguments), get_train_dataloader=lambda: Loader(batches))
    assert Horizon.from_trainer(trainer) == Horizon(steps, steps_per_epoch=steps // 3)


def test_what_is_no_trainer_of_the_two_is_refused():
    with pytest.raises(TypeError) as caught:
        Horizon.from_trainer(Loader(3))
    assert str(caught.value) == (
        "Horizon: the trainer must be one of Lightning or Hugging Face, got Loader; "
        "give from_dataloader its loader instead"
    )


@given(
    step=st.integers(0, 10**9),
    before=st.one_of(st.none(), st.integers(1, 10**7)),
    after=st.one_of(st.none(), st.integers(1, 10**7)),
    samples=st.tuples(st.integers(1, 10**4), st.integers(1, 10**4)),
)
def test_a_step_is_converted_by_tokens_else_by_samples_to_the_nearest(step, before, after, samples):
    old = Horizon(10, tokens_per_step=before, samples_per_step=samples[0])
    new = Horizon(10, tokens_per_step=after, samples_per_step=samples[1])
    sizes = samples if None in (before, after) else (before, after)
    assert new.convert(step, before=old) == math.floor(Fraction(step * sizes[0], sizes[1]) + Fraction(1, 2))


def test_a_step_stays_itself_where_no_unit_is_known_on_both_sides():
    assert Horizon(10, tokens_per_step=5).convert(7, before=Horizon(10, samples_per_step=3)) == 7
    with pytest.raises(ValueError, match="Horizon: step must be a whole number of at least 0, got -1"):
        Horizon(10).convert(-1, before=Horizon(10))
