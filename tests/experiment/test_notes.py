"""What a reader must mind: each with a registered code, and with its options as the caller has them."""

import re
from pathlib import Path

import pytest

import ratesmith.experiment
from ratesmith._checks import Option
from ratesmith.codes import CODES
from ratesmith.experiment import Note

SOURCES = sorted(Path(ratesmith.experiment.__file__).parent.glob("*.py"))


def test_a_note_is_a_sentence_with_its_code_and_each_caller_has_its_own_words_for_an_option():
    note = Note("RS312", ("Use 5 or more with ", Option("seeds="), "."))
    assert str(note) == "Use 5 or more with seeds=. [RS312]"
    assert note.spelled({"seeds": "--seeds"}) == "Use 5 or more with --seeds. [RS312]"
    assert note.text({"seeds": "--seeds"}) == "Use 5 or more with --seeds."
    with pytest.raises(KeyError):
        str(Note("RS399", ("never registered",)))


def test_the_codes_that_are_used_are_those_that_are_registered():
    used = {code for file in SOURCES for code in re.findall(r'"(RS\d+)"', file.read_text(encoding="utf-8"))}
    assert used == {code for code in CODES if code.startswith("RS3")}


def test_no_message_of_the_library_speaks_of_an_option_as_the_command_line_does():
    for file in SOURCES:
        assert not re.search(r"[\s(\"'`]--[a-z]", file.read_text(encoding="utf-8").replace("ray start --head", "")), (
            file
        )
