"""The layers of the design: each part imports only from those above it, and the core only from the standard library."""

import ast
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "ratesmith"
LAYERS = [
    {"_checks", "_text", "facts"},
    {"_arrays", "_updates"},
    {"horizon"},
    {"schedule"},
    {"shapes"},
    {"recipes", "controllers"},
    {"notation"},
    {"data"},
    {"task"},
    {"finder"},
    {"experiment", "forecast", "torch", "keras", "testing"},
    {"report"},
    {"cli"},
    {"__main__"},
]
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}
CORE = {part for part, level in LEVEL.items() if level <= LEVEL["task"]} | {"__init__"}
FRAMEWORKS = {"torch", "jax", "keras", "lightning", "transformers", "optax"}


def imports(file):
    """Return every module that a file imports, wherever in the file it does."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part_of(file):
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


FILES = sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_a_part_imports_only_from_the_layers_above_it(file):
    part = part_of(file)
    assert part == "__init__" or part in LEVEL, f"{part} is in no layer: add it to the list above"
    for name in imports(file):
        root, _, rest = name.partition(".")
        if root == "ratesmith":
            other = rest.split(".")[0]
            if part == "__init__":
                assert LEVEL[other] <= LEVEL["finder"], f"the package's own names are values, and find, not {other}"
            elif other in LEVEL and other != part:
                assert LEVEL[other] < LEVEL[part], f"{part} <- {other}"
        elif part in CORE:
            assert root in sys.stdlib_module_names, f"{file}: the core imports nothing but the standard library: {name}"
        elif part in ("experiment", "finder", "forecast", "report", "cli"):
            assert root not in FRAMEWORKS, f"{file}: only a framework's own rim imports it: {name}"
