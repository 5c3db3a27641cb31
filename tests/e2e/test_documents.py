"""Python blocks of the documents, run as they stand; and what a Makefile ignores of the environment."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import swath, swath_reproduce
from support.pictures import write_pictures

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks_of(path: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), flags=re.DOTALL)


WITH_BLOCKS = [path for path in PAGES if path.name != "python.md" and blocks_of(path)]


def test_documents_show_python() -> None:
    assert [path.name for path in WITH_BLOCKS] == [
        "README.md",
        "images.md",
        "notebook.md",
        "own-data.md",
        "own-model.md",
        "search.md",
    ]


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
    assert (tmp_path / "mlflow.db").is_file() == ("swath" in code)


def test_commands_of_the_page_on_own_images_run_in_their_order(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures", {"cats": 60, "dogs": 120, "owls": 200})
    text = (ROOT / "docs" / "how-to" / "images.md").read_text(encoding="utf-8")
    commands = {"swath": swath, "swath-reproduce": swath_reproduce}
    for language, block in re.findall(r"```(sh|python)\n(.*?)```", text, flags=re.DOTALL):
        if language == "python":
            subprocess.run([sys.executable, "-c", block], cwd=tmp_path, check=True)
            continue
        for line in block.splitlines():
            name, *arguments = shlex.split(line, comments=True)
            done = commands[name](tmp_path, *arguments)
            assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"


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
