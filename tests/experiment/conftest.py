"""What tests of kept studies share."""

import pytest

from ratesmith.experiment.store import Store


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path) as made:
        yield made
