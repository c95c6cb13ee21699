"""The programs of docs/trainers.md run, each with its real package, in a process of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "trainers.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^## ([^\n]+)\n\n```py\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("name", "program"), PROGRAMS, ids=[name for name, _ in PROGRAMS])
def test_the_program_runs(name, program, tmp_path):
    [package, *_] = [
        found
        for found in re.findall(r"^(?:import|from) (\w+)", program, flags=re.MULTILINE)
        if found not in ("torch", "numpy", "jax", "ratesmith")
    ]
    pytest.importorskip(package)
    shown = 'print("then", *(f"{group[\'lr\']:.9g}" for group in optimizer.param_groups))'
    ends = f"{program}\n{shown}" if re.search(r"^(scheduler|model, optimizer, scheduler) =", program, re.M) else program
    environment = {**os.environ, "KERAS_BACKEND": "torch", "CUDA_VISIBLE_DEVICES": ""}
    ran = subprocess.run([sys.executable, "-c", ends], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    if ends != program and name != "Ignite":  # trained to the end, so the rate is the schedule's last
        last = 3e-5 if "final=0.1" in program else 0.0
        assert f"then {last:.9g}" in ran.stdout


def test_the_page_has_a_program_for_every_framework():
    assert [name for name, _ in PROGRAMS] == [
        *("Hugging Face Trainer", "Accelerate", "Lightning", "Ignite", "skorch", "Keras 3", "JAX with optax"),
        *("Find a rate in Lightning", "Find a rate in the Hugging Face Trainer", "Find a rate in Keras 3"),
    ]


def test_an_interval_in_the_wrong_place_is_warned_of_by_lightning_alone(tmp_path):
    pytest.importorskip("lightning")
    program = dict(PROGRAMS)["Lightning"]
    wrong = program.replace('{"scheduler": scheduler, "interval": "step"}}', 'scheduler, "interval": "step"}')
    assert wrong != program
    ran = subprocess.run([sys.executable, "-c", wrong], cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0
    assert "unsupported keys" in ran.stderr
