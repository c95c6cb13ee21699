"""Text to nodes: what is read, and what is refused with the place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratesmith.strategy import Call, GivenOption, Join, ListOf, NotationError, Value, parse
from ratesmith.strategy.parser import read

COSIN = "Notation: there is no strategy 'cosin'; did you mean 'cosine'?"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cosin()", "Notation: there is no strategy 'cosin'; did you mean 'cosine'?\n  cosin()\n  ^"),
        (
            "warmup(5) >> cosin()",
            "Notation: there is no strategy 'cosin'; did you mean 'cosine'?\n  warmup(5) >> cosin()\n               ^",
        ),
        ("qqq()", "Notation: there is no strategy 'qqq'; known: constant, step, multistep,"),
        (
            "cosine",
            "Notation: a strategy is a name with its options in brackets; did you mean cosine()?\n  cosine\n  ^",
        ),
        ("cosine(", "Notation: this is not notation ('(' was never closed)"),
        ("", "Notation: this is not notation"),
        (
            "cosine(finale=1)",
            "Notation: cosine has no option 'finale'; did you mean 'final'?\n  cosine(finale=1)\n         ^",
        ),
        ("cosine(q=1)", "Notation: cosine has no option 'q'; it is cosine(final=0.0, power=1.0, k_decay=1.0)"),
        ("step()", "Notation: step: missing a required argument: 'every'; it is step(every, gamma=0.1)"),
        ("step(30, 0.1, 5)", "Notation: step: too many positional arguments; it is step(every, gamma=0.1)"),
        ("step(every=open('x'))", "Notation: there is no strategy 'open'; known: constant,"),
        ("cosine(final=-1e999)", "Notation: an option is a number, a text in quotes, a schedule or a list of these"),
        ("step(every=x)", "Notation: an option is a number, a text in quotes, a schedule or a list of these"),
        ("step(**x)", "Notation: an option is a number, a text in quotes, a schedule or a list of these"),
        ("step(every=f'{x}')", "Notation: an option is a number, a text in quotes, a schedule or a list of these"),
        ("multistep([[[1]]])", "Notation: an option is a number, a text in quotes, a schedule or a list of these"),
        ("__import__('os').system('true')", "Notation: a strategy is a name with options"),
        ("().__class__", "Notation: a strategy is a name with options"),
        ("2 * 3", "Notation: a strategy is a name with options"),
        ("cosine() * (2 * 3)", "Notation: a strategy is a name with options"),
        ("step(every=1, every=2)", "Notation: step: each option is given once; drop one"),
        (
            "step(every=1" + "0" * 400 + ")",
            "Notation: an option is a number, a text in quotes, a schedule or a list of these",
        ),
        ('custom("\\ud800")', "Notation: an option is a number, a text in quotes, a schedule or a list of these"),
        ('custom("é") >> cosin()', f'{COSIN}\n  custom("é") >> cosin()\n                 ^'),
        ('custom("率") >> cosin()', f'{COSIN}\n  custom("率") >> cosin()\n                  ^'),
        ("cosine() >>\n cosin()", f"{COSIN}\n  cosine() >>  cosin()\n               ^"),
        (
            "constant() * " * 9 + "cosin() * rex()",
            f"{COSIN}\n  ...ant() * " + "constant() * " * 4 + "cosin() * rex()\n  ",
        ),
        ("cosine() ** 2", "Notation: only >>, +, -, *, /, max and min join schedules; write warmup(5) >> cosine()"),
        ("1 / cosine()", "Notation: a schedule can only be divided by a number other than 0; give one"),
        ("cosine() / rex()", "Notation: a schedule can only be divided by a number other than 0; give one"),
        ("cosine() / -1e-320", "Notation: a divisor must be at least 1e-150 from 0; give a larger one"),
        ("cosine() / 2 / 0", "Notation: a schedule can only be divided by a number other than 0; give one"),
        ("max(cosine())", "Notation: max: two or more must be given, got 1; it is max(a, b, ...)"),
        ("min(cosine(), low=0.1)", "Notation: min has no options by name; it is min(a, b, ...)"),
        ("max(0.1, 0.2)", "Notation: a strategy is a name with options, such as cosine()"),
        ("maxx(cosine(), 0.2)", "Notation: there is no strategy 'maxx'; did you mean 'max'?"),
        ("warmup(5%)", 'Notation: this is not notation (invalid syntax); write a share in quotes, as "5%"'),
        ("cosine(lambda: 1)", "Notation: an option is a number, a text in quotes, a schedule or a list of these"),
        ("hold(cosin(), 5)", f"{COSIN}\n  hold(cosin(), 5)\n       ^"),
        ("Sequence([cosin()])", f"{COSIN}\n  Sequence([cosin()])\n            ^"),
        ("2", "Notation: a strategy is a name with options"),
        ("2 >> cosine()", "Notation: a strategy is a name with options"),
        ("hold(" * 64 + "cosine()" + ", 1)" * 64, "Notation: at most 64 parts may be nested"),
        ("(" * 300 + "cosine()" + ")" * 300, "Notation: this is not notation"),
        ("cosine()" + " " * 5000, "Notation: a strategy must be at most 4096 characters, got 5008"),
    ],
)
def test_a_mistake_is_one_line_with_a_caret_under_the_place(text, message):
    with pytest.raises(NotationError) as caught:
        parse(text)
    assert str(caught.value).startswith(message)
    assert len(str(caught.value).split("\n")) in (1, 3)


def test_a_file_in_windows_lines_is_read():
    assert parse("warmup(10)\r\n>> cosine()\r\n") == parse("warmup(10) >> cosine()")
    assert parse('custom("#1")').text == 'custom("#1")'


@given(st.text(max_size=60) | st.text(alphabet="cosine()[]{}=,.'\"*>- 0123456789abf", max_size=60))
def test_no_text_does_anything_but_parse_or_be_refused(text):
    try:
        strategy = parse(text)
    except NotationError as refused:
        assert str(refused).startswith("Notation: ")  # noqa: PT017  # most are refused; what is not is checked below
        return
    assert parse(str(strategy)) == strategy


def test_only_text_is_read():
    with pytest.raises(TypeError, match="Notation: a strategy must be text, got 3; write 'cosine\\(\\)'"):
        parse(3)


def test_a_text_becomes_nodes_with_the_name_of_every_option():
    assert read('0.5 * step("30%", gamma=0.1)') == Join(
        "*",
        (
            Value(0.5),
            Call("step", (GivenOption("every", Value("30%"), by_place=True), GivenOption("gamma", Value(0.1)))),
        ),
    )
    assert read("multistep([1, -2])") == Call(
        "multistep", (GivenOption("milestones", ListOf((Value(1), Value(-2))), by_place=True),)
    )


def test_what_was_saved_may_be_longer_than_what_is_written():
    long = f"Milestones({list(range(2000))})"
    assert read(long)
    with pytest.raises(NotationError, match="a strategy must be at most 4096 characters, got"):
        parse(long)
    with pytest.raises(NotationError, match=f"a strategy must be at most {2**20} characters, got"):
        read("cosine()" + " " * 2**20)
