"""Options: a mistake in one is one clear line, in the words of who gave it."""

import dataclasses
import inspect
import json
import math

import pytest
from comparing import small
from numpy_task import LogisticTask

from ratesmith._checks import OptionError
from ratesmith.experiment import ComparisonError, compare
from ratesmith.experiment.compare import source_of
from ratesmith.experiment.options import CompareOptions


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rates": [-1.0]}, "compare: rates must be numbers above 0, got [-1.0]; give rates such as 0.01"),
        ({"rates": [0.0]}, "compare: rates must be numbers above 0, got [0.0]; give rates such as 0.01"),
        ({"rates": []}, "compare: rates must be numbers above 0, got none; give some"),
        ({"rates": [math.nan]}, "compare: rates must be numbers above 0, got [nan]; give rates such as 0.01"),
        ({"metric": "accuracy"}, "compare: mode must be given for the metric 'accuracy'; write 'min' if small"),
        (
            {"metric": "f1", "mode": "max"},
            "compare: metric must be one that the task reports, got 'f1'; it reports loss, accuracy",
        ),
        ({"mode": "best"}, "compare: mode must be 'min' or 'max', got 'best'"),
        ({"seeds": 0}, "compare: seeds must be a whole number of at least 1, got 0"),
        ({"choice_seeds": 0}, "compare: choice_seeds must be a whole number of at least 1, got 0"),
        ({"margin": -1.0}, "compare: margin must be a finite number of at least 0, got -1.0"),
        ({"rungs": [1.5]}, "compare: rungs must be shares of a run between 0 and 1, got [1.5]; give 0.25"),
        ({"rungs": [1.0]}, "compare: rungs must be shares of a run between 0 and 1, got [1.0]; give 0.25"),
        ({"budget": "soon"}, "compare: budget must be a number of steps or a time, got 'soon'; write 50000, '30m'"),
        ({"engine": "dask"}, "compare: engine must be one of local, ray, got 'dask'; choose one"),
        ({"timeout": 5.0}, "compare: timeout needs workers that can be stopped; give some with workers="),
        ({"baseline": "cosin()"}, "Notation: there is no strategy 'cosin'; did you mean 'cosine'?"),
        ({"strategies": ["wsd(decay=[])"]}, "compare: an option must be listed with at least one value"),
        ({"workers": -1}, "compare: workers must be a whole number of at least 0, got -1"),
        ({"workers": 1}, "compare: workers needs a task given as 'path/to/file.py:name'"),
        ({"steps": "50%"}, "compare: steps must be a number of steps or epochs, got '50%'"),
        ({"steps": 0}, "compare: steps must be a whole number of at least 1, got 0"),
        ({"steps": "soon"}, "compare: steps must be a number of steps or epochs, got 'soon'"),
        (
            {"evaluate_every": "soon"},
            "compare: evaluate_every must be a number of steps, epochs or a share, got 'soon'",
        ),
        ({"strategies": "cosine()"}, "compare: strategies must be a list, got 'cosine()'; write ['cosine()']"),
        ({"address": "auto"}, "compare: address is for the engine 'ray'; add that, or drop it"),
        ({"gpus": 1}, "compare: gpus needs workers; give some with workers="),
        ({"evaluate_every": 0}, "compare: evaluate_every must be a whole number of at least 1, got 0"),
        ({"strategies": ["cosin()"]}, "Notation: there is no strategy 'cosin'; did you mean 'cosine'?"),
        ({"strategies": ['plateau(metric="f1")']}, "Plateau: metric must be one that is measured, got 'f1'"),
        ({"strategies": ['custom("halving")']}, "Notation: custom: there is no function"),
    ],
)
def test_a_mistake_is_one_clear_line_before_anything_is_trained(tmp_path, options, message):
    with pytest.raises((ComparisonError, ValueError)) as caught:
        small(LogisticTask(), tmp_path / "study", **options)
    assert str(caught.value).startswith(message)
    assert not (tmp_path / "study").exists()


def test_options_come_back_from_json_and_fill_every_field():
    options = CompareOptions(
        strategies=("cosine()", "rex()"),
        rates=(0.1, 1.0),
        rungs=(0.25,),
        budget="30m",
        steps=60,
        metric="f1",
        mode="max",
    )
    data = json.loads(json.dumps(options.to_data()))
    assert CompareOptions.from_data(data) == options
    given = inspect.signature(compare).parameters.keys()
    assert {field.name for field in dataclasses.fields(CompareOptions)} == given - {
        *("task", "folder", "on_plan", "on_progress")
    }


def test_the_defaults_of_compare_are_those_of_its_options():
    parameters, options = inspect.signature(compare).parameters, CompareOptions()
    for field in dataclasses.fields(CompareOptions):
        assert parameters[field.name].default == getattr(options, field.name), field.name


@pytest.mark.parametrize("version", ["", " ", 2])
def test_a_version_is_a_text(version):
    with pytest.raises(OptionError, match=r"^compare: version must be a text, got .*; write '1'$"):
        CompareOptions(version=version)


def test_a_mistake_is_told_in_the_words_of_the_caller():
    with pytest.raises(OptionError) as caught:
        source_of("examples/digits.py:task", CompareOptions(timeout=5.0))
    names = {"timeout": "--timeout", "workers": "--workers"}
    assert caught.value.spelled(names) == (
        "compare: --timeout needs workers that can be stopped; give some with --workers"
    )
    assert caught.value.option == "timeout"
