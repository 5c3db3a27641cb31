"""Python blocks of the documents, run as they stand; and what a Makefile ignores of the environment."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks_of(path: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), flags=re.DOTALL)


WITH_BLOCKS = [path for path in PAGES if path.name != "python.md" and blocks_of(path)]


def test_documents_show_python() -> None:
    assert [path.name for path in WITH_BLOCKS] == ["README.md", "notebook.md"]


@pytest.mark.parametrize("path", WITH_BLOCKS, ids=lambda path: path.name)
def test_python_block_of_a_document_runs(path: Path, tmp_path: Path) -> None:
    code = "\n".join(blocks_of(path))
    environment = {**os.environ, "SWATH_POSTPROCESS": "off"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "mlflow.db").is_file()


def test_make_installs_into_its_own_environment_whatever_pip_is_told() -> None:
    (line,) = re.findall(r"^unexport (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert "PIP_USER" in line.split()
    shown = subprocess.run(
        ["make", "--no-print-directory", "-f", "Makefile", "--eval", "shown: ; @env", "shown"],
        cwd=ROOT,
        env={**os.environ, "PIP_USER": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "PATH=" in shown.stdout
    assert "PIP_USER" not in shown.stdout
