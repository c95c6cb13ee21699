"""A comparison of a script whose processes are killed again and again, against the same one undisturbed.

The script of tests/experiment/reporting_script.py saves states, so its runs share beginnings. At random moments, drawn
by a seed, the driver, a worker or a running script gets SIGKILL. The same command is given again whenever there is no
driver. At the end the tables, the measurements of all runs and the processes that are left are looked at. Linux alone:
processes are told by their environment in /proc.

    python benchmarks/compare/killed.py [--kills 20] [--seed 0]
"""

import argparse
import collections
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SCRIPT = str(ROOT / "tests" / "experiment" / "reporting_script.py")
VICTIMS = ("driver", "worker", "script")
MARK = "RATESMITH_KILLED"
LONGEST_PAUSE = 3.0
"""Seconds between two kills, at most."""
END_SECONDS = 30.0
"""How long what a killed driver leaves may take to notice and to end."""
MOST_COMMANDS = 5
"""How often the command is given at the end until it succeeds."""


class Comparison:
    """A comparison in a folder, by the real command; its processes are known by a mark in their environment."""

    def __init__(self, folder: Path) -> None:
        """Begin nothing yet."""
        self.folder, self.mark, self.commands = folder, uuid.uuid4().hex, 0
        self.driver: subprocess.Popen[str] | None = None
        self.status: int | None = None
        """That of the last command, once it has ended."""

    def start(self) -> None:
        """Run the command."""
        strategies = ['wsd(decay=["20%", "40%"])', 'step(every="50%")', "plateau(factor=0.5, patience=0)", "cosine()"]
        options = [part for strategy in strategies for part in ("--strategy", strategy)]
        options += ["--rates", "0.1,0.6", "--seeds", "5", "--choice-seeds", "2", "--workers", "2", "--quiet"]
        trace = ["--trace", str(self.folder.with_suffix(".trace"))]
        command = ["-m", "ratesmith", "compare", SCRIPT, *options, "--out", str(self.folder), "--"]
        self.driver = subprocess.Popen(
            [sys.executable, *command, "--do", "slow and share", *trace],
            env={**os.environ, MARK: self.mark},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.commands += 1

    def finish(self) -> int:
        """Wait for the command's end, and return its status."""
        assert self.driver is not None
        shown, _ = self.driver.communicate()
        if self.driver.returncode > 0:
            print(f"status {self.driver.returncode}: {shown.strip()}", flush=True)
        self.status, self.driver = self.driver.returncode, None
        return self.status

    def processes(self) -> dict[int, str]:
        """Return what lives of it: what each process is, by its id."""
        mark, processes = f"{MARK}={self.mark}".encode(), {}
        for entry in Path("/proc").iterdir():
            try:
                if not entry.name.isdigit() or mark not in (entry / "environ").read_bytes().split(b"\0"):
                    continue
                words = (entry / "cmdline").read_bytes().decode().split("\0")
            except OSError:  # it has just ended
                continue
            processes[int(entry.name)] = _kind(words)
        return processes

    def everything(self) -> dict[str, Any]:
        """Return what must be as undisturbed: the table's estimates, and the measurements of all runs."""
        rows = json.loads((self.folder / "results.json").read_text())["rows"]
        file = self.folder.with_suffix(".jsonl")
        export = [sys.executable, "-m", "ratesmith", "study", "export", str(self.folder), str(file)]
        subprocess.run(export, check=True, capture_output=True)
        return {
            "estimates": [[row["chosen"], row["base_lr"], row["estimates"], row["difference"]] for row in rows],
            "measurements": sorted(file.read_text().splitlines()),
        }

    def trained(self) -> int:
        """Return how often the script was started."""
        return len(self.folder.with_suffix(".trace").read_text().splitlines())


def _kind(words: list[str]) -> str:
    if any("spawn_main" in word for word in words):
        return "worker"
    if "compare" in words:
        return "driver"
    return "script" if SCRIPT in words else "helper"


def disturb(comparison: Comparison, kills: int, order: random.Random) -> tuple[collections.Counter[str], int]:
    """Kill so often; return how often what was killed, and how many processes a killed driver has left for good."""
    killed: collections.Counter[str] = collections.Counter()
    orphans = 0
    while sum(killed.values()) < kills:
        if comparison.driver is not None and comparison.driver.poll() is not None and comparison.finish() == 0:
            print(f"it came to its end after {sum(killed.values())} kills")
            break
        if comparison.driver is None:
            comparison.start()
        victim, pause = order.choice(VICTIMS), order.uniform(0.2, LONGEST_PAUSE)
        time.sleep(pause)
        pids = sorted(pid for pid, kind in comparison.processes().items() if kind == victim)
        if not pids:
            continue
        os.kill(order.choice(pids), signal.SIGKILL)
        killed[victim] += 1
        print(f"{sum(killed.values()):3}. {victim}, after {pause:.1f} s", flush=True)
        if victim == "driver":
            comparison.finish()
            orphans += left(comparison)
    return killed, orphans


def left(comparison: Comparison) -> int:
    """Return how many processes are left when there is no driver, once they have had time to notice."""
    until = time.monotonic() + END_SECONDS
    while (processes := comparison.processes()) and time.monotonic() < until:
        time.sleep(0.1)
    for pid, kind in processes.items():
        print(f"left: {kind} {pid}")
    return len(processes)


def main() -> None:
    """Compare undisturbed and disturbed, and print what differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        whole, disturbed = Comparison(Path(folder) / "whole"), Comparison(Path(folder) / "disturbed")
        began = time.monotonic()
        whole.start()
        if whole.finish():
            sys.exit("the undisturbed comparison did not succeed")
        print(f"undisturbed: {time.monotonic() - began:.0f} s, the script was started {whole.trained()} times")
        began = time.monotonic()
        killed, orphans = disturb(disturbed, given.kills, random.Random(given.seed))
        while disturbed.driver is not None or (disturbed.status and disturbed.commands < given.kills + MOST_COMMANDS):
            if disturbed.driver is None:
                disturbed.start()
            disturbed.finish()
        orphans += left(disturbed)
        print(
            f"killed: {', '.join(f'{kind} {killed[kind]}' for kind in VICTIMS)}; the command was given "
            f"{disturbed.commands} times, the script started {disturbed.trained()} times, "
            f"{time.monotonic() - began:.0f} s; the last status is {disturbed.status}"
        )
        expected, got = whole.everything(), disturbed.everything()
        same = {name: got[name] == expected[name] for name in expected}
        differing = len(set(got["measurements"]) ^ set(expected["measurements"]))
        print(
            f"the table's estimates are {'the same' if same['estimates'] else 'OTHERS'}; of "
            f"{len(expected['measurements'])} measurements {differing} differ; {orphans} processes were left"
        )
        if not all(same.values()) or orphans or disturbed.status:
            sys.exit(1)


if __name__ == "__main__":
    main()
