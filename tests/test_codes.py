"""Every code is explained in docs/doctor.md, in one form under its own heading, and can happen."""

import difflib
import re
from pathlib import Path

import pytest

from ratesmith.codes import CODES, coded

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
ANCHORS = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", PAGE, flags=re.MULTILINE)}
SECTIONS = dict(re.findall(r"^### (RS\d{3})[^\n]*\n\n(.*?)(?=^#|\Z)", PAGE, flags=re.MULTILINE | re.DOTALL))
PARTS = re.compile(r"^- \*\*(\w+)\*\*: (.*?)(?=^- |\Z)", flags=re.MULTILINE | re.DOTALL)
EVERY_CODE = pytest.mark.parametrize("code", CODES.values(), ids=lambda code: code.number)
SOURCES = "\n".join(
    file.read_text(encoding="utf-8") for file in (ROOT / "src" / "ratesmith").rglob("*.py") if file.name != "codes.py"
)


def words(text):
    return re.findall(r"[\w.]+", text.lower())


@EVERY_CODE
def test_a_code_is_raised_somewhere(code):
    assert f'"{code.number}"' in SOURCES or f'"{code.name}"' in SOURCES


@EVERY_CODE
def test_a_section_is_the_name_and_the_meaning_and_then_what_is_seen_why_and_the_mend(code):
    first, _, parts = SECTIONS[code.number].partition("\n\n")
    assert " ".join(first.split()) == f"`{code.name}`: {code.meaning}"
    assert [name for name, _ in PARTS.findall(parts)] == ["Seen", "Why", "Mend"]
    assert PARTS.sub("", parts) == "", "nothing stands before the parts"
    assert "\n\n" not in parts.strip(), "nothing stands behind them"
    assert all(len(words(text)) > 2 for _, text in PARTS.findall(parts))


@EVERY_CODE
def test_why_and_the_mend_say_more_than_the_meaning(code):
    for name, text in PARTS.findall(SECTIONS[code.number]):
        alike = difflib.SequenceMatcher(None, words(text), words(code.meaning)).ratio()
        assert name == "Seen" or (code.meaning[:-1].lower() not in " ".join(text.lower().split()) and alike < 0.5)


def test_the_table_of_symptoms_leads_to_sections():
    links = re.findall(r"\[([^\]]+)\]\(#([^)]+)\)", PAGE)
    assert len(links) > 60
    assert {anchor for _, anchor in links} <= ANCHORS
    assert all(anchor == text.lower() for text, anchor in links if text.startswith("RS"))


def test_the_links_of_other_pages_lead_to_sections():
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    links = [link for page in pages for link in re.findall(r"doctor\.md#([\w-]+)", page.read_text(encoding="utf-8"))]
    assert links
    assert set(links) <= ANCHORS


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
