"""dev.py: it makes and mends an environment, and a second call finds all done."""

import http.server
import importlib.util
import shutil
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def dev(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("dev", ROOT / "dev.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "PYTHON", tmp_path / ".venv" / module.PYTHON.relative_to(ROOT / ".venv"))
    return module


def test_a_fresh_environment_works_and_is_left_alone_the_second_time(dev, capsys):
    dev.make_environment()
    assert dev.works(dev.PYTHON, "-m", "pip", "--version")
    marker = dev.VENV / "mine"
    marker.write_text("")
    dev.make_environment()
    assert marker.exists()
    assert capsys.readouterr().out.count("making .venv") == 1


def test_a_broken_environment_is_made_anew(dev, capsys):
    dev.PYTHON.parent.mkdir(parents=True)
    dev.PYTHON.write_text("no Python")
    dev.make_environment()
    assert dev.works(dev.PYTHON, "-c", "")
    assert ".venv is broken; making it anew" in capsys.readouterr().out


def test_a_missing_pip_is_mended(dev, capsys):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", dev.VENV], check=True)
    assert not dev.works(dev.PYTHON, "-m", "pip", "--version")
    dev.mend_pip()
    assert dev.works(dev.PYTHON, "-m", "pip", "--version")
    assert ".venv has no pip; installing it" in capsys.readouterr().out


def test_a_machine_without_any_means_is_told_what_to_install(dev, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match=r"install the venv module .* or uv, then run this again"):
        dev.make_environment()
    with pytest.raises(SystemExit, match=r"install the venv module .* or uv, then run this again"):
        dev.mend_pip()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere PyTorch's plain wheels are the CPU's")
def test_the_cpu_index_is_used_where_it_answers_and_costs_nothing_where_not(dev, monkeypatch):
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/slow/torch/":
                time.sleep(10)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        server.daemon_threads = server.block_on_close = False
        threading.Thread(target=server.serve_forever, daemon=True).start()
        here = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setattr(dev, "CPU_INDEX", here)
        assert dev.cpu_index() == ["--extra-index-url", here]
        monkeypatch.setattr(dev, "CPU_INDEX", f"{here}/slow")
        assert dev.cpu_index() == []
        server.shutdown()
    monkeypatch.setattr(dev, "CPU_INDEX", here)
    assert dev.cpu_index() == []


@pytest.mark.skipif(not (ROOT / ".venv" / "ratesmith-setup.txt").exists(), reason="dev.py made no .venv here")
def test_once_set_up_it_installs_nothing_and_works_from_any_directory(tmp_path):
    out = subprocess.run(
        [sys.executable, ROOT / "dev.py", "setup"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    assert "installing" not in out


def test_without_a_job_it_says_what_it_can_do():
    found = subprocess.run([sys.executable, ROOT / "dev.py"], capture_output=True, text=True)
    assert found.returncode == 2
    assert "demo" in found.stderr


@pytest.fixture
def archives(dev, tmp_path, monkeypatch):
    """Return a small repository's wheel and sdist, as functions of the files that are in them."""
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    (tmp_path / "src" / "p" / "__pycache__").mkdir(parents=True)
    for name in ("src/p/a.py", "src/p/__pycache__/a.pyc", "LICENSE"):
        (tmp_path / name).write_text("")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "src/p/a.py", "LICENSE"], cwd=tmp_path, check=True)
    author = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *author, "commit", "-qm", "Begin"], cwd=tmp_path, check=True)

    def wheel(*names):
        with zipfile.ZipFile(tmp_path / "p-1-py3-none-any.whl", "w") as archive:
            for name in (*names, "p-1.dist-info/METADATA"):
                archive.writestr(name, "")
        return tmp_path / "p-1-py3-none-any.whl"

    def sdist(*names):
        with tarfile.open(tmp_path / "p-1.tar.gz", "w:gz") as archive:
            for name in (*names, "PKG-INFO"):
                archive.addfile(tarfile.TarInfo(f"p-1/{name}"))
        return tmp_path / "p-1.tar.gz"

    return wheel, sdist


def test_archives_that_hold_what_the_repository_holds_are_whole(dev, archives):
    wheel, sdist = archives
    dev.check_contents(wheel("p/a.py"), sdist("LICENSE", "src/p/a.py"))


@pytest.mark.parametrize(
    ("in_wheel", "in_sdist", "message"),
    [
        ([], ["LICENSE", "src/p/a.py"], r"^dev\.py: p-1-py3-none-any\.whl: p/a\.py is missing; see "),
        (["p/a.py", "q.py"], ["LICENSE", "src/p/a.py"], r"p-1-py3-none-any\.whl: q\.py is stray; see "),
        (["p/a.py"], ["src/p/a.py"], r"^dev\.py: p-1\.tar\.gz: LICENSE is missing; git add or remove it"),
        (["p/a.py"], ["LICENSE", "runs/x", "src/p/a.py"], r"p-1\.tar\.gz: runs/x is stray; git add or remove it"),
    ],
)
def test_an_archive_with_a_stray_or_a_missing_file_is_refused(dev, archives, in_wheel, in_sdist, message):
    wheel, sdist = archives
    with pytest.raises(SystemExit, match=message):
        dev.check_contents(wheel(*in_wheel), sdist(*in_sdist))


def test_without_git_the_sdist_is_not_compared_and_that_is_told(dev, archives, tmp_path, capsys):
    wheel, sdist = archives
    shutil.rmtree(tmp_path / ".git")
    dev.check_contents(wheel("p/a.py"), sdist())
    assert "no git here" in capsys.readouterr().out
