"""A strategy may stand behind an optimizer's name, and one place splits the two and joins them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notation_samples import SAMPLES

from ratesmith.strategy.contender import NAME, Contender, contender_of, notation_of, optimizer_of


@pytest.mark.parametrize("text", [" muon:cosine() ", "muon: cosine()", "muon :\ncosine()"])
def test_a_name_is_told_from_its_notation_however_they_are_spaced(text):
    assert contender_of(text) == Contender("muon", "cosine()")
    assert (optimizer_of(text), notation_of(text)) == ("muon", "cosine()")


@given(st.from_regex(NAME, fullmatch=True), st.sampled_from(["cosine()", 'custom("a: b")', "0.5 * linear()"]))
def test_what_was_joined_is_split_again(name, notation):
    assert contender_of(str(Contender(name, notation))) == (name, notation)


@pytest.mark.parametrize("text", [*SAMPLES, 'custom("a: b")', '0.5 * custom("x:y")'])
def test_no_notation_is_taken_for_one_behind_a_name(text):
    assert contender_of(text) == Contender("", text)
    assert str(contender_of(text)) == text
