"""One file of an installed package, without the package around it, which needs more than a test may install."""

import contextlib
import importlib.util
import sys
import types
from pathlib import Path
from unittest import mock

import pytest


@contextlib.contextmanager
def one_file(package, path, **beside):
    """Import a file of a package; `beside` are the modules that it imports its logging from, by name."""
    found = importlib.util.find_spec(package)
    if found is None:
        pytest.skip(f"{package} is not installed")
    file = Path(next(iter(found.submodule_search_locations))) / path
    spec = importlib.util.spec_from_file_location(f"only_{file.stem}", file)
    module = importlib.util.module_from_spec(spec)
    stand_ins = {name.replace("_dot_", "."): types.SimpleNamespace(**names) for name, names in beside.items()}
    with mock.patch.dict(sys.modules, stand_ins):
        spec.loader.exec_module(module)
        yield module
