"""Which forms a strategy has; what is asked for in another is refused by name; and no text of a user's becomes code."""

import ast
import builtins
import itertools
import re
from pathlib import Path

import pytest
from exporting import CASES, HORIZONS, STRATEGIES
from notation_samples import HORIZON, SAMPLES

from ratesmith import NotationError, Ramp, Schedule, parse
from ratesmith._checks import OptionError
from ratesmith.exporters import code, forms
from ratesmith.exporters.forms import FORMS
from ratesmith.recipes import __all__ as recipes

IMPORTED = {"math", "bisect", "torch.optim.lr_scheduler", "transformers", "optax", "jax.numpy", "keras.optimizers"}
"""The modules from which code in a form without Ratesmith may import."""


def test_every_strategy_of_the_samples_has_its_own_scheduler_and_python_unless_it_listens_or_calls():
    for text in SAMPLES:
        listens = bool(parse(text).controllers() or parse(text).functions())
        given = forms(text, HORIZON)
        assert given[0] == "ratesmith"
        assert ("python" in given) == (not listens), text


def test_every_recipe_is_tried():
    tried = {text.partition("(")[0] for part in STRATEGIES for text in part.replace("(", " ").split()}
    assert set(recipes) - tried == {"custom"}


@pytest.mark.parametrize(("text", "horizon"), CASES)
def test_generated_code_has_names_from_a_fixed_list_alone(text, horizon):
    for form in forms(text, HORIZONS[horizon]):
        if form == "ratesmith":
            continue
        tree = ast.parse(code(text, 0.1, HORIZONS[horizon], form))
        assert {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} <= named(tree), form


def named(tree):
    """Return the names that code may use: those that it binds, min, max and round; and see from where it imports."""
    names = {"min", "max", "round", "optimizer"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert {alias.name for alias in node.names} <= IMPORTED
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module in IMPORTED
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
            assert not hasattr(builtins, node.id)
    return names


def test_a_function_of_plain_python_is_about_ten_lines():
    lengths = sorted(len(code(text, 0.1, 1000).splitlines()) for text in STRATEGIES)
    assert lengths[len(lengths) // 2] <= 9
    assert lengths[-1] <= 24


def test_no_line_is_longer_than_120_characters():
    for text, form in itertools.product(STRATEGIES, set(FORMS) - {"ratesmith"}):
        if form in forms(text, 123_456):
            assert max(map(len, code(text, 0.123456789, 123_456, form).splitlines())) <= 120, (text, form)


@pytest.mark.parametrize(
    ("text", "form", "message"),
    [
        (
            'wsd(warmup="2%")',
            "keras",
            "code: form must be a form that says this schedule exactly, got 'keras' (Keras has no schedule that is the "
            "same); choose one of ratesmith, python, torch, lightning, transformers, optax",
        ),
        ('custom("mine")', "python", "got 'python' (it needs a function of yours); choose one of ratesmith"),
        ("greedy()", "torch", "choose one of ratesmith"),
        ("cosine()", "jax", "code: form must be the name of a form, got 'jax'; choose one of ratesmith, python, torch"),
    ],
)
def test_a_form_that_does_not_say_it_exactly_is_refused_with_those_that_do(text, form, message):
    with pytest.raises(OptionError) as caught:
        code(text, 0.1, 1000, form)
    assert message in str(caught.value)
    assert caught.value.option == "form"


PAGE = Path(__file__).parents[2] / "docs" / "leaving.md"
ROWS = re.findall(
    r"^\| `(.+?)` \| (yes|–) \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", PAGE.read_text("utf-8"), re.MULTILINE
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_the_table_of_the_page_is_right(row):
    text, *cells = row
    given = forms(text, 1000)
    for form, cell in zip(("python", "torch", "transformers", "optax", "keras"), cells, strict=True):
        assert (form in given) == (cell != "–"), form
        for name in re.findall("`(.+?)`", cell):
            assert name in code(text, 0.1, 1000, form)
        if cell == "a function":
            assert "def learning_rate(step):" in code(text, 0.1, 1000, form)


def test_the_table_of_the_page_has_every_recipe_and_the_first_example_is_what_is_printed():
    assert len(ROWS) > 30
    [example, *_] = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert example == code('warmup("5%") >> cosine()', 0.1, 1000, "python") + "\n"


class Steeper(Ramp):
    """A ramp of the user's own, with another formula."""

    def at(self, t, xp):
        return super().at(t, xp) ** 2


def test_a_class_of_the_users_own_is_not_taken_for_ours():
    with pytest.raises(NotationError):
        forms(Steeper(1.0, 0.0, 10), 10)
    assert "python" in forms(Ramp(1.0, 0.0, 10), 10)
    assert issubclass(Steeper, Schedule)


HOSTILE = ["__import__('os').abort()", "a: 1}); raise SystemExit  #", 'x"); raise SystemExit  #', "lambda", "a\\", "é"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_of_a_function_or_measurement_is_never_code(name):
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    for text in (f'custom("{quoted}")', f'plateau(metric="{quoted}")', f'Ramp(0, 1, 5, shape="{quoted}")'):
        if "plateau" not in text:
            assert forms(text, 10) == ("ratesmith",)
        for form in forms(text, 10):
            tree = ast.parse(code(text, 0.1, 10, form))
            calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
            assert set(calls) <= {"ScheduleLR", "Horizon", "ReduceLROnPlateau"}, form
            kinds = {type(node) for node in tree.body}
            assert kinds <= {ast.Import, ast.ImportFrom, ast.Assign}, form
            strings = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
            assert form != "ratesmith" or any(name in str(text) or quoted in str(text) for text in strings)
