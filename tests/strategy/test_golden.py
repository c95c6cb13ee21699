"""What was recorded before strategies were trees: texts are the keys of stored runs, and must stay what they are.

`golden.json` was written by the code of commit 5d7aee4. New texts may be added; of a line that is there, only the words
of an error may change, and what was refused may become a value: runs no longer than their warm-up did.
"""

import json
import re
from pathlib import Path

import pytest

from ratesmith import Horizon, NotationError, from_data, parse, to_data
from ratesmith.experiment.grid import variants
from ratesmith.strategy import signatures

GOLDEN = json.loads(Path(__file__).with_name("golden.json").read_text(encoding="utf-8"))
HORIZON = Horizon(200, steps_per_epoch=20, tokens_per_step=1000, samples_per_step=8)


def rule(count):
    return 0.9**count


def curve(share):
    return share**3


def attempt(call, *args):
    """Return what a call returns, or the error that it raises, as the record has it."""
    try:
        return call(*args)
    except (TypeError, ValueError) as error:
        return (
            f"{type(error).__name__.removeprefix('Option')}: {error}"  # which of both kinds of ValueError is no matter
        )


def without_pythons_words(error):
    """Return an error without what Python's own parser says, which may differ between its versions."""
    return re.sub(r"this is not notation \(.*\);", "this is not notation;", error)


@pytest.mark.parametrize("row", GOLDEN["read"], ids=lambda row: row["text"][:60])
def test_a_text_has_the_form_the_data_and_the_value_that_it_had(row):
    strategy = parse(row["text"])
    assert strategy.text == row["canonical"]
    assert to_data(strategy) == row["data"]
    assert attempt(lambda: from_data(row["data"]).text) == row.get("from_data", row["canonical"])
    assert attempt(lambda: str(strategy.build(HORIZON, {"rule": rule, "curve": curve}))) == row["built"]


@pytest.mark.parametrize("row", GOLDEN["read"], ids=lambda row: row["text"][:60])
def test_a_text_has_the_variants_that_it_had_in_their_order(row):
    tried = attempt(variants, row["text"])
    assert (tried if isinstance(tried, str) else list(tried)) == row.get("variants", [row["canonical"]])


@pytest.mark.parametrize("row", GOLDEN["refused"], ids=lambda row: row["text"][:60])
def test_a_wrong_text_is_refused_with_the_words_and_the_caret_that_it_had(row):
    with pytest.raises(NotationError) as refused:
        parse(row["text"])
    assert without_pythons_words(f"NotationError: {refused.value}") == without_pythons_words(row["error"])


@pytest.mark.parametrize("row", GOLDEN["refused_data"], ids=lambda row: json.dumps(row["data"])[:60])
def test_wrong_data_is_refused_with_the_words_that_it_had(row):
    # The text under the words was the data's with brackets around every join, and is now the canonical one.
    assert attempt(from_data, row["data"]).split("\n")[0] == row["error"].split("\n")[0]


def test_the_signatures_are_what_they_were():
    assert list(signatures()) == GOLDEN["signatures"]


def test_the_record_is_large_enough_to_mean_something():
    assert len(GOLDEN["read"]) >= 150
    assert len(GOLDEN["refused"]) >= 60
