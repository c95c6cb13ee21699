"""States as files: whole or not at all."""

import hashlib

import pytest

from ratesmith._whole_files import written_whole
from ratesmith.experiment.checkpoints import digest_of, state_file


def test_a_file_appears_only_when_all_of_it_is_written(tmp_path):
    path = state_file(tmp_path, "a name")
    path.write_bytes(b"before")
    with written_whole(path) as part:
        part.write_bytes(b"after")
        assert path.read_bytes() == b"before"
    assert path.read_bytes() == b"after"
    assert digest_of(path) == hashlib.sha256(b"after").hexdigest()
    assert list(tmp_path.iterdir()) == [path]


def test_what_fails_leaves_what_was_and_nothing_else(tmp_path):
    path = state_file(tmp_path, "a name")
    path.write_bytes(b"before")

    def fill():
        with written_whole(path) as part:
            part.write_bytes(b"half")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        fill()
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
