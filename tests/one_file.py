"""One file of an installed package, without the package around it, which needs more than a test may install."""

import importlib.util
import sys
import types
from pathlib import Path

import pytest


def one_file(path, **beside):
    """Import a file of a package that `dev.py test-all` put aside; `beside` are the modules it imports logging from."""
    file = Path(sys.prefix) / "bare" / path
    if not file.exists():
        pytest.skip(f"{file.relative_to(sys.prefix)} is not installed")
    spec = importlib.util.spec_from_file_location(f"only_{file.stem}", file)
    module = importlib.util.module_from_spec(spec)
    stand_ins = {name.replace("_dot_", "."): types.SimpleNamespace(**names) for name, names in beside.items()}
    sys.modules.update(stand_ins)
    try:
        spec.loader.exec_module(module)
    finally:
        for name in stand_ins:
            del sys.modules[name]
    return module
