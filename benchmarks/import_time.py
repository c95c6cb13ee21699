"""What `import ratesmith` costs over a bare interpreter, beside what it does without: NumPy and torch.

Each line is a fresh interpreter; they take turns, and the fastest of the rounds counts.

    python benchmarks/import_time.py [--rounds 15]
"""

import argparse
import platform
import subprocess
import sys
import time

CODES = {"bare interpreter": "pass", **{f"import {name}": f"import {name}" for name in ("ratesmith", "numpy", "torch")}}


def seconds(code: str) -> float:
    """Time a fresh interpreter that runs the code."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-I", "-c", code], check=True)
    return time.perf_counter() - began


def main() -> None:
    """Time all by turns, and print what each costs over the bare interpreter."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    best = dict.fromkeys(CODES, float("inf"))
    for _ in range(rounds):
        for name, code in CODES.items():
            best[name] = min(best[name], seconds(code))
    bare, ours = best["bare interpreter"], best["import ratesmith"] - best["bare interpreter"]
    print(f"Python {platform.python_version()}, fastest of {rounds} rounds")
    for name, least in best.items():
        over = least - bare
        print(f"{name}: {1000 * over:.0f} ms over the bare interpreter, {over / ours:.1f} x import ratesmith")


if __name__ == "__main__":
    main()
