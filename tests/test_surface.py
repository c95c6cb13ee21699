"""The public names, and what importing them costs."""

import subprocess
import sys

import ratesmith
import ratesmith.controllers
import ratesmith.experiment
import ratesmith.recipes
import ratesmith.report
import ratesmith.torch
import ratesmith.torch.lr_scheduler

SURFACE = {
    "ratesmith": "Constant Controller Custom Exponential Horizon InverseSqrt InverseTime Milestones Plateau Product "
    "Ramp Schedule Sequence Staircase controllers recipes",
    "ratesmith.controllers": "Adaptive Controller Plateau PlateauState Together",
    "ratesmith.experiment": "BASELINE Comparison ComparisonError Estimate Plan Point Progress Row Run "
    "StudyError Trial compare",
    "ratesmith.report": "write_report",
    "ratesmith.torch": "TorchTask",
    "ratesmith.torch.lr_scheduler": "CosineAnnealingLR ExponentialLR LambdaLR MultiStepLR ReduceLROnPlateau StepLR",
}


def test_the_public_names_are_these():
    for module, names in SURFACE.items():
        assert sorted(sys.modules[module].__all__) == names.split(), module


def test_every_public_name_says_what_it_is():
    for module, names in SURFACE.items():
        for name in names.split():
            assert name == "BASELINE" or getattr(sys.modules[module], name).__doc__, f"{module}.{name}"


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
