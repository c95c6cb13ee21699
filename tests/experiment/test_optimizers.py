"""Further optimizers: how they are given, refused and compared, and what they share."""

import json
from pathlib import Path

import pytest
from comparing import small
from optimizer_task import ChangeableTask, Momentum, make_momentum, make_other

from ratesmith._checks import OptionError
from ratesmith.experiment import StudyError, Trial, compare
from ratesmith.experiment.branch_trainer import BranchTrainer
from ratesmith.experiment.grid import lattice
from ratesmith.experiment.optimizers import NamedOptimizer, as_names, read_optimizers
from ratesmith.experiment.options import CompareOptions
from ratesmith.experiment.sharing import Branch, Rates, arrange
from ratesmith.finder import find

FILE = Path(__file__).parents[1] / "optimizer_task.py"
MOMENTUM = {"momentum": make_momentum}


def test_an_optimizer_is_a_function_its_name_or_either_with_a_fixed_rate():
    given = {"a": make_momentum, "b": "make_b", "c": (make_momentum, 1), "d": "make_d@1e-2", "e-2": ("make_e", 0.5)}
    assert read_optimizers(given) == {
        "a": NamedOptimizer(make_momentum),
        "b": NamedOptimizer("make_b"),
        "c": NamedOptimizer(make_momentum, 1.0),
        "d": NamedOptimizer("make_d", 0.01),
        "e-2": NamedOptimizer("make_e", 0.5),
    }
    assert as_names({"a": make_momentum, "c": (make_momentum, 1), "d": "make_d"}, FILE) == {
        "a": "make_momentum",
        "c": "make_momentum@1.0",
        "d": "make_d",
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([make_momentum], "must be a dict of names and functions, got list; write {'muon': make_muon}"),
        ({"mu on": make_momentum}, "must be called by letters, digits, _ and -, got 'mu on'; give a name such as muon"),
        ({3: make_momentum}, "must be called by letters, digits, _ and -, got 3; give a name such as muon"),
        ({"m": 3}, "must be functions, got 3; write make_muon, or make_prodigy@1 for a rate that is fixed"),
        (
            {"m": "make muon"},
            "must be functions of the task's file, got 'make muon'; write make_muon, or make_prodigy@1",
        ),
        ({"m": "make@0"}, "must have a fixed rate above 0, got 0.0; write @1, or leave it out"),
        ({"m": "make@fast"}, "must have a fixed rate above 0, got 'fast'; write @1, or leave it out"),
        ({"m": (make_momentum, -1.0)}, "must have a fixed rate above 0, got -1.0; write @1, or leave it out"),
        ({"m": (make_momentum, True)}, "must have a fixed rate above 0, got True; write @1, or leave it out"),
    ],
)
def test_what_is_no_optimizer_is_one_line_that_names_the_option(given, message):
    with pytest.raises(OptionError) as caught:
        CompareOptions(optimizers=given)
    assert str(caught.value).startswith(f"compare: optimizers {message}")
    assert caught.value.spelled({"optimizers": "--optimizer"}).startswith("compare: --optimizer ")


@pytest.mark.parametrize(
    ("strategy", "optimizers", "message"),
    [
        ("moment: cosine()", MOMENTUM, "compare: moment: cosine(): there is no optimizer 'moment'; did you mean 'mom"),
        ("muon: cosine()", MOMENTUM, "compare: muon: cosine(): there is no optimizer 'muon'; known: momentum"),
        ("muon: cosine()", None, "compare: muon: cosine(): there is no optimizer 'muon'; give it with optimizers="),
        (
            "momentum: ",
            MOMENTUM,
            "compare: momentum: a strategy must stand behind the colon, got none; write 'momentum:",
        ),
        ("momentum: cosin()", MOMENTUM, "Notation: there is no strategy 'cosin'; did you mean 'cosine'?"),
    ],
)
def test_a_strategy_of_an_optimizer_that_is_not_there_is_refused(strategy, optimizers, message):
    with pytest.raises((OptionError, ValueError)) as caught:
        CompareOptions(strategies=(strategy,), optimizers=optimizers)
    assert str(caught.value).startswith(message)


def test_an_optimizer_that_no_strategy_names_takes_part_with_a_constant_rate():
    options = CompareOptions(
        strategies=("momentum:step(every=[5, 9])", "cosine()"),
        optimizers={"momentum": "make_momentum", "other": "make_other@0.5"},
    )
    assert options.families == {
        "constant()": ("constant()",),
        "momentum: step(every=[5, 9])": ("momentum: step(every=5)", "momentum: step(every=9)"),
        "cosine()": ("cosine()",),
        "other: constant()": ("other: constant()",),
    }
    assert options.question.optimizers == {"momentum": "make_momentum", "other": "make_other"}
    assert options.question.fixed_rates == {"other": 0.5}
    assert options.question.undecided(1) == ("momentum: step(every=5)", "momentum: step(every=9)")
    assert "other: constant()" not in options.question.undecided(5)


def test_functions_of_another_file_cannot_be_found_by_workers():
    with pytest.raises(OptionError, match=r"got make_momentum of another; put it into digits\.py, and give its name"):
        compare("examples/digits.py:task", [], optimizers=MOMENTUM)
    with pytest.raises(OptionError, match="got dict of another"):
        as_names({"m": dict}, FILE)


@pytest.mark.parametrize("source", [str(Path(__file__).with_name("reporting_script.py")), lambda trial: None])
def test_a_training_of_ones_own_makes_its_optimizer_itself(source):
    with pytest.raises(OptionError, match="optimizers is for a task, and a training of your own makes its optimizer"):
        compare(source, ["cosine()"], optimizers={"m": "make_m"}, steps=10, rates=[0.1])


def test_trials_of_different_optimizers_never_share_and_those_of_one_do():
    rates = Rates(80, 10, {})
    names = [f"{name}{rule}" for name in ("", "a: ", "b: ") for rule in ("constant()", 'step(every="50%")')]
    arranged = arrange([Trial(name, 0.1, 0, 80) for name in names], rates)
    assert [[trial.strategy for trial in branch.trials] for branch in arranged.branches] == [
        names[:2],
        names[2:4],
        names[4:],
    ]
    assert (arranged.planned, arranged.run) == (6 * 80, 3 * (80 + 40))


def test_within_one_optimizer_runs_share_bit_for_bit_and_each_is_its_own_training(tmp_path):
    strategies = ['step(every="50%")', "momentum: constant()", 'momentum: step(every="50%")', "momentum: plateau()"]
    found = small(ChangeableTask(), tmp_path, strategies, optimizers=MOMENTUM, rates=[0.1])
    assert any(run.shared for run in found.runs if run.trial.strategy.startswith("momentum"))
    for run in found.runs:
        if run.shared_with:
            assert run.shared_with.startswith("momentum") == run.trial.strategy.startswith("momentum")
        task = ChangeableTask()
        if run.trial.strategy.startswith("momentum"):
            task = task.with_optimizer(make_momentum)
        training = task.start(run.trial.seed)
        rates = Rates(found.layout.steps, found.layout.steps_per_epoch, {})
        alone = BranchTrainer(Branch((run.trial,)), training, rates, found.layout, lambda training, name: ("", ""))
        (same,) = alone.train(float("inf"))
        assert repr(same.curve) == repr(run.curve)
    ends = {run.trial.strategy: run.metrics["loss"] for run in found.runs if run.trial.seed == 1000}
    assert len({ends["constant()"], ends["momentum: constant()"]}) == 2


def test_each_optimizer_has_its_own_rates_and_a_fixed_rate_has_no_choice(tmp_path):
    optimizers = {"momentum": make_momentum, "fixed": (make_other, 0.2)}
    found = compare(
        ChangeableTask(), [], optimizers=optimizers, steps=60, seeds=2, folder=tmp_path, version="1", choice_seeds=1
    )
    swept = {
        "constant()": find(ChangeableTask(), method="sweep", seeds=[0]),
        "momentum: constant()": find(ChangeableTask().with_optimizer(make_momentum), method="sweep", seeds=[0]),
    }
    rates = {
        name: {run.trial.base_lr for run in found.runs if run.trial.strategy == name}
        for name in ("constant()", "momentum: constant()", "fixed: constant()")
    }
    assert rates["fixed: constant()"] == {0.2}
    assert sum(run.trial.strategy == "fixed: constant()" for run in found.runs) == 2  # the verdict's alone
    for name, sweep in swept.items():
        assert len(rates[name]) >= 2
        assert rates[name] <= set(lattice(sweep.suggestion))
    assert sum(note.code in ("RS302", "RS303") for note in found.notes) == 2
    sweep = swept["momentum: constant()"]
    said = (
        f"Rates of momentum are looked for around {sweep.suggestion:.3g}, "
        f"which a sweep of {sweep.updates} updates found."
    )
    assert said in [note.text() for note in found.notes]


def test_an_optimizer_whose_state_does_not_go_on_is_named(tmp_path):
    class Forgetful(Momentum):
        steps = 0

        def update(self, weights, gradient, lr):
            self.steps += 1  # which no state has
            return super().update(weights, gradient, lr / self.steps)

    found = small(ChangeableTask(), tmp_path, ['step(every="50%")'], optimizers={"forgetful": Forgetful}, rates=[0.1])
    assert not any(run.shared for run in found.runs)
    (note,) = (note.text() for note in found.notes if note.code == "RS301")
    assert note.startswith("The state of a training with the optimizer forgetful, saved and loaded, does not go on bit")


def test_a_task_in_a_file_finds_its_optimizers_there_in_worker_processes_too(tmp_path):
    task = f"{FILE}:task"
    optimizers = {"momentum": "make_momentum"}
    here = small(task, tmp_path / "a", ["momentum: cosine()"], optimizers=optimizers, version=None)
    there = small(task, tmp_path / "b", ["momentum: cosine()"], optimizers=optimizers, version=None, workers=1)
    assert [row.estimates for row in here.rows] == [row.estimates for row in there.rows]
    with pytest.raises(OptionError, match=r"got 'make_moment', which optimizer_task\.py has not; did you mean 'make_m"):
        small(task, tmp_path / "c", optimizers={"momentum": "make_moment"}, version=None)
    with pytest.raises(OptionError, match="define it there, as def zyx"):
        small(task, tmp_path / "c", optimizers={"momentum": "zyx"}, version=None)
    with pytest.raises(OptionError, match="must be functions where the task is an object, got 'make_momentum'; give"):
        small(ChangeableTask(), tmp_path / "c", optimizers={"momentum": "make_momentum"})


def test_an_optimizer_may_be_added_to_a_study_and_not_become_another(tmp_path):
    first = small(ChangeableTask(), tmp_path, ["cosine()"])
    before = {run.trial: run for run in first.runs}
    more = small(ChangeableTask(), tmp_path, ["cosine()"], optimizers=MOMENTUM)
    kept = [run for run in more.runs if run.trial in before]
    assert {"constant()", "cosine()"} == {run.trial.strategy for run in kept}
    assert kept == [before[run.trial] for run in kept]  # seconds too: none was made again
    with pytest.raises(StudyError, match="the optimizer momentum 'make_momentum', now 'make_other'; give another fold"):
        small(ChangeableTask(), tmp_path, ["cosine()"], optimizers={"momentum": make_other})

    def changed(weights):
        made = make_momentum(weights)
        made.velocity = made.velocity + 1.0
        return made

    changed.__name__ = "make_momentum"
    with pytest.raises(StudyError, match="the losses at the first steps with the optimizer momentum"):
        small(ChangeableTask(), tmp_path, ["cosine()"], optimizers={"momentum": changed})


def test_the_lines_to_paste_say_which_optimizer_in_every_form(tmp_path):
    found = small(ChangeableTask(), tmp_path, [], optimizers=MOMENTUM, baseline="momentum: cosine()")
    assert found.best.chosen == "momentum: cosine()"
    assert {"ratesmith", "python", "optax"} <= set(found.paste_forms())
    for form in found.paste_forms():
        first, *rest = found.paste(form).splitlines()
        assert first == "# with the optimizer momentum, which make_momentum(model) makes"
        assert rest
        assert "momentum" not in "\n".join(rest)
    json.dumps(found.to_dict(), allow_nan=False)
