"""Nodes as text: what is written reads back to the same tree, in one canonical form."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notation_samples import SAMPLES

from ratesmith.strategy import Call, GivenOption, Join, Value, parse
from ratesmith.strategy.nodes import walk
from ratesmith.strategy.printer import place_of, text_of


@pytest.mark.parametrize("text", SAMPLES)
def test_what_is_written_reads_back_equal(text):
    strategy = parse(text)
    assert parse(str(strategy)) == strategy
    assert str(parse(f"  {text}  ".replace(", ", ",").replace("=", " = "))) == str(strategy)


numbers = st.integers(0, 10**6) | st.floats(0.001, 1.0)
options = {
    "constant": st.just(""),
    "step": st.builds("every={}, gamma={}".format, st.integers(1, 500), st.floats(0.01, 2)),
    "multistep": st.builds("{}".format, st.lists(st.integers(0, 500), unique=True, max_size=4).map(sorted)),
    "exponential": st.builds("{}, every='{}ep'".format, st.floats(0.01, 2), st.integers(1, 9)),
    "cosine": st.builds("final={}".format, st.floats(0, 1)),
    "linear": st.builds("final = -{}".format, st.floats(0, 1)),  # refused when built: here it is only read
    "warmup": st.builds("'{}%', shape='cosine'".format, st.integers(0, 100)),
    "plateau": st.builds("patience={}, metric='{}'".format, st.integers(0, 9), st.sampled_from(["loss", "f1 é"])),
}
calls = st.one_of(*(given_options.map(f"{name}({{}})".format) for name, given_options in options.items()))
expressions = st.recursive(
    calls,
    lambda inner: st.one_of(
        st.builds("{} >> {}".format, inner, inner),
        st.builds("{} * {}".format, inner, inner),
        st.builds("({} >> {}) * {}".format, inner, inner, numbers),
        st.builds("{} * ({} * {})".format, numbers, inner, inner),
        st.builds("({})".format, inner),
        st.builds("{} - ({} + {})".format, inner, numbers, inner),
        st.builds("({} - {}) / 4".format, numbers, inner),
        st.builds("max({}, min({}, {}))".format, numbers, inner, inner),
    ),
    max_leaves=6,
)


@given(expressions)
def test_everything_the_grammar_allows_reads_back_to_the_same_text_and_the_same_value(text):
    strategy = parse(text)
    assert parse(strategy.text).text == strategy.text
    assert ast.dump(ast.parse(text, mode="eval")) == ast.dump(ast.parse(strategy.text, mode="eval"))


def test_a_part_is_found_where_its_text_begins():
    root = parse('0.5 * (warmup("5%") >> hold([cosine(), rex()])) * plateau()').root
    text = text_of(root)
    for part in walk(root):
        assert text[place_of(part, root) :].startswith(text_of(part))
    with pytest.raises(ValueError, match="got another tree"):
        place_of(Call("cosine"), root)


def test_brackets_stand_where_the_tree_needs_them_and_nowhere_else():
    rex = Call("rex")
    assert text_of(Join("+", (rex, Join("*", (rex, rex))))) == "rex() + rex() * rex()"
    assert text_of(Join("*", (rex, Join("+", (rex, rex))))) == "rex() * (rex() + rex())"
    assert text_of(Join(">>", (rex, Join(">>", (rex, rex))))) == "rex() >> (rex() >> rex())"
    assert text_of(Call("hold", (GivenOption("schedule", Join(">>", (rex, rex))), GivenOption("every", Value(5))))) == (
        "hold(schedule=rex() >> rex(), every=5)"
    )


def as_python_reads(text):
    """Return what Python itself makes of the operators, with a number for each name."""
    return eval(text, {"cosine": lambda: 0.7, "rex": lambda: 0.3, "linear": lambda: 0.45, "max": max, "min": min})


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("1 - cosine() - rex()", "1 - cosine() - rex()"),
        ("1-(cosine()-rex())", "1 - (cosine() - rex())"),
        ("1 - cosine() + rex() - linear()", "1 - cosine() + rex() - linear()"),
        ("1 + (cosine() - rex())", "1 + (cosine() - rex())"),
        ("(cosine() - rex()) * linear() / 2", "(cosine() - rex()) * linear() / 2"),
        ("cosine() / 2 / 4 * rex()", "cosine() / 2 / 4 * rex()"),
        ("cosine() * (rex() / 2)", "cosine() * (rex() / 2)"),
        ("-cosine()", "-1 * cosine()"),
        ("-cosine() * rex() - 1", "-1 * cosine() * rex() - 1"),
        ("1 - -(cosine() + rex()) / 2", "1 - -1 * (cosine() + rex()) / 2"),
        ("2 * max(cosine() - 0.1, rex() , 0.2) - 1", "2 * max(cosine() - 0.1, rex(), 0.2) - 1"),
        ("max(max(cosine(), rex()), linear())", "max(cosine(), rex(), linear())"),
        ("min(cosine(), max(rex(), linear()))", "min(cosine(), max(rex(), linear()))"),
    ],
)
def test_differences_quotients_and_extremes_are_read_as_python_reads_them(text, written):
    assert parse(text).text == parse(written).text == written
    values = {"cosine": "Constant(0.7)", "rex": "Constant(0.3)", "linear": "Constant(0.45)"}
    built = written
    for name, value in values.items():
        built = built.replace(f"{name}()", value)
    assert parse(built).build()(0) == pytest.approx(as_python_reads(text), rel=1e-12)
