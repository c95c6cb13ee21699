"""What the package says of itself: its dependencies, its page on an index, how it is cited, and what is safe."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import ratesmith

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "ratesmith"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
FRAMEWORKS = {"torch", "jax", "keras", "lightning", "transformers", "accelerate", "ray"}
OTHER_NAMES = {"pytorch_lightning": "lightning"}
USERS_OWN = {"IPython", "mlflow", "cloudpickle", "pandas"}
"""Imported only for a user who works with it: a tracker, a function of the main script, tables."""
LINK = re.compile(r"\]\((?!https?://)[^)]*\)|\bsrc=\"(?!https?://)")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def name_of(requirement):
    return re.match(r"[\w.-]+", requirement)[0]


def packages(extra):
    """Return the packages that an extra brings, those of the extras that it names included."""
    names = set()
    for requirement in PROJECT["optional-dependencies"][extra]:
        if inner := re.fullmatch(r"ratesmith\[([\w,]+)\]", requirement):
            names |= {name for other in inner[1].split(",") for name in packages(other)}
        else:
            names.add(name_of(requirement))
    return names


def imported_packages(folder):
    """Return every package that the files of a folder import, wherever in a file they do."""
    names = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"ratesmith"}


PLAIN = {name_of(requirement) for requirement in PROJECT["dependencies"]}


def test_a_plain_install_brings_all_that_the_command_line_imports():
    assert imported_packages(SOURCE / "cli") <= PLAIN


def test_every_package_that_is_imported_comes_with_the_package_or_with_an_extra():
    extras = {"all", "ray", "torch", "keras", "lightning", "transformers"}
    brought = PLAIN.union(*map(packages, extras))
    names = {OTHER_NAMES.get(name, name) for name in imported_packages(SOURCE)}
    assert names - brought == USERS_OWN
    assert brought <= names, "each is needed"


def test_the_extra_all_brings_everything_but_frameworks():
    assert packages("all") >= packages("compare") | packages("forecast") | packages("plot") | packages("logs")
    assert not packages("all") & FRAMEWORKS


def test_the_extras_that_there_once_were_are_still_there():
    assert PROJECT["optional-dependencies"].keys() >= {"cli", "plot", "compare", "forecast", "ray", "torch", "keras"}


def index_page(text):
    """Return what the build makes of a page, by the same replacements in the same order."""
    for rule in PYPROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]:
        text = re.sub(rule["pattern"], rule["replacement"], text)
    return text


def test_the_page_on_an_index_links_only_to_what_can_be_reached_from_there():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    page = index_page(readme)
    assert LINK.search(readme)
    assert LINK.search(FENCED.sub("", page)) is None
    assert FENCED.findall(page) == FENCED.findall(readme)
    assert page.startswith("# Ratesmith\n")


@pytest.mark.parametrize(
    ("readme", "page"),
    [
        ("# A\n\n[b](b.md)\n\nText.\n", "# A\n\nText.\n"),
        ("# A\n\n[b](b.md) · [c](c.md#d) · MIT\n", "# A\n\n"),
        ("A\n[b](b.md).\n", "A\nb.\n"),
        ("# A\n\n[b](b.md) says more.\n", "# A\n\nb says more.\n"),
        ("[b](https://c/d) and [`b`](docs/b.md)", "[b](https://c/d) and `b`"),
        ('A\n\n![a curve](docs/a.png)\n\n<img src="docs/a.png" width="600">\n\nB', "A\n\nB"),
    ],
)
def test_relative_links_become_text_and_what_is_nothing_but_links_is_left_out(readme, page):
    assert index_page(readme) == page


def test_the_citation_is_of_this_version_and_says_what_the_package_says():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation.keys() >= {"cff-version", "message", "title", "authors"}, "what the format asks for"
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert citation["version"] == ratesmith.__version__
    assert citation["license"] == PROJECT["license"]
    assert citation["authors"] == PROJECT["authors"] == [{"name": "The Ratesmith developers"}]


def test_the_page_on_security_is_of_this_version():
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert re.findall(r"\d+\.\d+\.\d+", text) == [ratesmith.__version__]


def test_nothing_is_unpickled_but_what_own_processes_exchange():
    pickling, loading = set(), []
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import) and {alias.name for alias in node.names} & {"pickle", "cloudpickle"}:
                pickling.add(file.relative_to(SOURCE).as_posix())
            elif isinstance(node, ast.Call) and (called := ast.unparse(node.func)) in ("torch.load", "eval", "exec"):
                loading.append((called, {option.arg: ast.unparse(option.value) for option in node.keywords}))
    assert pickling == {"experiment/engine.py", "experiment/ray.py", "experiment/script_source.py"}
    assert {called for called, _ in loading} == {"torch.load"}
    assert all(options["weights_only"] == "True" for _, options in loading)
