"""The bar of calls that last: on a terminal and in a notebook after two seconds, else nothing."""

import io
import subprocess
import sys
import types

import pytest
from finder_fake import Valley
from numpy_task import LogisticTask

import ratesmith
from ratesmith import _progress
from ratesmith._progress import ProgressBar


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    times = [0.0]
    monkeypatch.setattr(_progress, "time", types.SimpleNamespace(monotonic=lambda: times[0]))
    return times


def terminal(monkeypatch):
    """Make stderr a terminal; not in a fixture, after which pytest captures it anew."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    return sys.stderr


def test_a_call_of_less_than_two_seconds_shows_nothing(clock, monkeypatch):
    stderr = terminal(monkeypatch)
    with ProgressBar("find", "updates") as bar:
        clock[0] = 1.9
        bar.update(1, 10)
    assert stderr.getvalue() == ""


def test_after_two_seconds_a_terminal_shows_how_far_it_is(clock, monkeypatch):
    stderr = terminal(monkeypatch)
    with ProgressBar("find", "updates") as bar:
        clock[0] = 2.1
        bar.update(3, 10, "a note")
        shown = stderr.getvalue()
    assert "find" in shown
    assert "3/10" in shown
    assert "a note" in shown


def test_output_that_is_no_terminal_stays_empty(clock, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with ProgressBar("find", "updates") as bar:
        clock[0] = 9.0
        bar.update(3, 10)
    assert sys.stderr.getvalue() == ""


def test_a_notebook_shows_it_below_the_cell_and_takes_it_away(clock, monkeypatch):
    shown = []
    cell = types.SimpleNamespace(update=shown.append)
    display = types.SimpleNamespace(HTML=str, display=lambda first, display_id: cell)
    shell = types.SimpleNamespace(get_ipython=lambda: types.SimpleNamespace(kernel=object()), display=display)
    monkeypatch.setitem(sys.modules, "IPython", shell)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    with ProgressBar("compare", "runs") as bar:
        clock[0] = 3.0
        bar.update(3, 10, "<b>")
    assert "3 of 10 runs, &lt;b&gt;" in shown[0]
    assert shown[-1] == ""


def test_find_and_compare_say_how_far_they_are(monkeypatch, tmp_path):
    stderr = terminal(monkeypatch)
    times = iter(range(0, 10**9, 3))
    monkeypatch.setattr(_progress, "time", types.SimpleNamespace(monotonic=lambda: next(times)))
    ratesmith.find(Valley())
    assert "updates" in stderr.getvalue()
    ratesmith.compare(LogisticTask(), ["cosine()"], folder=tmp_path, steps=8, rates=[0.1], seeds=3)
    assert "runs" in stderr.getvalue()


def test_compare_without_a_folder_keeps_its_runs_in_a_temporary_one_and_says_so(capsys):
    comparison = ratesmith.compare(LogisticTask(), ["cosine()"], steps=8, rates=[0.1], seeds=3)
    line = capsys.readouterr().err
    assert line.startswith("compare: runs are kept in ")
    assert "folder=" in line
    assert len(comparison.rows) == 2


def test_who_hears_of_the_progress_sees_no_bar(clock, monkeypatch):
    stderr = terminal(monkeypatch)
    counts = []

    def hear(done, planned):
        counts.append(done)
        clock[0] += 9

    ratesmith.find(Valley(), on_progress=hear)
    assert counts
    assert stderr.getvalue() == ""


def test_importing_the_package_does_not_load_what_compares():
    code = "import sys, ratesmith; assert 'compare' in dir(ratesmith); print('ratesmith.experiment' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
