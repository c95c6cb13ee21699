"""timm.scheduler without the package around it, which imports torchvision."""

import contextlib
import importlib
import importlib.util
import sys
import types

import pytest


@contextlib.contextmanager
def timm_scheduler():
    """Import timm.scheduler alone, and drop it again; skip the test without timm."""
    spec = importlib.util.find_spec("timm")
    if spec is None:
        pytest.skip("timm is not installed")
    bare = types.ModuleType("timm")
    bare.__path__ = list(spec.submodule_search_locations)
    sys.modules["timm"] = bare
    try:
        yield importlib.import_module("timm.scheduler")
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "timm"]:
            del sys.modules[name]
