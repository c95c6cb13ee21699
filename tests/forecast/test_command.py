"""ratesmith forecast as a user meets it: output, one-line errors on stderr, exit statuses."""

import html
import json
from pathlib import Path

import pytest
from forecast_logs import write_runs

from ratesmith.cli import run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return [str(file) for file in write_runs(tmp_path_factory.mktemp("runs"))]


def test_the_candidates_are_ranked_and_drawn_and_the_best_is_the_last_line(runs, capsys):
    constant, cosine, linear = runs
    given = ["--compare", "warmup(100) >> linear()", "--compare", 'warmup(100) >> wsd(decay="20%")', "--cooldown"]
    assert run(["forecast", constant, cosine, *given, "--check", linear, "--steps", "5000"]) == 0
    shown = capsys.readouterr().out
    assert "⠀" in shown
    assert (
        "A law of how the loss follows the rate (two-clock) was fitted to constant (4,000 steps), cosine (4,000 steps)"
        in shown
    )
    assert "Grade A" in shown
    for part in ("Last loss, as forecast", "baseline", "Tried on runs that it has not seen", "Annealing from now on"):
        assert part in shown
    assert shown.splitlines()[-1] in given
    assert "\na  constant\n" in shown
    assert "\n1  " in shown  # letters and numbers tell the lines apart without colours


def test_the_forecast_is_right_where_the_law_is(runs, capsys):
    constant, cosine, linear = runs
    assert run(["forecast", constant, cosine, "--check", linear, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    [check] = data["checks"]
    assert check["prediction"]["final"] == pytest.approx(check["measured"][-1], rel=0.004)
    assert {row["name"] for row in data["candidates"]["rows"]} == {
        "warmup(100) >> linear()",
        "warmup(100) >> cosine()",
        "warmup(100) >> cosine(final=0.1)",
        'warmup(100) >> wsd(decay="20%")',
    }
    assert data["law"]["grade"] == "A"


def test_the_same_runs_always_give_the_same(runs, capsys):
    said = []
    for _ in range(2):
        assert run(["forecast", *runs[:2], "--design", "--json"]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert len(json.loads(said[0])["candidates"]["rows"]) == 5


def test_a_run_without_rates_takes_a_schedule(tmp_path, runs, capsys):
    rows = [row.split(",") for row in Path(runs[1]).read_text().splitlines()]
    file = tmp_path / "bare.csv"
    file.write_text("\n".join(f"{step},{loss}" for step, _, loss in rows))
    given = ["--schedule", "warmup(100) >> cosine(final=0.1)", "--schedule-lr", "1e-3"]
    assert run(["forecast", str(file), *given, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["law"]["grade"] == "B"
    assert run(["forecast", str(file)]) == 2
    assert "the log must hold the rate, got none" in capsys.readouterr().err


def test_runs_of_one_name_are_told_apart_by_their_folders(tmp_path, runs, capsys):
    for folder, file in zip(("one", "two"), runs, strict=False):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "run.csv").write_text(Path(file).read_text())
    assert run(["forecast", str(tmp_path / "one" / "run.csv"), str(tmp_path / "two" / "run.csv")]) == 0
    assert "one/run (4,000 steps), two/run (4,000 steps)" in capsys.readouterr().out


def test_a_candidate_without_the_runs_warmup_is_noticed(runs, capsys):
    assert run(["forecast", *runs[:2], "--compare", "linear()"]) == 0
    assert "linear() does not: try it behind warmup(100) >>." in capsys.readouterr().out
    assert run(["forecast", *runs[:2], "--compare", "warmup(50) >> linear()"]) == 0
    assert "does not: try" not in capsys.readouterr().out


def test_a_page_is_written(tmp_path, runs, capsys):
    assert run(["forecast", *runs[:2], "--html", str(tmp_path / "forecast.html")]) == 0
    assert f"Page: {tmp_path / 'forecast.html'}" in capsys.readouterr().out
    assert "which schedule next?" in (tmp_path / "forecast.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--compare", "cosin()"], "did you mean 'cosine'?"),
        (["--compare", "plateau()"], "listens to the run; give a schedule that is fixed beforehand"),
        (["--schedule-lr", "0.1"], "--schedule-lr and --schedule-steps say more of --schedule, got none; give it too"),
        (["--column", "loss"], "--column must be such as loss=NAME, got 'loss'; write it so"),
        (["--column", "loss=nll"], "it must have the column 'nll', got 'step', 'lr', 'val_loss'"),
        (["--schedule", "linear()"] * 3, "--schedule must be given once, or once a run, got 3 for 2 runs"),
        (["--per-step", "0"], "--per-step must be a finite number"),
        (["--steps", "0"], "steps must be a whole number of at least"),
        (["--check", "none.csv"], "it must be a file, got no such one; check the path"),
        (["--kind", "test"], "kind must be 'validation' or 'training', got 'test'"),
    ],
)
def test_a_mistake_is_one_line(runs, capsys, options, said):
    assert run(["forecast", *runs[:2], *options]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err


def test_an_option_is_called_as_it_is_written_here(tmp_path, runs, capsys):
    bare = tmp_path / "bare.csv"
    bare.write_text("\n".join(",".join(row.split(",")[::2]) for row in Path(runs[1]).read_text().splitlines()))
    for options, text in {
        (runs[0], "--steps", "0"): "Forecast: --steps must be a whole number of at least 2, got 0",
        (runs[0], "--base-lr", "-1"): "Forecast: --base-lr must be a finite number",
        (runs[0], "--base-lr", "0"): "got only zeros; give a --base-lr or --compare above 0",
        (runs[0], "--epochs", "0"): "Forecast: --epochs must be above 0",
        (runs[0], "--schedule", "linear()", "--schedule-steps", "9"): "--schedule-steps must be at least the last step",
        (runs[0], "--column", "x=lr"): "--column may name step, lr and loss, got 'x'",
        (str(bare),): "name its column as --column lr=NAME, or give --schedule and --schedule-lr",
        (str(bare), "--schedule", "linear()"): "--schedule-lr must be given where the log has no rates",
        (str(bare), "--schedule", "linear()", "--schedule-lr", "-1"): "--schedule-lr must be a finite number",
        (runs[0], "--compare", "linear()", "--baseline", "cosine("): "'(' was never closed",
    }.items():
        assert run(["forecast", *options]) == 2
        assert text in capsys.readouterr().err


def test_names_of_files_and_columns_are_shown_as_they_are(tmp_path, runs, capsys):
    rows = Path(runs[0]).read_text().splitlines()
    gone, file = tmp_path / "loss_per_step.csv", tmp_path / "schedule_base_lr_steps.csv"
    assert run(["forecast", str(gone)]) == 2
    assert "read 'loss_per_step.csv': it must be a file" in capsys.readouterr().err
    file.write_text("\n".join(["tokens_per_step,base_lr,schedule", *rows[1:]]))
    assert run(["forecast", str(file)]) == 2
    names = "'tokens_per_step', 'base_lr', 'schedule'"
    text = f"read '{file.name}': a column must count the steps, got {names}; name it as --column step=NAME"
    assert text in capsys.readouterr().err
    assert run(["forecast", str(file), "--column", "loss=per_step"]) == 2
    assert "it must have the column 'per_step', got 'tokens_per_step', 'base_lr'" in capsys.readouterr().err


def test_a_run_that_the_law_was_fitted_to_is_no_check(runs, capsys):
    assert run(["forecast", *runs[:2], "--check", runs[1]]) == 2
    assert "--check must be a run that the law has not seen, got" in capsys.readouterr().err


def test_checks_take_the_schedule_too_and_another_rate_can_be_asked_for(tmp_path, runs, capsys):
    bare = []
    for name, file in zip(("a.csv", "b.csv"), (runs[0], runs[1]), strict=True):
        rows = [line.split(",") for line in Path(file).read_text().splitlines()]
        bare.append(tmp_path / name)
        bare[-1].write_text("\n".join(f"{row[0]},{row[2]}" for row in rows))
    given = ["--schedule", "warmup(100) >> constant()", "--schedule", "warmup(100) >> cosine(final=0.1)"]
    told = ["--schedule-lr", "1e-3", "--base-lr", "8e-4", "--json"]
    assert run(["forecast", str(bare[0]), "--check", str(bare[1]), *given, *told]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [row["prediction"]["base_lr"] for row in data["candidates"]["rows"]] == [pytest.approx(8e-4)] * 4
    assert len(data["checks"]) == 1


def test_a_baseline_is_a_candidate_too(runs, capsys):
    assert run(["forecast", *runs[:2], "--baseline", "step(every=500)", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["candidates"]["baseline"] == "step(every=500)"
    assert len(data["candidates"]["rows"]) == 5


def test_every_diagnostic_is_shown_with_its_code_as_text_as_data_and_on_the_page(tmp_path, runs, capsys):
    page = tmp_path / "forecast.html"
    assert run(["forecast", runs[0], "--compare", "linear()", "--html", str(page)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert run(["forecast", runs[0], "--compare", "linear()", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    [law] = data["law"]["diagnostics"]
    [_, cold] = data["candidates"]["diagnostics"]
    assert (law["code"], law["name"]) == ("RS402", "no_annealing")
    assert (cold["code"], cold["name"]) == ("RS424", "no_warmup")
    text = html.unescape(page.read_text(encoding="utf-8"))
    for diagnostic in (law, cold):
        assert f"{diagnostic['text']} [{diagnostic['code']}]" in shown
        assert f"{diagnostic['text']} [{diagnostic['code']}]" in text


def test_what_annealing_now_gives_comes_with_its_own_diagnostics(runs, capsys):
    assert run(["forecast", runs[0], "--cooldown"]) == 0
    out = capsys.readouterr().out
    assert "against keeping the rate for as many steps" in out
    assert "cannot say in steps" not in out


def test_what_cannot_be_said_is_not(tmp_path, runs, capsys):
    file = tmp_path / "short.csv"
    file.write_text("\n".join(Path(runs[0]).read_text().splitlines()[:10]))
    assert run(["forecast", str(file)]) == 2
    err = capsys.readouterr().err
    assert "cannot say" in err
    assert err.count("\n") == 1


def test_the_folder_of_a_comparison_gives_its_runs(tmp_path, capsys):
    from numpy_task import LogisticTask

    from ratesmith.experiment import compare

    compare(LogisticTask(), ["cosine()"], folder=tmp_path, steps=300, evaluate_every=10, seeds=3, rates=[0.02])
    assert run(["forecast", str(tmp_path)]) == 0
    assert "was fitted to constant() (300 steps), cosine() (300 steps)" in capsys.readouterr().out
    assert run(["forecast", str(tmp_path), "--kind", "training"]) == 2
    assert "is the folder of a comparison, which knows its own rates and losses" in capsys.readouterr().err
