"""The laws for users' own classes: ours keep them, and each kind of mistake is caught with its sentence."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy_task import LogisticTask, Odd
from strategies import schedules

from ratesmith import Constant, Greedy, Plateau, Ramp, Schedule, SpikeGuard
from ratesmith.controllers import Adaptive
from ratesmith.testing import check_controller, check_schedule, check_task


@settings(max_examples=60)
@given(schedules)
def test_every_schedule_of_ours_keeps_the_laws(schedule):
    check_schedule(schedule)


@given(
    st.builds(Plateau, st.floats(0.1, 0.9), st.integers(0, 5), smooth=st.integers(1, 4), on_worsening=st.booleans())
    | st.builds(Plateau, patience=st.integers(0, 3), cooldown=st.integers(0, 3), threshold_mode=st.just("torch"))
    | st.builds(Greedy, st.floats(0.5, 0.9), st.integers(0, 3), reset=st.integers(1, 5), smooth=st.integers(1, 4))
    | st.builds(SpikeGuard, recover=st.integers(1, 30), settle=st.integers(2, 20), threshold=st.floats(1, 6)),
)
@settings(max_examples=40)
def test_every_controller_of_ours_keeps_the_laws_and_goes_on_from_any_measurement(controller):
    check_controller(controller)
    check_controller(Ramp(1.0, 0.0, 40) * controller * Plateau(0.5, patience=1))


def test_a_schedule_is_a_controller_that_keeps_the_laws():
    check_controller(Ramp(1.0, 0.0, 40))


@dataclass(frozen=True)
class Broken(Schedule):
    what: str
    steps: Any = 10

    def at(self, t, xp):
        ramp = Ramp(1.0, 0.0, 10).at(t, xp)
        if self.what == "nan at the end":
            return math.nan if xp.__class__.__name__ == "Numbers" and t >= 10 else ramp
        if self.what == "an integer":
            return 1
        if self.what == "before the start":
            return 1.0 - 0.1 * t if xp.__class__.__name__ == "Numbers" else ramp
        if self.what == "past the end":
            return 1.0 / (1 + xp.clip(t, 0, None))
        if self.what == "flat arrays":
            return ramp if xp.__class__.__name__ == "Numbers" else ramp.reshape(-1)
        return ramp if xp.__class__.__name__ == "Numbers" else ramp + 0.5


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Broken("nan at the end"), "at step 10 it must be a finite float, got nan"),
        (Broken("an integer"), "at step -1099511627776 it must be a finite float, got 1"),
        (Broken("before the start"), "before step 0 it must be flat, got 109951162778.6 at -1099511627776"),
        (Broken("past the end"), "past its end it must be flat, got 0.08333333333333333 at step 11"),
        (Broken("flat arrays"), "a NumPy array of shape (1, "),
        (Broken("arrays"), "a NumPy array must give the values one by one, got 1.5 for 1.0"),
        (Broken("", steps=2.5), "steps must be None or a whole number, got 2.5"),
    ],
)
def test_a_schedule_that_breaks_a_law_is_told_which(broken, sentence):
    with pytest.raises(AssertionError) as caught:
        check_schedule(broken)
    assert str(caught.value).startswith(sentence)


class Counts(NamedTuple):
    heard: Any = 0


@dataclass(frozen=True)
class Mine(Adaptive[Counts]):
    what: str

    def init(self):
        return Counts([] if self.what == "changes its state" else 0)

    def observe(self, state, step, metrics):
        if self.what == "changes its state":
            state.heard.append(step)
            return state
        return Counts({step} if self.what == "keeps a set" else state.heard + 1)

    def value(self, state, step):
        return math.nan if self.what == "gives NaN" and state.heard > 3 else 1.0

    def why(self, before, after):
        return None if self.what == "says nothing" else ""


@dataclass(frozen=True)
class Branching(Schedule):
    steps: int = 10

    def at(self, t, xp):
        return 1.0 if t < 5 else 0.5


class Remembering(Mine):
    heard = 0

    def value(self, state, step):
        return 1.0 / (1 + Remembering.heard)

    def observe(self, state, step, metrics):
        Remembering.heard += 1
        return state


@pytest.mark.parametrize(
    ("check", "what", "sentence"),
    [
        (check_schedule, Branching(), "it must take an array, got ValueError: The truth value of an array"),
        (check_schedule, Ramp, "it must be an instance of a subclass of Schedule, got <class"),
        (check_controller, Plateau, "it must be an instance with the method init, got <class"),
        (
            check_controller,
            Remembering("in its class"),
            "resumed after measurement 0 it must give the same value after",
        ),
    ],
)
def test_the_commonest_mistakes_are_told(check, what, sentence):
    with pytest.raises(AssertionError) as caught:
        check(what)
    assert str(caught.value).startswith(sentence)


def test_a_controller_that_keeps_the_laws_passes():
    check_controller(Mine("well"))


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("changes its state", "observe must leave the state as it was, at measurement 1"),
        ("gives NaN", "value must be a finite number of at least 0, got nan after measurement 4"),
        ("says nothing", "why must give a text, got None at measurement 1"),
    ],
)
def test_a_controller_that_breaks_a_law_is_told_which(what, sentence):
    with pytest.raises(AssertionError) as caught:
        check_controller(Mine(what))
    assert str(caught.value).startswith(sentence)


def test_a_state_that_json_cannot_hold_is_refused_by_json_itself():
    with pytest.raises(TypeError, match="set is not JSON serializable"):
        check_controller(Mine("keeps a set"))


def test_a_controller_of_another_metric_is_given_its_measurements():
    check_controller(Plateau(metric="f1", mode="max", patience=0), [{"f1": 0.5}, {"f1": 0.4}, {"f1": math.nan}])
    assert Constant(1.0).why((), ()) == ""


def test_a_task_keeps_the_laws():
    check_task(LogisticTask())


STARTED = []


def moved(training, old):
    def evaluate(split="validation"):
        training.weights = training.weights + 1e-9
        return {"loss": 1.0}

    return evaluate


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"evaluate": lambda training, old: lambda split="validation": {"f1": 1.0}}, "evaluate must give a 'loss'"),
        ({"evaluate": moved}, "evaluate must leave the training as it was"),
        (
            {"evaluate": lambda training, old: lambda split="validation": STARTED.append(1) or {"loss": len(STARTED)}},
            "evaluate must give the same when asked again",
        ),
        (
            {"state_dict": lambda training, old: lambda: {**old(), "steps": 0}},
            "load_state_dict must go on from a state, saved after 31 updates, bit for bit in a new training: the l",
        ),
        (
            {"step": lambda training, old: lambda lr: STARTED.append(1) or old(lr) + len(STARTED)},
            "start must begin the same training for the same seed",
        ),
    ],
)
def test_each_law_that_a_task_breaks_is_named(changes, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_task(Odd(**changes))


def test_what_is_no_task_is_told_what_is_missing():
    with pytest.raises(AssertionError, match="it must be an object with has_test, start, save and load, got int"):
        check_task(3)


def test_a_counter_that_the_state_leaves_out_is_seen_without_asking_for_more_steps():
    class Counting(LogisticTask):
        """It doubles every fourth update's loss, by a counter of its own."""

        def start(self, seed):
            training = super().start(seed)
            step, made = training.step, []
            training.step = lambda lr: made.append(1) or step(lr) * (1 + (len(made) % 4 == 0))
            return training

    with pytest.raises(AssertionError, match=r"load_state_dict must go on .* whatever counts updates or batches"):
        check_task(Counting())


@pytest.mark.parametrize("batches", [4, 8])
def test_a_task_whose_optimizer_waits_for_several_batches_is_told_of_its_counter_and_not_of_the_rate(batches):
    class Waiting(LogisticTask):
        """Only every fourth or eighth call changes the weights, by a counter that the state leaves out."""

        def start(self, seed):
            training = super().start(seed)
            step, made = training.step, []
            training.step = lambda lr: made.append(1) or step(0 if len(made) % batches else lr)
            return training

    with pytest.raises(AssertionError, match=r"load_state_dict must go on .* whatever counts updates or batches"):
        check_task(Waiting())
    with pytest.raises(AssertionError, match=r"step must use the rate that it is given, got .* over 3 updates; set it"):
        check_task(Waiting(), steps=3)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"step": lambda training, old: lambda lr: None}, "step must return the loss as one number, got None"),
        ({"step": lambda training, old: lambda lr: [1.0, 2.0]}, "step must return the loss as one number"),
        ({"step": lambda training, old: lambda lr: old(0.1)}, "step must use the rate that it is given"),
        ({"step": lambda training, old: lambda lr: 1 / 0}, r"step\(lr\) must not raise, got ZeroDivisionError"),
        ({"evaluate": lambda training, old: lambda split="validation": 0.5}, "evaluate must return a dict of numbers"),
        ({"evaluate": lambda training, old: lambda split="validation": {"loss": None}}, "evaluate must return numbers"),
        ({"base_lr": lambda training, old: 0.0}, "base_lr must be a number above 0, got 0.0"),
        ({"steps_per_epoch": lambda training, old: 2.5}, "steps_per_epoch must be a whole number above 0, got 2.5"),
        ({"state_dict": lambda training, old: lambda: 1 / 0}, r"state_dict\(\) must not raise, got ZeroDivisionError"),
    ],
)
def test_what_a_training_must_say_is_told_in_a_sentence(changes, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_task(Odd(**changes))


ANYTHING = r"[\s\S]*"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"step": lambda training, old: lambda lr: old(lr) * math.nan},
            "step must give a loss that is a number, got nan in all of 31 updates; look for NaN in the data",
        ),
        (
            {"step": lambda training, old: lambda lr: math.inf},
            "step must give a loss that is a number, got inf in all of 31 updates",
        ),
        (
            {"evaluate": lambda training, old: lambda split="validation": {"loss": math.nan}},
            "evaluate must give a loss that is a number, got nan in all of 8 measurements; look for NaN or infinity in "
            "the validation data",
        ),
        (
            {"evaluate": lambda training, old: lambda split="validation": old({"validation": "validation"}[split])},
            r"evaluate\('test'\) must not raise, got KeyError: 'test'; has_test says that there is test data: give the "
            "task some, or let has_test be False",
        ),
        (
            {"evaluate": lambda training, old: lambda split="validation": old() if split == "validation" else None},
            rf"evaluate\('test'\) must return a dict of numbers, got None{ANYTHING}let has_test be False",
        ),
        (
            {"evaluate": lambda training, old: lambda split="validation": old()},
            r"evaluate\('test'\) must measure on test data, got exactly the loss of the validation data",
        ),
    ],
)
def test_losses_without_a_number_and_test_data_that_is_none_are_seen(changes, sentence):
    with pytest.raises(AssertionError, match=sentence):
        check_task(Odd(**changes))


def test_a_loss_that_is_a_number_only_at_first_is_no_broken_law():
    check_task(Odd(step=lambda training, old: lambda lr: old(lr) if training.steps < 3 else old(lr) * math.nan))


def test_a_method_has_test_is_no_answer():
    class Asked(LogisticTask):
        def has_test(self):
            return True

    with pytest.raises(AssertionError, match="has_test must be True or False, got <bound method"):
        check_task(Asked())


def test_torch_tasks_are_seen_too():
    torch = pytest.importorskip("torch")
    from ratesmith.torch import TorchTask

    inputs = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    targets = (inputs.sum(1) > 0).long()
    options = {
        "model": lambda: torch.nn.Linear(4, 2),
        "optimizer": lambda model: torch.optim.SGD(model.parameters(), lr=0.1),
        "loss": torch.nn.functional.cross_entropy,
        "validation": (inputs[:20], targets[:20]),
        "batch_size": 16,
    }
    check_task(TorchTask(train=(inputs, targets), test=(inputs[20:], targets[20:]), **options))
    with pytest.raises(AssertionError, match="step must give a loss that is a number, got nan in all"):
        check_task(TorchTask(train=(inputs * math.nan, targets), **options))


def test_a_class_is_no_task():
    with pytest.raises(AssertionError, match="it must be an object with has_test, start, save and load, got Log"):
        check_task(LogisticTask)
