"""The Dockerfile's install lines in a clean environment, and `mlflow run`."""

import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import SWATH
from support.server import MLFLOW

ROOT = Path(__file__).resolve().parents[2]


def install_lines() -> list[list[str]]:
    """The commands that the Dockerfile runs, without their beginning `python`."""
    lines = re.findall(r"^RUN (python .*)$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    return [shlex.split(line)[1:] for line in lines]


@pytest.mark.skipif(
    not os.environ.get("SWATH_TEST_INSTALL"),
    reason="takes two minutes; SWATH_TEST_INSTALL=1 runs it, as CI does",
)
def test_install_lines_of_the_dockerfile_give_a_working_command(tmp_path: Path) -> None:
    assert len(install_lines()) == 2
    source = tmp_path / "source"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(source)], check=True)
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    for arguments in install_lines():
        kept = [
            argument for argument in arguments if argument != "--no-cache-dir"
        ]  # the image needs no cache
        done = subprocess.run(
            [str(python), *kept], cwd=source, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
    work = tmp_path / "work"
    work.mkdir()
    done = subprocess.run(
        [str(python.with_name("swath")), "data=digits", "max_steps=5"],
        cwd=work,
        env={**environment, "SWATH_POSTPROCESS": "off"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Test accuracy" in done.stdout


def test_mlflow_run_starts_a_sweep(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    shutil.copy(ROOT / "MLproject", project)
    done = subprocess.run(
        [str(MLFLOW), "run", ".", "--env-manager", "local", "-P", "overrides=-m data=digits max_steps=3,5"],
        cwd=project,
        env={**os.environ, "PATH": f"{SWATH.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "MLFLOW_RUN_ID is not used" in done.stderr
    with sqlite3.connect(project / "mlflow.db") as database:
        kinds = database.execute("select value from tags where key = 'swath.kind'").fetchall()
    assert sorted(kind for (kind,) in kinds) == ["run", "run", "sweep"]
