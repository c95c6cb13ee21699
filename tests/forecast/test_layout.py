"""The layout of the package: each part calls only those above it in the list."""

import ast
from pathlib import Path

import ratesmith.forecast

FOLDER = Path(ratesmith.forecast.__file__).parent
ORDER = [
    "segments",
    "laws",
    "fitting",
    "uncertainty",
    "diagnostics",
    "results",
    "compare",
    "design",
    "evidence",
    "forecaster",
]
APART = {"study_curves", "transfer"}
"""They need no fit, and no fit needs them."""


def trees():
    for file in FOLDER.glob("*.py"):
        yield file.stem, ast.parse(file.read_text(encoding="utf-8"))


def test_every_file_has_its_place():
    assert {name for name, _ in trees()} == {*ORDER, *APART, "__init__"}


def test_each_part_imports_only_from_those_above_it():
    for name, tree in trees():
        for node in ast.walk(tree):
            if name == "__init__" or not isinstance(node, ast.ImportFrom):
                continue
            part = node.module.removeprefix("ratesmith.forecast").strip(".")
            parts = [part] if part else [alias.name for alias in node.names]
            if node.module.startswith("ratesmith.forecast"):
                assert name in ORDER, f"{name} stands apart"
                assert all(ORDER.index(part) < ORDER.index(name) for part in parts), f"{name} <- {parts}"


def test_nothing_is_imported_for_types_alone_or_inside_a_function():
    for name, tree in trees():
        assert "TYPE_CHECKING" not in ast.unparse(tree), name
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
            assert not any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(function)), name
