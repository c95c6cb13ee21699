"""The command line as a user meets it: output, one-line errors on stderr, exit statuses."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree
from pathlib import Path

import pytest
from comparing import judged

from ratesmith import Ramp, from_data, parse
from ratesmith.cli import common, run
from ratesmith.cli.compare import print_verdict, without_ratesmith
from ratesmith.cli.signals import Stopped, signals_stop

TASK = f"{Path(__file__).parent / 'numpy_task.py'}"


def test_help_names_the_commands_and_every_strategy(capsys):
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("compare", "show", "step(every, gamma=0.1)", "plateau(factor=0.1"))
    assert run([]) == 0
    assert capsys.readouterr().out == shown


@pytest.mark.parametrize("command", ["show", "compare"])
def test_each_commands_help_has_examples(command, capsys):
    assert run([command, "--help"]) == 0
    assert f"Examples:\n    ratesmith {command} " in capsys.readouterr().out


def test_show_draws_the_curve_and_prints_its_numbers(capsys):
    assert run(["show", 'warmup("10%") >> cosine()', "step(every=500)", "--steps", "1000", "--table"]) == 0
    shown = capsys.readouterr().out
    assert "⠀" in shown
    assert shown.startswith("factor\n  1 |")
    for row in ("0    │ 0 ", "100  │ 1 ", "500  │ 0.586824 ", "1000 │ 0 "):
        assert row in shown
    assert "0.1 " in shown


def test_show_reads_epochs_and_a_function(capsys):
    options = ["--steps", "90", "--steps-per-epoch", "30", "--functions", TASK]
    assert run(["show", 'custom("halving", every="1ep")', *options]) == 0
    assert "Last update 0.25, end 0.125." in capsys.readouterr().out


def test_show_tells_what_each_schedule_does(capsys):
    assert run(["show", 'warmup("10%") >> cosine(final=0.1)', "Staircase(250)", "--steps", "1000", "--table"]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("│ warmup", "│ Staircase"))]
    assert [cell.strip() for cell in rows[-2].split("│")[2:-1]] == [
        *("1", "100", "0.1", "0.1", "0.545", "10 %", "90 %", "100"),
    ]
    assert [cell.strip() for cell in rows[-1].split("│")[2:-1]] == [
        *("1", "0", "0.001", "0.0001", "0.2777", "0 %", "75 %", "250, 500, 750"),
    ]


def test_show_counts_in_epochs_where_it_knows_them(capsys):
    assert run(["show", 'step(every="2ep")', "--epochs", "4", "--steps-per-epoch", "25", "--table"]) == 0
    shown = capsys.readouterr().out
    assert "-> epoch" in shown
    assert "│ 2     │ 0.1 " in shown


def test_show_prints_every_value_as_csv(capsys):
    assert run(["show", "cosine()", "Ramp(1, 0, 4)", "--steps", "4", "--csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == 'step,cosine(),"Ramp(1, 0, 4)"'
    assert lines[1::4] == ["0,1.0,1.0", "4,0.0,0.0"]
    assert run(["show", "rex()", "--epochs", "1", "--steps-per-epoch", "2", "--csv"]) == 0
    assert capsys.readouterr().out.splitlines()[:3] == ["step,epoch,rex()", "0,0.0,1.0", "1,0.5,0.6666666666666666"]


def test_show_prints_data_that_reads_back_as_json(capsys):
    assert run(["show", 'warmup("10%") >> cosine()', "--steps", "200", "--json"]) == 0
    [found] = json.loads(capsys.readouterr().out)["schedules"]
    schedule = from_data(found["value"]).build()
    assert schedule == Ramp(0.0, 1.0, 20) >> Ramp(1.0, 0.0, 180, "cosine")
    assert found["curve"] == [[step, schedule(step)] for step in range(201)]
    assert (found["facts"]["peak_step"], found["facts"]["warmup"]) == (20, 0.1)


def test_show_prints_code_alone_that_gives_the_rates_without_ratesmith(capsys):
    assert run(["show", 'warmup("10%") >> rex()', "--steps", "40", "--lr", "0.3", "--code", "python"]) == 0
    script = {}
    exec(capsys.readouterr().out, script)
    schedule = parse('warmup("10%") >> rex()').build(40)
    assert all(abs(script["learning_rate"](step) - 0.3 * schedule(step)) < 1e-15 for step in range(50))
    assert run(["show", "Ramp(1, 0, 50)", "--code", "torch"]) == 0
    assert "LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=50)" in capsys.readouterr().out


def test_a_value_with_a_length_of_its_own_is_shown_without_one(capsys):
    assert run(["show", "Ramp(0, 1, 5) >> Constant(0.5)", "--csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1002
    assert run(["show", "Ramp(0, 1, 5)", "--csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 7


def test_a_function_that_fails_late_is_one_line_wherever_it_is_called(tmp_path, capsys):
    for step, forms in ((8, [["--csv"]]), (300_001, [[], ["--csv"], ["--json"]])):
        rules = tmp_path / f"rules_{step}.py"
        rules.write_text(f"def late(step):\n    return 1.0 if step < {step} else 1 / (step - step)\n")
        for form in forms:
            arguments = ["show", 'custom("late")', "--steps", "300001", "--functions", str(rules), *form]
            assert run(arguments) == 2
            said = ": it must give a number, got ZeroDivisionError: division by zero; mend the function"
            assert said in capsys.readouterr().err


def test_show_draws_into_files(tmp_path, capsys):
    png, svg = tmp_path / "a.png", tmp_path / "a.svg"
    assert run(["show", 'plateau(metric="$x_{$")', "--steps", "9", "--png", str(png)]) == 0
    capsys.readouterr()
    assert run(["show", "cosine()", "step(30)", "--steps", "100", "--png", str(png), "--svg", str(svg)]) == 0
    assert f"Drawn into {png}\nDrawn into {svg}\n" in capsys.readouterr().out
    assert png.read_bytes().startswith(b"\x89PNG")
    drawn = xml.etree.ElementTree.parse(svg).getroot()
    lines = [path.get("d") for path in drawn.iter("{http://www.w3.org/2000/svg}path") if "clip-path" in path.attrib]
    curves = sorted(path.count("L") for path in lines)[-2:]
    assert curves == [100, 100]


def test_without_matplotlib_a_drawing_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.delitem(sys.modules, "ratesmith.plots", raising=False)
    assert run(["show", "cosine()", "--steps", "9", "--png", str(tmp_path / "a.png")]) == 2
    assert capsys.readouterr().err == (
        "ratesmith: show: --png needs matplotlib.figure; install Ratesmith with its extra [plot]\n"
    )


def test_drawing_needs_none_of_what_comparing_needs():
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['bokeh', 'jinja2', 'scipy', 'torch']));"
        "from ratesmith.cli import run; sys.exit(run(sys.argv[1:]))"
    )
    arguments = ["show", "cosine()", "--steps", "9", "--png", "/dev/null"]
    assert subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True).returncode == 0
    ran = subprocess.run([sys.executable, "-c", code, "compare", "a.py:task"], capture_output=True, text=True)
    assert ran.returncode == 2
    assert ran.stderr == "ratesmith: compare: it needs scipy; install Ratesmith with its extra [compare]\n"


def test_on_a_narrow_terminal_the_facts_of_the_table_are_sentences(capsys, monkeypatch):
    monkeypatch.setattr("ratesmith.cli.common.WIDE", 80)
    assert run(["show", 'warmup("10%") >> cosine()', "--steps", "1000", "--table"]) == 0
    assert "\n  Its peak is 1, reached at step 100 (10 % of the way).\n" in capsys.readouterr().out


def test_compare_ends_with_a_table_a_verdict_and_a_report(tmp_path, capsys):
    arguments = [f"{TASK}:task", "--strategy", "cosine()", "--steps", "2ep", "--seeds", "2", "--workers", "1"]
    assert run(["compare", *arguments, "--out", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    for words in (
        "constant()",
        "cosine()",
        " comes first, with lr=",
        "tell nothing apart",
        "On the test set, looked at for the winner",
    ):
        assert words in out
    assert out.splitlines()[-1] == f"Report: {tmp_path / 'report.html'}"
    assert "Plan, at the most" in err
    assert "runs; best so far: " in err
    results = json.loads((tmp_path / "results.json").read_text())
    assert [row["strategy"] for row in results["rows"]] in (["constant()", "cosine()"], ["cosine()", "constant()"])
    assert results["verdict"] in out
    costs = results["costs"]
    assert (
        f"The runs have {costs['planned']:,} steps in all, {costs['shared']:,} of them shared with another run" in out
    )


QUICK = [f"{TASK}:task", "--strategy", "cosine()", "--steps", "20", "--seeds", "2", "--rates", "0.1", "--workers", "0"]


def test_the_lines_to_paste_are_a_training_scripts(tmp_path, capsys):
    halving = ["--strategy", 'custom("halving", every="1ep")', "--baseline", "cosine()"]
    assert run(["compare", *QUICK, *halving, "--out", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.partition("To use it:\n\n")[2].partition("\n\nReport")[0]
    assert "torch" not in lines.partition("The same without Ratesmith")[0]  # the task is in NumPy
    script = {"halving": lambda epoch: 0.5**epoch}
    exec(lines.partition("The same without Ratesmith")[0], script)
    assert all(0.0 <= script["learning_rate"](step) <= 0.1 for step in range(20))


def test_the_verdict_ends_with_where_the_code_without_ratesmith_is(capsys):
    print_verdict(judged({"cosine()": [1.0, 1.1]}))
    paste, _, last = capsys.readouterr().out.partition("To use it:\n\n")[2].partition("\n\n")
    assert paste.startswith("from ratesmith import Horizon\nfrom ratesmith.torch import ScheduleLR\n")
    assert last.startswith("The same without Ratesmith: the report's page, or `ratesmith show 'cosine()' --steps ")
    print_verdict(judged({"greedy()": [1.0, 1.1]}))
    assert "without Ratesmith" not in capsys.readouterr().out


def test_quietly_compare_prints_the_verdict_and_what_to_mind_alone(tmp_path, capsys):
    assert run(["compare", *QUICK, "--quiet", "--out", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert " comes first, with lr=" in out.splitlines()[0]
    assert "The verdict rests on 2 paired seeds" in out
    assert "┃" not in out


def test_a_budget_is_answered_with_a_plan_and_one_too_small_with_the_least(tmp_path, capsys):
    assert run(["compare", *QUICK, "--budget", "100", "--out", str(tmp_path / "a")]) == 0
    err = capsys.readouterr().err
    assert "Up to 80 steps, about " in err
    assert "; it ends earlier where strategies are soon told apart.\n" in err
    assert run(["compare", *QUICK, "--budget", "70", "--out", str(tmp_path / "b")]) == 2
    assert "compare: a budget of 70 steps is too small, the least plan is 80 steps" in capsys.readouterr().err


def test_runs_are_logged_for_tensorboard_and_mlflow(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    tracking = pytest.importorskip("mlflow.tracking")
    where = (tmp_path / "mlruns").as_uri()
    logs = ["--tensorboard", str(tmp_path / "board"), "--mlflow", where]
    assert run(["compare", *QUICK, *logs, "--out", str(tmp_path / "study")]) == 0
    folders = list((tmp_path / "board").iterdir())
    assert len(folders) == 4
    for folder in folders:
        events = loader.EventAccumulator(str(folder))
        events.Reload()
        assert {"validation/loss", "validation/accuracy", "rate"} <= set(events.Tags()["scalars"])
        assert len(events.Scalars("rate")) == 20
    client = tracking.MlflowClient(where)
    logged = client.search_runs([client.get_experiment_by_name("ratesmith compare").experiment_id])
    assert {one.data.params["strategy"] for one in logged} == {"constant()", "cosine()"}
    for one in logged:
        assert one.data.metrics["validation.loss"] > 0


def test_studies_are_listed_verified_exported_resumed_and_deleted(tmp_path, capsys):
    folder = tmp_path / "runs" / "one"
    assert run(["compare", *QUICK, "--out", str(folder)]) == 0
    verdict = next(line for line in capsys.readouterr().out.splitlines() if ", with lr=" in line)
    assert run(["study", "list", str(tmp_path)]) == 0
    assert "4 done" in capsys.readouterr().out
    assert run(["study", "verify", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder}: whole, 4 runs, 0 branches waiting.\n"
    assert run(["study", "export", str(folder), str(tmp_path / "all.csv")]) == 0
    assert (tmp_path / "all.csv").read_text().startswith("strategy,base_lr,seed,steps,status")
    assert run(["study", "resume", str(folder), "--quiet"]) == 0
    assert verdict in capsys.readouterr().out
    assert run(["study", "rm", str(folder), "--yes"]) == 0
    assert not folder.exists()
    assert run(["study", "verify", str(folder)]) == 2
    assert "there is no study here; give the folder of one" in capsys.readouterr().err
    assert run(["study", "list", str(tmp_path)]) == 0
    assert f"There is no study in {tmp_path}.\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["show", "cosin()", "--steps", "9"],
            "Notation: there is no strategy 'cosin'; did you mean 'cosine'?\n  cosin()\n  ^",
        ),
        (
            ["show", "step(every=0)", "--steps", "9"],
            "Notation: step: every must be at least 1 step, got 0",
        ),
        (["show", "cosine()", "--steps", "0"], "show: --steps must be a whole number of at least 1, got 0"),
        (["show", "cosine()", "--steps", "ten"], "Invalid value for '--steps': 'ten' is not a valid integer."),
        (
            ["show", "cosine()"],
            "Notation: cosine: it needs the length of training; give a horizon, as in .build(1000), or --steps",
        ),
        (["show", "cosine()", "--epochs", "3"], "show: --epochs goes with --steps-per-epoch and without --steps; drop"),
        (
            ["show", "cosine()", "--steps", "9", "--epochs", "3", "--steps-per-epoch", "3"],
            "show: --epochs goes with --steps-per-epoch and without --steps",
        ),
        (
            ["show", "rex()", "--epochs", "inf", "--steps-per-epoch", "3"],
            "show: --epochs must be a finite number above 0, got",
        ),
        (
            ["show", "rex()", "--epochs", "nan", "--steps-per-epoch", "3"],
            "show: --epochs must be a finite number above 0, got",
        ),
        (
            ["show", "rex()", "--steps", "9", "--csv", "--json"],
            "show: --csv, --json and --code print different things; give one",
        ),
        (
            ["show", "rex()", "linear()", "--steps", "9", "--code", "torch"],
            "show: --code must be asked of one schedule",
        ),
        (["show", "rex()", "--steps", "9", "--lr", "0.1"], "show: --lr goes with --code"),
        (["show", "rex()", "--steps", "9", "--code", "python", "--svg", "a.svg"], "show: --code prints code alone"),
        (
            ["show", "rex()", "--steps", "9", "--code", "jax"],
            "code: --code must be the name of a form, got 'jax'; choose",
        ),
        (
            ["show", "rex()", "--steps", "9", "--code", "keras"],
            "code: --code must be a form that says this schedule exactly, got 'keras' (Keras has no schedule that is "
            "the same); choose one of ratesmith, python, torch, lightning, optax",
        ),
        (["show", "rex()", "--steps", "9", "--lr", "-1", "--code", "python"], "code: --lr must be a finite number"),
        (["show", "cosine()", "--steps-per-epoch", "3"], "show: the length of training must be given; add --steps N"),
        (
            ["show", 'warmup("3ktok")', "--steps", "9"],
            "Notation: warmup: length '3ktok' needs tokens_per_step, which is not",
        ),
        (["show", "rex()", "--steps", "9", "--png", "no/such/a.png"], "[Errno 2] No such file or directory: 'no/such"),
        (
            ["show", 'custom("f")', "--steps", "9"],
            "Notation: custom: there is no function 'f'; write it in the task's file",
        ),
        (
            ["show", 'custom("f")', "--steps", "9", "--functions", "no.py"],
            "no.py: there is no such file; give the path",
        ),
        (["comprae"], "No such command 'comprae'."),
        (["compare"], "Missing argument 'TRAIN.py|FILE.py:NAME'."),
        (
            ["compare", "digits.py"],
            "digits.py: there is no such file; give the path of a script, or of a task's file and",
        ),
        (["compare", "digits"], "digits: a task is given as path/to/file.py:name; add the name of the function"),
        (
            ["compare", "no/such.py:task"],
            "no/such.py: there is no such file; give the path of the file that holds 'task'",
        ),
        (["compare", f"{TASK}:tusk"], f"{TASK}: there is no 'tusk'; did you mean 'task'?"),
        (
            ["compare", f"{TASK}:not_a_task"],
            f"{TASK}:not_a_task: this must be a task or a function that gives one, got int",
        ),
        (["compare", f"{TASK}:broken"], f"{TASK}:broken, line "),
        (["compare", f"{TASK}:task", "--strategy", "cosin()"], "Notation: there is no strategy 'cosin'; did you mean"),
        (
            ["compare", f"{TASK}:task", "--strategy", "step(every=0)"],
            "Notation: step: every must be at least 1 step, got 0",
        ),
        (
            ["compare", f"{TASK}:task", "--rates", "-1,1"],
            "compare: --rates must be numbers above 0, got [-1.0, 1.0]; give rates such as 0.01",
        ),
        (["compare", f"{TASK}:task", "--rates", "0.1;1"], "compare: --rates must be numbers with commas, got '0.1;1'"),
        (
            ["compare", f"{TASK}:task", "--metric", "f1", "--mode", "max"],
            "compare: --metric must be one that the task reports, got 'f1'",
        ),
        (["compare", f"{TASK}:task", "--mode", "best"], "compare: --mode must be 'min' or 'max', got 'best'"),
        (["compare", f"{TASK}:task", "--steps", "soon"], "compare: --steps must be a number of steps or epochs, got"),
        (
            ["compare", f"{TASK}:task", "--metric", "accuracy"],
            "compare: --mode must be given for the metric 'accuracy'",
        ),
        (["compare", f"{TASK}:task", "--seeds", "0"], "compare: --seeds must be a whole number of at least 1, got 0"),
        (["find"], "Missing argument 'TRAIN.py|FILE.py:NAME'."),
        (["find", f"{TASK}:tusk"], f"{TASK}: there is no 'tusk'; did you mean 'task'?"),
        (["find", f"{TASK}:broken"], f"{TASK}:broken, line "),
        (["find", f"{TASK}:task", "--method", "guess"], "find: --method must be one of race, sweep, grid, got 'guess'"),
        (["find", f"{TASK}:task", "--rule", "best"], "sweep: --rule must be one of middle, half_descent, steepest, "),
        (
            ["find", f"{TASK}:task", "--low", "1", "--high", "0.1"],
            "sweep: --low must be above 0 and below high, got 1 an",
        ),
        (["find", f"{TASK}:task", "--seeds", "0"], "find: --seeds must be at least 1, got 0; give a larger number"),
        (
            ["find", f"{TASK}:task", "--method", "sweep", "--steps", "10ep"],
            "find: --steps is not for the method sweep; drop it, or choose",
        ),
        (["find", f"{TASK}:task", "--method", "grid", "--rates", "0.1"], "find: grid needs --steps; add it"),
        (
            ["find", f"{TASK}:task", "--budget", "200"],
            "find: --budget must be a whole number of at least 208, got 200; give a larger number",
        ),
        (["find", f"{TASK}:task", "--budget", "many"], "Invalid value for '--budget': 'many' is not a valid integer."),
        (
            ["find", f"{TASK}:task", "--rule", "steepest", "--budget", "500"],
            "find: --budget is not for the method sweep; drop it, or choose another --method",
        ),
        (["find", f"{TASK}:task", "--method", "grid", "--steps", "9"], "find: grid needs --rates; add it"),
        (
            ["find", f"{TASK}:task", "--method", "grid", "--steps", "9", "--rates", "a"],
            "find: --rates must be numbers with commas, got 'a'; write 0.01,0.1,1",
        ),
        (
            ["find", f"{TASK}:task", "--method", "race", "--steps", "9", "--metric", "f1", "--mode", "max"],
            "race: metric must be one that the task measures, got 'f1'; measured: loss, accuracy",
        ),
        (
            ["find", f"{TASK}:task", "--method", "race", "--steps", "9", "--schedule", "cosin()"],
            "Notation: there is no strategy 'cosin'; did you mean",
        ),
        (
            ["find", f"{TASK}:task", "--method", "race", "--steps", "9", "--metric", "accuracy"],
            "race: --mode must be given for the metric 'accuracy', got none",
        ),
        (
            ["compare", f"{TASK}:task", "--workers", "-2"],
            "compare: --workers must be a whole number of at least 0, got -2",
        ),
    ],
)
def test_a_mistake_is_one_line_on_stderr_and_exit_status_2(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if arguments[0] == "compare" and "--workers" not in arguments and len(arguments) > 1:
        arguments = [*arguments, "--workers", "1"]
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"ratesmith: {message}")
    assert err.count("\n") == (3 if message.startswith("Notation: ") else 1)  # the text, with a caret under the place


def test_find_draws_the_curve_explains_it_and_ends_with_the_line_to_paste(tmp_path, capsys):
    assert run(["find", f"{TASK}:task", "--out", str(tmp_path), "--png", str(tmp_path / "found.png")]) == 0
    out, err = capsys.readouterr()
    kept = json.loads((tmp_path / "found.json").read_text())
    assert out.splitlines()[-1] == f"lr={kept['suggestion']:.2g}"
    assert err == "find: about 400 updates: a sweep, and 3 trainings of 96\n"
    assert out.startswith("validation loss after 96 steps\n")
    marked = " ".join(out.partition("\nInitial rate: ")[0].rpartition("[")[2].split())
    low, high = kept["interval"]
    assert re.fullmatch(r"-+\*-+\] " + re.escape(f"{kept['suggestion']:.2g} ({low:.2g} to {high:.2g})"), marked)
    assert f"Initial rate: {kept['suggestion']:.2g}, " in out
    assert f"Page: {tmp_path / 'found.html'}" in out
    assert (tmp_path / "found.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_stops_a_search_with_one_line(tmp_path, name):
    log = tmp_path / "starts"
    process = subprocess.Popen(
        [sys.executable, "-m", "ratesmith", "find", f"{TASK}:task", "--out", str(tmp_path / "out")],
        env={**os.environ, "RATESMITH_TEST_PAUSE": "0.05", "RATESMITH_TEST_LOG": str(log)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not log.exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    process.send_signal(signal.Signals[name])
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (128 + signal.Signals[name], "")
    what = "Ctrl-C" if name == "SIGINT" else name
    # The line before it, what the search will cost, is there if an update has been made.
    assert err.splitlines()[-1] == f"ratesmith: stopped by {what}; nothing was changed, and nothing is kept."
    assert err.splitlines()[:-1] in ([], ["find: about 400 updates: a sweep, and 3 trainings of 96"])
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_signal_that_is_ignored_stays_so_and_handlers_are_put_back():
    def hang_up():
        with signals_stop():
            os.kill(os.getpid(), signal.SIGHUP)  # ignored, as under nohup
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with pytest.raises(Stopped, match="SIGTERM"):
            hang_up()
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_find_races_whole_short_trainings_by_a_metric_and_prints_json(tmp_path, capsys):
    options = ["--method", "race", "--steps", "10ep", "--schedule", 'warmup("10%") >> custom("halving", every="5ep")']
    assert (
        run(
            [
                "find",
                f"{TASK}:task",
                *options,
                "--metric",
                "accuracy",
                "--mode",
                "max",
                "--out",
                str(tmp_path),
                "--json",
            ]
        )
        == 0
    )
    out, err = capsys.readouterr()
    assert err == "", "who reads JSON gets nothing else"
    found = json.loads(out)
    assert found["method"] == "race"
    assert [curve["name"] for curve in found["curves"] if curve["kind"] == "training"] == ["230 steps"]
    assert found == json.loads((tmp_path / "found.json").read_text())


def test_an_error_while_a_tasks_file_is_read_names_its_line(tmp_path, capsys):
    file = tmp_path / "mine.py"
    for text, said in (
        ("import nothing_like_this\n", "line 1: ModuleNotFoundError: No module named 'nothing_like_this'"),
        ("x = 1\ndef task(:\n", "line 2: SyntaxError: invalid syntax"),
        ("def task():\n    return 1 / 0\n", "line 2: ZeroDivisionError: division by zero"),
        ("import sys\nsys.exit(0)\n", "line 2: SystemExit: 0"),
    ):
        file.write_text(text)
        assert run(["compare", f"{file}:task", "--out", str(tmp_path / "out"), "--workers", "1"]) == 2
        err = capsys.readouterr().err
        assert said in err
        assert err.count("\n") == 1


def test_an_error_in_a_file_that_the_task_imports_names_both_lines(tmp_path, capsys):
    (tmp_path / "neighbour_with_an_error.py").write_text("def broken():\n    return [][1]\n")
    (tmp_path / "mine.py").write_text("from neighbour_with_an_error import broken\ndef task():\n    return broken()\n")
    assert run(["compare", f"{tmp_path / 'mine.py'}:task", "--out", str(tmp_path / "out"), "--workers", "1"]) == 2
    said = "line 3 (then neighbour_with_an_error.py, line 2): IndexError: list index out of range"
    assert said in capsys.readouterr().err


def test_without_a_package_that_it_was_to_bring_the_command_says_what_to_install(tmp_path):
    (tmp_path / "click.py").write_text("raise ModuleNotFoundError('no click', name='click')")
    found = subprocess.run(
        [sys.executable, "-c", "from ratesmith.__main__ import main; main()"],
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 1
    assert found.stderr == "ratesmith: it needs click, which was not installed with it; pip install click\n"


def test_other_results_in_a_folder_are_said_to_be_replaced(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tasks.py").write_text("from numpy_task import LogisticTask\ntask = LogisticTask()\n")
    few = ["--steps", "8", "--rates", "0.1", "--seeds", "1", "--choice-seeds", "1", "--workers", "0"]
    shown = []
    for strategy in ("cosine()", "cosine()", "linear()"):
        assert run(["compare", "tasks.py:task", "--strategy", strategy, *few]) == 0
        shown.append("in place of the last one" in capsys.readouterr().out)
    assert shown == [False, False, True]


def test_a_width_that_is_given_holds_without_a_terminal(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    assert run(["show", "warmup('5%') >> cosine()", "step(every='30%')", "--steps", "1000"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 60


def test_the_strategies_that_help_calls_the_most_used_are_strategies():
    used = re.findall(r"\w+\([^)]*\)", common.MOST_USED)
    assert len(used) == 7
    for text in used:
        assert parse(text).build(100)


def test_one_sentence_says_where_the_code_without_ratesmith_is():
    found = judged({'warmup("5%") >> cosine()': [1.0, 1.1]})
    command = f"ratesmith show 'warmup(\"5%\") >> cosine()' --steps {found.layout.steps}"
    assert without_ratesmith(found).startswith(f"The same without Ratesmith: the report's page, or `{command} ")
    assert without_ratesmith(found).endswith(f" --lr {found.best.base_lr!r} --code torch`")
    assert without_ratesmith(judged({"greedy()": [1.0, 1.1]})) == ""
    assert without_ratesmith(judged({"constant()": [None, None]})) == ""
    assert judged({"constant()": [None, None]}).paste_forms() == ()
