"""The notebook in examples/, executed; and swath in a kernel of another environment."""

from pathlib import Path
from typing import Any

import pytest
from support.command import swath

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "learning_rate.ipynb"


def executed(notebook: Any, folder: Path) -> Any:
    """A notebook after its execution in a folder, by a kernel of this environment."""
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return notebook


def outputs_of(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def test_the_example_runs_and_shows_what_it_shows_in_the_repository(tmp_path: Path) -> None:
    stored = nbformat.read(NOTEBOOK, 4)
    found = executed(nbformat.read(NOTEBOOK, 4), tmp_path)
    shown = [output for output in outputs_of(found) if output.output_type != "stream"]
    kept = outputs_of(stored)
    assert [output.output_type for output in shown] == [output.output_type for output in kept]
    assert [sorted(output.data) for output in shown] == [sorted(output.data) for output in kept]
    html = shown[0].data["text/html"]
    assert "Best: learning_rate=" in html
    assert "data:image/png;base64," in html
    assert "image/png" in shown[3].data
    assert shown[-1].data["text/plain"] == "'identical, bit for bit'"
    assert (tmp_path / "mlflow.db").is_file()


def test_the_example_in_the_repository_names_no_folder_of_a_machine() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert not [place for place in ("/home/", "/tmp/", "/root", "site-packages") if place in text]
    assert all(cell.execution_count for cell in nbformat.read(NOTEBOOK, 4).cells if cell.cell_type == "code")


def test_command_works_from_a_kernel_of_another_environment(tmp_path: Path) -> None:
    done = swath(
        tmp_path, "data=digits", "max_steps=5", real=True, MPLBACKEND="module://matplotlib_inline.nowhere"
    )
    assert done.returncode == 0, done.stderr
