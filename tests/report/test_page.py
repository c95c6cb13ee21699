"""Every page in a real browser: from disk without a network, at four widths, light and dark, by the keyboard too."""

import re
from dataclasses import replace

import pytest
from comparing import judged
from in_browser import boxes, drawn_texts, open_all_details, opened

from ratesmith import parse
from ratesmith.report import write_html

PAGES = {"report": 6, "found_page": 2, "forecast_page": 8}
"""Each page, and how many pictures it has."""
WARM = [f'warmup("5%") >> wsd(decay=["10%", "{share}%"])' for share in (20, 25)]
WIDTHS = (390, 1280, 1440, 1920)


@pytest.fixture(params=PAGES)
def any_page(request):
    """The file of a page, and how many pictures it has."""
    _, path = request.getfixturevalue(request.param)
    return path, PAGES[request.param]


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_cut_at_any_width(any_page, browser, width):
    path, pictures = any_page
    page = opened(browser, path, pictures=pictures, width=width)
    open_all_details(page)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    for wider, says_so, takes_focus in boxes(page):
        assert wider <= 0 or width < 1280, "a table is wider than its box"
        assert (wider > 0) == says_so == takes_focus
    texts = drawn_texts(page)
    assert len(texts) > 8 * pictures
    assert [text for text, whole in texts if not whole] == []
    assert page.evaluate("[...document.querySelectorAll('pre')].every(each => each.scrollWidth <= each.clientWidth)")
    page.close()


def test_long_names_and_large_differences_fit_on_a_telephone(browser, tmp_path):
    names = [f'multistep(milestones=["{share}%", "95%"])' for share in (50, 75)]  # labels of nearly 40 characters
    losses = {
        names[0]: [1e-9, 1.1e-9, 1.2e-9],
        names[1]: [9e9, 9.1e9, 9.2e9],
        "0.5 * (cosine() * linear() * rex())": None,
    }
    found = judged({name: values or [0.9, 1.1, 1.2] for name, values in losses.items()}, baseline=names[0])
    page = opened(browser, write_html(found, tmp_path / "report.html"), pictures=4, width=390)
    texts = drawn_texts(page)
    assert any("not told apart" in text or "worse" in text for text, _ in texts)
    assert [text for text, whole in texts if not whole] == []
    page.close()


def test_a_metric_with_a_long_name_makes_no_table_too_wide_and_is_spelled_as_it_is(browser, tmp_path):
    values = {
        "constant()": [0.00012345, 0.00012399, 0.000122],
        WARM[0]: [0.0001134, 0.000135, 0.0001],
        WARM[1]: [0.9, 0.91, 0.92],
    }
    found = judged(values, metric="perplexity_of_WikiText_103_validation")
    estimate = (
        found.rows[0].estimates["perplexity_of_WikiText_103_validation"]._replace(low=-0.00054321, high=0.00012345)
    )
    more = {"another_long_metric_that_was_measured": estimate}
    rows = tuple(
        replace(
            row, chosen=str(next(parse(row.strategy).variants())), base_lr=1.23456e-05, estimates=row.estimates | more
        )
        for row in found.rows
    )
    page = opened(browser, write_html(replace(found, rows=rows), tmp_path / "report.html"), pictures=2, width=1280)
    open_all_details(page)
    assert [box for box in boxes(page) if box[0] > 0] == []
    assert page.inner_text("figure h3").startswith("Perplexity_of_WikiText_103_validation on the validation set")
    page.close()


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_says_its_answer_first_then_shows_it_then_has_its_table(any_page, browser, width, scheme):
    path, pictures = any_page
    page = opened(browser, path, pictures=pictures, width=width, color_scheme=scheme)
    assert len(page.inner_text(".answer").split()) <= 20
    places = [page.locator(name).first.bounding_box()["y"] for name in (".answer", "figure", "table")]
    assert places == sorted(places)
    assert places[0] < 150
    for picture in page.locator("figure .bk-Figure:visible").all():
        box = picture.bounding_box()
        assert 250 < box["width"] <= width
        assert box["height"] > 100
    page.close()


def test_every_picture_has_a_title_which_is_read_aloud(any_page, browser):
    path, pictures = any_page
    page = opened(browser, path, pictures=pictures, width=1280)
    open_all_details(page)
    titles = page.locator("figure h3").all_inner_texts()
    assert len(set(titles)) == pictures
    assert page.evaluate("[...document.querySelectorAll('figure [role=img]')].map(each => each.ariaLabel)") == titles
    page.close()


def contrast(first, second):
    """Return the contrast of two colours as CSS gives them, by WCAG 2."""

    def luminance(colour):
        shares = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [share / 12.92 if share <= 0.03928 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted([luminance(first), luminance(second)], reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_from_the_page_light_and_dark(report, browser, scheme):
    page = opened(browser, report[1], pictures=6, width=1280, color_scheme=scheme)
    page.evaluate("document.body.style.background = 'Canvas'")
    canvas = page.evaluate("getComputedStyle(document.body).backgroundColor")
    for name in (".answer", ".note", "figcaption", "small", "h1"):
        colour = page.evaluate(f"getComputedStyle(document.querySelector('{name}')).color")
        assert contrast(colour, canvas) > 4.5, name
    page.close()


def test_the_keyboard_reaches_what_is_folded_what_sorts_and_what_scrolls(report, browser):
    page = opened(browser, report[1], pictures=6, width=390)
    focused = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        tag, outline = page.evaluate(
            """(() => {
                const reached = document.activeElement, shown = reached.closest('[role=img]') || reached;
                return [reached.tagName, getComputedStyle(shown).outlineStyle];
            })()"""
        )
        if tag == "BODY":
            break
        assert outline == "solid", tag
        focused.add(tag)
        if tag == "SUMMARY":
            page.keyboard.press("Enter")
    assert {"DIV", "SUMMARY", "BUTTON"} <= focused
    page.close()


def test_a_page_is_one_file_that_names_no_other(any_page):
    text = any_page[0].read_text(encoding="utf-8")
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=\"(?!data:)", text)


def test_a_page_without_a_picture_carries_no_script_to_draw_it(tmp_path):
    page = write_html(judged({"constant()": [None] * 3}), tmp_path / "report.html")
    assert page.stat().st_size < 30_000
    assert "No answer: no strategy has a rate at which every run ended well." in page.read_text(encoding="utf-8")


def test_the_command_is_there_to_reproduce_the_page_without_its_secrets(report, browser):
    page = opened(browser, report[1], pictures=6, width=1280)
    assert page.inner_text("h2:has-text('Reproduce') + pre") == "ratesmith compare x --token HIDDEN"
    page.close()
