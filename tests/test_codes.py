"""Every code is explained in docs/doctor.md, under its own heading, and stands for something that can happen."""

import re
from pathlib import Path

import pytest

from ratesmith.codes import CODES, coded

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### (RS\d{3})[^\n]*\n\n(.*?)(?=^#|\Z)", PAGE, flags=re.MULTILINE | re.DOTALL))
SOURCES = "\n".join(
    file.read_text(encoding="utf-8") for file in (ROOT / "src" / "ratesmith").rglob("*.py") if file.name != "codes.py"
)


@pytest.mark.parametrize("code", CODES.values(), ids=lambda code: code.number)
def test_a_code_is_documented_with_its_meaning_and_raised_somewhere(code):
    section = " ".join(SECTIONS[code.number].split())
    assert code.meaning in section
    assert f"`{code.name}`" in section
    assert len(section) > len(code.meaning) + len(code.name) + 20, "what to do stands there too"
    assert f'"{code.number}"' in SOURCES or f'"{code.name}"' in SOURCES


def test_the_page_has_no_other_codes_and_the_source_uses_no_other():
    assert list(SECTIONS) == list(CODES)
    assert list(CODES) == sorted(CODES)
    assert set(re.findall(r"RS\d{3}", SOURCES)) <= set(CODES)


def test_names_are_told_apart_within_their_verb():
    names = [(number[:3], code.name) for number, code in CODES.items()]
    assert len(set(names)) == len(names)


def test_a_code_that_is_not_in_the_register_cannot_be_used():
    with pytest.raises(KeyError):
        coded("RS999", "Nothing.")
