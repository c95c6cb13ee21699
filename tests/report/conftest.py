"""A real browser, where there is one, and a page of each kind of result."""

import shutil

import pytest
from forecast_logs import write_runs
from numpy_task import DivergingTask, LogisticTask

from ratesmith.experiment import compare
from ratesmith.finder import race
from ratesmith.forecast import fit, read
from ratesmith.report import write_html

BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
LONG = 'warmup("5%", shape="cosine") >> wsd(decay=["10%", "20%"], shape="rex")'


@pytest.fixture(scope="session")
def browser():
    if BROWSER is None:
        pytest.skip("no Chromium or Chrome on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=BROWSER, args=options)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def report(tmp_path_factory):
    """A comparison with diverged runs, a long name and options to choose from, and its page."""
    folder = tmp_path_factory.mktemp("study")
    strategies = ["cosine()", "plateau(factor=0.3, patience=0)", 'multistep(milestones=["50%", "75%"])', LONG]
    found = compare(DivergingTask(), strategies, folder=folder, steps=90, seeds=3, rates=[0.01, 0.1, 1.0])
    command = "ratesmith compare 'x' --token abcdef"
    return found, write_html(found, folder / "report.html", title="<b>digits</b>.py:task", command=command)


@pytest.fixture(scope="session")
def found_page(tmp_path_factory):
    """What a race found, and its page."""
    found = race(LogisticTask(), steps=300)
    return found, write_html(found, tmp_path_factory.mktemp("found") / "found.html", title="<b>mine</b>.py:task")


@pytest.fixture(scope="session")
def forecast_page(tmp_path_factory):
    """Candidates from a forecast that was tried on a further run, and their page."""
    folder = tmp_path_factory.mktemp("forecast")
    constant, cosine, linear = (read(file) for file in write_runs(folder))
    forecaster = fit([cosine, constant])
    found = forecaster.compare(
        ["warmup(100) >> linear()", 'warmup(100) >> wsd(decay="20%")', "warmup(100) >> cosine()"]
    )
    checks = [(linear, forecaster.under("linear", linear.rates, linear.steps.tolist()))]
    return found, write_html(found, folder / "forecast.html", checks=checks, title="<b>mine</b>")
