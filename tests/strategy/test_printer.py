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
