"""The measured forecasts of a real training were written down before it was made, and the page shows what came out."""

import csv
import json
import re
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "benchmarks" / "forecast_real"
SAID = json.loads((FOLDER / "forecasts.json").read_text(encoding="utf-8"))
HEAD = re.compile(r"# (?P<name>[^:]+): .*, (?P<begun>\S+) to (?P<ended>\S+)\n")


def runs():
    """Return each kept run: its name, when it began and ended, and its last loss."""
    for file in (FOLDER / "runs").glob("*.csv"):
        with file.open(encoding="utf-8", newline="") as lines:
            known = HEAD.fullmatch(next(lines))
            *_, last = csv.DictReader(lines)
            begun, ended = (datetime.fromisoformat(known[part]) for part in ("begun", "ended"))
            yield known["name"], begun, ended, float(last["val_loss"])


def test_the_forecasts_were_written_after_the_two_runs_and_before_all_others():
    written = datetime.fromisoformat(SAID["written"])
    for name, begun, ended, _ in runs():
        assert (ended <= written) if name in SAID["fitted to"] else (begun >= written), name


def test_the_page_shows_every_forecast_beside_what_was_measured():
    page = (ROOT / "docs" / "forecast.md").read_text(encoding="utf-8")
    losses = {name: loss for name, *_, loss in runs()}
    assert len(SAID["forecasts"]) >= 5
    for name, said in SAID["forecasts"].items():
        [row] = re.findall(rf"^\| {re.escape(name)} +\|.*\|$", page, flags=re.MULTILINE)
        assert f"{said['loss'][-1]:.4f} |" in row, name
        assert f"{losses[name]:.4f} |" in row, name
