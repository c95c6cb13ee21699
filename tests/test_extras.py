"""What is not installed is said in one line, which names the extra that brings it."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ratesmith._extras import needs, require

ROOT = Path(__file__).parents[1]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
IMPORT_WITHOUT = """
import importlib, sys
module, *missing = sys.argv[1:]

class Missing:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing)
try:
    importlib.import_module(module)
except ModuleNotFoundError as error:
    print(error.name, error, sep="\\n")
"""


@pytest.mark.parametrize(
    ("module", "missing", "extra"),
    [
        ("experiment", "scipy", "[compare]"),
        ("forecast", "scipy", "[forecast]"),
        ("report", "jinja2", "[compare]"),
        ("report", "bokeh", "[compare]"),
        ("torch", "torch", "[torch]"),
        ("torch.lr_scheduler", "torch", "[torch]"),
        ("keras", "keras", "[keras], and a backend"),
        ("transformers", "transformers", "[transformers]"),
        ("transformers", "accelerate", "[transformers]"),
    ],
)
def test_a_module_without_what_it_needs_says_which_extra_brings_it(module, missing, extra):
    if missing == "accelerate":
        pytest.importorskip("transformers")  # which is looked for first
    ran = subprocess.run([sys.executable, "-c", IMPORT_WITHOUT, f"ratesmith.{module}", missing], capture_output=True)
    name, line = ran.stdout.decode().splitlines()
    shown = "torch" if missing == "torch" else module
    assert name == missing
    assert line == f"ratesmith.{shown}: it needs {missing}; install Ratesmith with its extra {extra}"


def test_lightning_is_asked_for_by_its_newer_name():
    missing = ["lightning", "pytorch_lightning"]
    ran = subprocess.run([sys.executable, "-c", IMPORT_WITHOUT, "ratesmith.lightning", *missing], capture_output=True)
    assert ran.stdout.decode().splitlines() == [
        "lightning",
        "ratesmith.lightning: it needs lightning; install Ratesmith with its extra [lightning]",
    ]


def test_the_core_and_the_command_line_need_nothing_of_any_extra():
    blocked = ["scipy", "jinja2", "bokeh", "matplotlib", "torch", "keras", "ray", "pyarrow", "tensorboard"]
    for module in ("ratesmith", "ratesmith.cli", "ratesmith.logs", "ratesmith.finder", "ratesmith.testing"):
        ran = subprocess.run([sys.executable, "-c", IMPORT_WITHOUT, module, *blocked], capture_output=True)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"", b""), module


def test_of_two_parts_the_one_that_the_user_asked_for_is_named():
    line = r"^compare: it needs nothing_like; install Ratesmith with its extra \[all\]$"
    outer, inner = needs("compare", extra="all"), needs("ratesmith.experiment", extra="compare")
    with pytest.raises(ModuleNotFoundError, match=line) as caught, outer, inner:
        import nothing_like.inside  # noqa: F401
    assert caught.value.name == "nothing_like"


def test_a_module_of_our_own_that_is_missing_is_no_matter_of_installing():
    line = r"^No module named 'ratesmith\.nothing_like'$"
    with pytest.raises(ModuleNotFoundError, match=line), needs("compare", extra="all"):
        import ratesmith.nothing_like  # noqa: F401


def test_what_is_required_is_looked_for_and_not_imported():
    assert "wave" not in sys.modules
    require("ratesmith", "wave", extra="all")
    assert "wave" not in sys.modules
    with pytest.raises(ModuleNotFoundError, match=r"^ratesmith: it needs nothing_like; ") as caught:
        require("ratesmith", "wave", "nothing_like", extra="all")
    assert caught.value.name == "nothing_like"


def test_every_extra_that_a_message_names_is_there():
    names = set()
    for file in (ROOT / "src").rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        names |= {*re.findall(r'extra="(\w+)"', text), *re.findall(r"its extra \[(\w+)\]", text)}
    assert {"compare", "forecast", "plot", "logs", "ray", "torch"} <= names
    assert names <= EXTRAS.keys()
