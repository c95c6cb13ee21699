"""Variables that are set for a block."""

import os

import pytest

from ratesmith._environment import environment


def test_what_the_user_has_set_stays_and_the_rest_is_taken_away_also_after_an_error(monkeypatch):
    monkeypatch.setenv("RATESMITH_TEST_SET", "mine")
    defaults = {"RATESMITH_TEST_SET": "1", "RATESMITH_TEST_UNSET": "2"}

    def block():
        with environment(defaults):
            raise KeyError(os.environ["RATESMITH_TEST_SET"], os.environ["RATESMITH_TEST_UNSET"])

    with pytest.raises(KeyError) as caught:
        block()
    assert caught.value.args == ("mine", "2")
    assert os.environ["RATESMITH_TEST_SET"] == "mine"
    assert "RATESMITH_TEST_UNSET" not in os.environ
