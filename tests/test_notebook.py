"""The example notebook runs from top to bottom, and shows what it promises."""

import os
from pathlib import Path

import pytest

pytest.importorskip("sklearn")
nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")

NOTEBOOK = Path(__file__).parents[1] / "examples" / "notebook.ipynb"


def kinds(cell):
    return {kind for output in cell.outputs for kind in output.get("data", {})}


@pytest.mark.filterwarnings("ignore")  # of the kernel, which is another process
def test_the_notebook_runs_and_shows_its_pictures_and_tables(tmp_path, monkeypatch):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    source = Path(__file__).parents[1] / "src"
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(source), os.environ.get("PYTHONPATH", "")]))
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    schedule, result, comparison = (cell for cell in notebook.cells if cell.cell_type == "code" and kinds(cell))
    assert "image/svg+xml" in kinds(schedule)
    for cell in (result, comparison):
        [shown] = [output["data"] for output in cell.outputs if output.output_type == "execute_result"]
        assert "<svg" in shown["text/html"]
        assert len(shown["text/plain"]) < 120
    assert "<table>" in shown["text/html"]
    assert (tmp_path / "comparison.png").stat().st_size > 10_000


def test_the_notebook_that_is_kept_has_run_without_an_error():
    cells = [cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"]
