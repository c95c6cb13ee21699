"""Draw the pictures of the first pages, and run the notebook that is kept with what it shows.

They come from the demo's own comparison and from the search for its rate, so that anybody can make them again, with
what `dev.py test` installs: .venv/bin/python docs/pictures/draw.py
"""

import itertools
import sys
import tempfile
from pathlib import Path

import matplotlib as mpl
import nbclient
import nbformat

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
    keep_notebook(ROOT / "examples" / "notebook.ipynb")


def keep_notebook(path: Path) -> None:
    """Run a notebook in an empty folder, and keep it with its output."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times, which differ in each run
        for output in cell.get("outputs", []):
            output.get("metadata", {}).clear()
    nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
