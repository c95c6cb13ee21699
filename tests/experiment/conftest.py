"""What tests of kept studies share."""

import pytest

from ratesmith.experiment.store import Store


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path) as made:
        yield made


collect_ignore = ["reporting_script.py"]
"""A script that trains as it is run: nothing to be collected."""
