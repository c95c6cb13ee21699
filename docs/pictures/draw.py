"""Draw the pictures of the first pages: python docs/pictures/draw.py, with the extras compare, plot, torch and demo.

They come from the demo's own comparison and from the search for its rate, so that anybody can make them again.
"""

import itertools
import sys
import tempfile
from pathlib import Path

import matplotlib as mpl

import ratesmith

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TASK = f"{ROOT / 'examples' / 'digits.py'}:task"


def main() -> None:
    """Find, compare, and write one picture of each."""
    sys.path.insert(0, str(ROOT))
    from dev import DEMO

    mpl.rcParams["svg.hashsalt"] = "ratesmith"  # the same picture is the same file
    mpl.rcParams["svg.fonttype"] = "path"
    result = ratesmith.find(TASK)
    print(result)
    result.plot().savefig(HERE / "find.svg", metadata={"Date": None})
    strategies = [text for option, text in itertools.pairwise(DEMO) if option == "--strategy"]
    with tempfile.TemporaryDirectory() as folder:
        comparison = ratesmith.compare(TASK, strategies, steps="10ep", seeds=8, workers=2, folder=folder)
    print(comparison.verdict())
    comparison.plot().savefig(HERE / "compare.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
