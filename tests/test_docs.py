"""The documents: their examples run, their links lead somewhere, and both first pages show the same code."""

import re
import shlex
from pathlib import Path

import pytest

from ratesmith import Horizon, parse
from ratesmith.cli import run

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page, language):
    return [text for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")) if kind == language]


EXAMPLES = [(page.name, text) for page in PAGES for text in blocks(page, "python")]


@pytest.mark.parametrize(("name", "text"), EXAMPLES, ids=[f"{name}-{i}" for i, (name, _) in enumerate(EXAMPLES)])
def test_every_python_example_runs(name, text):
    exec(compile(text, name, "exec"), {"__name__": "example"})


def test_the_users_whole_file_is_under_30_lines_and_is_compared_as_the_readme_says(tmp_path, monkeypatch, capsys):
    [file] = [text for text in blocks(ROOT / "README.md", "python") if text.startswith("# digits.py")]
    assert file.count("\n") < 30
    (tmp_path / "digits.py").write_text(file)
    [command] = [text for text in blocks(ROOT / "README.md", "sh") if text.startswith("ratesmith compare digits")]
    monkeypatch.chdir(tmp_path)
    arguments = shlex.split(command.replace("\\\n", " "))[1:]
    assert run([*arguments, "--steps", "2ep", "--seeds", "2", "--rates", "0.1"]) == 0
    shown = capsys.readouterr().out
    assert 'custom("halve_every_five_epochs", every="1ep")' in shown
    assert Path("runs/digits-task/report.html").exists()


def test_the_rate_of_the_readmes_file_is_found_as_it_says(tmp_path, monkeypatch, capsys):
    [file] = [text for text in blocks(ROOT / "README.md", "python") if text.startswith("# digits.py")]
    (tmp_path / "digits.py").write_text(file)
    [command] = [text for text in blocks(ROOT / "README.md", "sh") if text.startswith("ratesmith find")]
    monkeypatch.chdir(tmp_path)
    assert run(shlex.split(command)[1:]) == 0
    rate = float(capsys.readouterr().out.splitlines()[-1].removeprefix("lr="))
    assert 0.01 < rate < 3


def test_the_script_of_its_page_is_found_and_compared_as_the_page_says(tmp_path, monkeypatch, capsys):
    [script] = [text for text in blocks(ROOT / "docs" / "scripts.md", "python") if text.startswith("# train.py")]
    (tmp_path / "train.py").write_text(script)
    [commands] = [text for text in blocks(ROOT / "docs" / "scripts.md", "sh") if text.startswith("python train.py")]
    _, find, compare, _ = commands.splitlines()
    monkeypatch.chdir(tmp_path)
    assert run([*shlex.split(find, comments=True)[1:], "--seeds", "1"]) == 0
    assert "the optimizer's own 0.1" in capsys.readouterr().out
    few = ["--rates", "0.1", "--seeds", "1", "--choice-seeds", "1", "--steps", "1ep", "--workers", "1"]
    assert run([*shlex.split(compare, comments=True)[1:], *few]) == 0
    assert "trial = ratesmith.get_trial(lr=" in capsys.readouterr().out


def test_the_schedules_in_the_readme_can_be_shown(capsys):
    [command] = [text for text in blocks(ROOT / "README.md", "sh") if text.startswith("ratesmith show")]
    assert run(shlex.split(command)[1:]) == 0
    assert "cosine(final=0.01)" in capsys.readouterr().out


TABLE = re.compile(r"^\|(.+)\|$", re.MULTILINE)


def test_every_notation_in_the_table_of_names_is_notation():
    page = (ROOT / "docs" / "schedules.md").read_text(encoding="utf-8")
    names = page.partition("## Under the name you know")[2].partition("## At which step")[0]
    rows = [row.split("|")[-1] for row in TABLE.findall(names)]
    texts = [found[1] for row in rows if (found := re.search(r"`([^`]+)`", row))]
    horizon = Horizon(10_000, steps_per_epoch=100)
    for text in texts:
        controller = parse(text).build(horizon, {"rule": lambda step: 1.0})
        assert controller.value(controller.init(), 50) >= 0, text
    assert len(texts) > 50


def test_both_first_pages_show_the_same_code():
    english, chinese = ROOT / "README.md", ROOT / "README.zh-CN.md"
    assert BLOCK.findall(english.read_text(encoding="utf-8")) == BLOCK.findall(chinese.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_within_the_project_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target.partition("#")[0]).exists(), target
