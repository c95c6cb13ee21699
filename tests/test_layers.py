"""The layers of the design: each part imports only from those above it, and the core only from the standard library."""

import ast
import re
import runpy
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "ratesmith"
LAYERS = [
    {"_checks", "_display", "_environment", "_process_tree", "_training_on_import", "_random_states", "_extras"},
    {"_metric_names", "_script_channel", "_streams", "_whole_files"},
    {"_text", "codes"},
    {"_arrays", "_field_checks", "_update_count"},
    {"horizon"},
    {"schedule"},
    {"shapes"},
    {"recipes", "controllers"},
    {"strategy", "describe"},
    {"example_metric", "lengths"},
    {"task", "importers", "exporters", "study_database", "_script"},
    {"script_process", "_trial_callback", "_progress"},
    {"finder", "logs"},
    {"experiment", "forecast", "torch", "keras", "testing"},
    {"lightning", "transformers"},
    {"plots"},
    {"report"},
    {"cli"},
    {"__main__"},
]
NAMED_EXCEPTIONS = {("__init__", "plots"), ("__init__", "experiment")}
"""The package loads what draws its values, and what compares, when these are first asked for."""
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}
CORE = {part for part, level in LEVEL.items() if level <= LEVEL["task"]} | {"__init__"}
FRAMEWORKS = {"torch", "jax", "keras", "lightning", "transformers", "optax"}


def imports(file, types=True):
    """Return every module that a file imports, wherever in the file it does; those for types alone if asked."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    for_types = {id(part) for block in blocks for part in ast.walk(block)}
    for node in ast.walk(tree):
        if not types and id(node) in for_types:
            continue
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
            if (part, other) in NAMED_EXCEPTIONS:
                continue
            if part == "__init__":
                assert LEVEL[other] <= LEVEL["finder"], f"the package's own names are values, and find, not {other}"
            elif other in LEVEL and other != part:
                assert LEVEL[other] < LEVEL[part], f"{part} <- {other}"
        elif part in CORE:
            assert root in sys.stdlib_module_names, f"{file}: the core imports nothing but the standard library: {name}"
        elif part in ("experiment", "finder", "forecast", "logs", "report", "cli"):
            assert root not in FRAMEWORKS, f"{file}: only a framework's own rim imports it: {name}"


def test_nothing_of_ours_is_imported_by_a_name_in_a_text():
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in (
                "import_module",
                "__import__",
            ):
                given = ast.unparse(node.args[0]) if node.args else ""
                assert "ratesmith" not in given, f"{file}: imports are seen, so that the layers can be kept: {given}"


def test_code_is_read_in_two_places_alone():
    reads = {
        str(file.relative_to(SOURCE)) for file in FILES if "ast" in {name.partition(".")[0] for name in imports(file)}
    }
    # A strategy's text, and the import statements of a task's file, whose files belong to a study.
    assert reads == {"strategy/parser.py", "experiment/task_source.py"}


def module_of(file):
    parts = file.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_no_files_import_each_other_in_a_circle():
    modules = {module_of(file): file for file in FILES}
    needs = {}
    for module, file in modules.items():
        named = {name for name in imports(file, types=False) if name.startswith("ratesmith")}
        # `from a.b import c` needs the file c if there is one, else the file a.b.
        found = {name if name in modules else name.rpartition(".")[0] for name in named}
        needs[module] = (found & modules.keys()) - {module}
    for part, other in NAMED_EXCEPTIONS:
        assert part == "__init__"
        needs["ratesmith"] -= {name for name in modules if name.startswith(f"ratesmith.{other}")}

    def reached_from(module):
        reached, waiting = set(), [module]
        while waiting:
            new = needs[waiting.pop()] - reached
            reached |= new
            waiting += new
        return reached

    assert {module for module in modules if module in reached_from(module)} == set()


def test_the_page_of_the_architecture_names_files_that_are_there():
    docs = SOURCE.parents[1] / "docs"
    for page in ("architecture.md", "extending.md"):
        text = (docs / page).read_text(encoding="utf-8")
        for name in re.findall(r"`((?:ratesmith/)?[\w/]+(?:\.py|/))`", text):
            file = SOURCE / name.removeprefix("ratesmith/")
            assert file.exists() or (SOURCE.parents[1] / name).exists(), f"{page}: {name}"


def test_the_picture_of_the_layers_is_drawn_from_this_list():
    drawing = SOURCE.parents[1] / "docs" / "pictures" / "draw_layers.py"
    names = runpy.run_path(str(drawing))
    assert (SOURCE.parents[1] / "docs" / "layers.svg").read_text(encoding="utf-8") == names["drawn"]()
