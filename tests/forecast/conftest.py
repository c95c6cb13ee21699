"""What the tests of forecasts share: a forecaster that most of them ask."""

import pytest
from forecast_runs import run

from ratesmith import forecast


@pytest.fixture(scope="session")
def forecaster():
    return forecast.fit([run("constant", noise=0.001), run("cosine", noise=0.001)])
