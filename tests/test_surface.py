"""The public names, and what importing them costs."""

import importlib
import subprocess
import sys

import pytest

import ratesmith
import ratesmith.controllers
import ratesmith.experiment
import ratesmith.exporters
import ratesmith.finder
import ratesmith.forecast
import ratesmith.importers
import ratesmith.logs
import ratesmith.recipes
import ratesmith.report
import ratesmith.schedule
import ratesmith.strategy
import ratesmith.testing
import ratesmith.torch
import ratesmith.torch.lr_scheduler

SURFACE = {
    "ratesmith": "ActiveTrial Constant Controller Custom Exponential Greedy Horizon InverseSqrt InverseTime Max "
    "Milestones Min NotationError Plateau Product Ramp Schedule Sequence SpikeGuard Staircase Strategy Sum Tanh "
    "TrialStopped controllers explain find from_data get_trial parse recipes summarize to_data",
    "ratesmith.controllers": "Adaptive Chained Controller Greedy GreedyState Plateau PlateauState SpikeGuard "
    "SpikeGuardState restore",
    "ratesmith.recipes": "constant cooldown cosine cosine_restarts custom cyclic exponential hyperbolic inverse_sqrt "
    "inverse_time knee linear multistep natural_exponential noam one_cycle piecewise_constant piecewise_linear "
    "polynomial ramp rex sgdr step tanh trapezoidal warmup wsd",
    "ratesmith.finder": "Curve FinderError FinderResult RULES ScriptTask find grid preserve_rng_state race sweep",
    "ratesmith.forecast": "Candidates CannotSay Curve Diagnostic Forecaster Prediction Row Transfer fit read "
    "read_study refined transfer_rate",
    "ratesmith.logs": "Curve read",
    "ratesmith.exporters": "code forms",
    "ratesmith.importers": "from_deepspeed from_megatron from_transformers",
    "ratesmith.schedule": "Clip Constant Hold KDecay Max Min Power Product Repeat Schedule Sequence Shift "
    "Stretch Sum Take",
    "ratesmith.shapes": "Custom Exponential Hyperbolic InverseSqrt InverseTime Milestones PolynomialCycles Ramp "
    "Staircase Tanh",
    "ratesmith.strategy": "Call Functions GivenOption Join ListOf Node NotationError ScheduleLike Strategy Value "
    "as_schedule as_strategy from_data is_schedule parse signatures to_data",
    "ratesmith.testing": "check_controller check_schedule check_task",
    "ratesmith.experiment": "BASELINE Comparison ComparisonError DEFAULT_STRATEGIES Difference Estimate Note Plan "
    "Point Progress Row Run RunLayout RunStatus StudyError Trial compare cores",
    "ratesmith.report": "write_html",
    "ratesmith.torch": "Absolute BatchMean ControllerLR Information ScheduleLR Target TorchTask apply find "
    "from_deepspeed from_megatron from_torch from_transformers tensor_rates",
    "ratesmith.torch.lr_scheduler": "ChainedScheduler ConstantLR CosineAnnealingLR CosineAnnealingWarmRestarts "
    "CyclicLR ExponentialLR LRScheduler LambdaLR LinearLR MultiStepLR MultiplicativeLR OneCycleLR PolynomialLR "
    "ReduceLROnPlateau SWALR SequentialLR StepLR",
}

OF_FRAMEWORKS = {
    "keras": "KerasSchedule TrialCallback find",
    "lightning": "TrialCallback find",
    "transformers": "TrialCallback find",
}
"""Modules that need their framework."""

WITHOUT_A_DOCSTRING = ("BASELINE", "RULES", "Node", "ScheduleLike")
"""Texts, a mapping and types that are several: their strings stand beside them, for the reader of the source alone."""


def test_the_public_names_are_these():
    for module, names in SURFACE.items():
        assert sorted(sys.modules[module].__all__) == names.split(), module


@pytest.mark.parametrize("framework", OF_FRAMEWORKS)
def test_the_public_names_for_a_framework_are_these(framework):
    pytest.importorskip(framework)
    module = importlib.import_module(f"ratesmith.{framework}")
    assert sorted(module.__all__) == OF_FRAMEWORKS[framework].split()
    assert all(getattr(module, name).__doc__ for name in module.__all__)


def test_every_public_name_says_what_it_is():
    for module, names in SURFACE.items():
        for name in names.split():
            assert name in WITHOUT_A_DOCSTRING or getattr(sys.modules[module], name).__doc__, f"{module}.{name}"


def test_a_bare_import_loads_nothing_but_the_standard_library():
    code = (
        "import sys; before = set(sys.modules); import ratesmith; "
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    out = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout
    assert set(out.split()) - set(sys.stdlib_module_names) == {"ratesmith"}


def test_importing_the_command_line_imports_no_framework():
    code = "import sys, ratesmith.cli; print(*{'torch', 'numpy', 'scipy', 'bokeh'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == ""


def test_there_is_a_version():
    assert ratesmith.__version__.count(".") == 2


def test_the_configurations_of_others_are_read_without_a_framework():
    code = "import sys, ratesmith.importers; print(*{'torch', 'numpy', 'transformers', 'deepspeed'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == ""
