"""Standard output that is closed, has lost its reader, or is full: a comparison goes on to its end."""

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from comparing import TASK

from ratesmith._streams import TolerantStream, tolerant_output

posix = pytest.mark.skipif(os.name != "posix", reason="closed by a shell of POSIX systems")
COMMAND = f"{sys.executable} -m ratesmith compare {TASK.replace(':task', ':printing')} --strategy 'cosine()' --steps 60"


class Full(io.StringIO):
    """Takes one text."""

    encoding = "utf-8"
    texts = ()

    def write(self, text):
        if self.texts:
            raise OSError(errno.ENOSPC, "full")
        self.texts = (text,)

    def flush(self):
        raise OSError(errno.EPIPE, "nobody reads")


def test_what_cannot_be_written_goes_nowhere_and_the_first_error_is_kept():
    stream = TolerantStream(Full())
    stream.writelines(["one", "two"])
    assert stream.write("three") == 5
    assert stream.stream.texts == ("one",)
    assert stream.lost.errno == errno.ENOSPC
    assert stream.encoding == "utf-8"
    stream.flush()
    assert stream.lost.errno == errno.ENOSPC


def test_output_of_a_reader_who_has_gone_is_not_missed():
    stream = TolerantStream(Full())
    stream.flush()
    assert (stream.write("one"), stream.stream.texts, stream.lost) == (3, (), None)


def test_python_without_a_stream_has_one_for_the_block(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with tolerant_output():
        print("to nobody", flush=True)
        assert sys.stdout.writable()
    assert sys.stdout is None


@posix
@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("streams", [">&-", "2>&-", "<&- >&- 2>&-", "| head -c 1", "2>&1 >/dev/null | head -c 1"])
def test_a_comparison_whose_output_nobody_reads_is_ended_and_written(tmp_path, streams, workers):
    options = f"--rates 0.1 --seeds 1 --workers {workers} --out {tmp_path / 'study'}"
    script = f"({COMMAND} {options}; echo $? > {tmp_path / 'status'}) {streams}"
    if "|" not in streams:
        script = f"{COMMAND} {options} {streams}; echo $? > {tmp_path / 'status'}"
    ran = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=120)
    assert (tmp_path / "status").read_text() == "0\n", ran.stderr
    assert "Traceback" not in ran.stderr
    assert {"results.json", "report.html"} <= {path.name for path in (tmp_path / "study").iterdir()}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a file that is always full")
def test_output_that_a_full_disk_lost_is_said():
    ran = subprocess.run(
        f"{sys.executable} -m ratesmith show 'cosine()' --steps 100 > /dev/full",
        shell=True,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 1
    assert ran.stderr == "ratesmith: the output could not be written: [Errno 28] No space left on device\n"
