"""The documents: their examples run, their links lead somewhere, and both first pages show the same code."""

import difflib
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


def block(page, language, begins):
    [text] = [text for text in blocks(ROOT / page, language) if text.startswith(begins)]
    return text


def test_the_task_in_one_file_is_found_and_compared_as_its_page_says(tmp_path, monkeypatch, capsys):
    file = block("docs/compare.md", "python", "# digits.py")
    assert file.count("\n") < 30
    (tmp_path / "digits.py").write_text(file)
    find, compare = block("docs/compare.md", "sh", "ratesmith find").splitlines()
    monkeypatch.chdir(tmp_path)
    assert run(shlex.split(find)[1:]) == 0
    assert 0.01 < float(capsys.readouterr().out.splitlines()[-1].removeprefix("lr=")) < 3
    assert run([*shlex.split(compare)[1:], "--steps", "2ep", "--seeds", "2", "--rates", "0.1"]) == 0
    assert 'custom("halve_every_five_epochs", every="1ep")' in capsys.readouterr().out
    assert Path("runs/digits-task/report.html").exists()


TUTORIAL = ROOT / "examples" / "tutorial"


def test_the_readmes_loop_is_the_tutorials_and_its_lines_make_the_one_that_is_compared():
    plain = block("README.md", "python", "# train.py")
    assert plain == (TUTORIAL / "train.py").read_text(encoding="utf-8")
    compared = (TUTORIAL / "train_compared.py").read_text(encoding="utf-8")
    changes = [line for line in difflib.ndiff(plain.splitlines(), compared.splitlines()) if line[0] in "+-"]
    shown = [line for line in block("README.md", "diff", "+import").splitlines() if line[0] in "+-"]
    assert [f"{line[0]}{line[2:]}" for line in changes if line.strip() != "+"] == [
        line for line in shown if line != "+"
    ]


def test_the_readmes_two_lines_find_a_rate_and_draw_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before, loop, _ = block("README.md", "python", "# train.py").partition("for epoch")
    assert loop
    names = {"__name__": "example"}
    exec(before + "import ratesmith.torch\n" + block("README.md", "py", "result = "), names)
    assert 0.1 < names["result"].suggestion < 2  # the README says about 0.5
    assert Path("rate.png").stat().st_size > 10_000


def test_the_readmes_script_is_compared_as_it_says(tmp_path, monkeypatch, capsys):
    (tmp_path / "train.py").write_text((TUTORIAL / "train_compared.py").read_text(encoding="utf-8"))
    command = block("README.md", "sh", "ratesmith compare")
    monkeypatch.chdir(tmp_path)
    few = ["--rates", "1", "--seeds", "1", "--strategy", "cosine()", "--workers", "1"]
    assert run([*shlex.split(command)[1:], *few]) == 0
    assert "trial = ratesmith.get_trial(lr=1" in capsys.readouterr().out


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
