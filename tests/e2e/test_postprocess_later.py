"""When plots, report and model are made: before the command ends, unless a terminal outlives it."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from support.command import PATCHED, SWATH, error_lines, swath, swath_compare
from support.stores import open_read_only
from support.terminal import run_in_terminal
from support.waiting import started, wait_for

from swath.cli import postprocess_time

GRID = ("-m", "data=digits", "max_steps=5", "learning_rate=1e-6,1e-5")
IN_BACKGROUND = "in the background"
BATCH = dict.fromkeys(postprocess_time.BATCH_VARIABLES, "")


def tag(folder: Path, name: str) -> str | None:
    with contextlib.closing(open_read_only(folder)) as database:
        row = database.execute("select value from tags where key = ?", (name,)).fetchone()
    return None if row is None else row[0]


def sweep_id(folder: Path) -> str:
    found = tag(folder, "swath.sweep_id")
    assert found is not None
    return found


def change(folder: Path, statement: str, *values: object) -> None:
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db", timeout=60)) as database, database:
        assert database.execute(statement, values).rowcount > 0


def end_long_ago(folder: Path) -> None:
    change(folder, "update runs set end_time = end_time - 600000")


def made(folder: Path) -> set[str]:
    """Kinds of what postprocessing has made."""
    names = {path.name for path in (folder / "mlruns").rglob("*") if path.is_file()}
    found = {"report.html", "MLmodel"} & names
    return found | (
        {"plots"} if any(name.endswith(".png") and name != "weights.png" for name in names) else set()
    )


EVERYTHING = {"report.html", "MLmodel", "plots"}


@pytest.fixture
def default_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Postprocessing happens when it does for a user."""
    monkeypatch.delenv("SWATH_POSTPROCESS", raising=False)


class _Stream:
    def __init__(self, is_terminal: bool) -> None:
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal


@pytest.mark.parametrize(
    ("is_terminal", "variables", "container", "expected"),
    [
        (True, {}, False, True),
        (False, {}, False, False),
        (True, {}, True, False),
        *[(True, {name: "1"}, False, False) for name in postprocess_time.BATCH_VARIABLES],
        (True, {"CI": ""}, False, True),
        (True, {"CI": "true"}, False, False),
    ],
)
def test_only_a_terminal_outlives_a_command(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_terminal: bool,
    variables: dict[str, str],
    container: bool,
    expected: bool,
) -> None:
    for name in postprocess_time.BATCH_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    marker = tmp_path / "dockerenv"
    if container:
        marker.touch()
    monkeypatch.setattr(postprocess_time, "CONTAINER_FILES", (str(marker),))
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", _Stream(is_terminal))
        found = postprocess_time.outlives_command()
        patch.setattr("sys.stdout", None)
        assert not postprocess_time.outlives_command()
    assert found is expected


@pytest.mark.usefixtures("default_time")
def test_without_a_terminal_everything_is_there_when_the_command_ends(tmp_path: Path) -> None:
    done = subprocess.run([str(SWATH), *GRID], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert made(tmp_path) == EVERYTHING
    assert tag(tmp_path, "swath.afterwards") == "done"
    assert "Added to the store: plots and models." in done.stderr
    assert IN_BACKGROUND not in done.stderr


def in_terminal(folder: Path, **environment: str) -> str:
    """Train a sweep in a terminal that is not that of a container; returns what was printed."""
    patch = "from swath.cli import postprocess_time; postprocess_time.CONTAINER_FILES = ()"
    command = ("-c", PATCHED.format(patch=patch), *GRID)
    status, text = run_in_terminal(Path(sys.executable), folder, 200, *command, **{**BATCH, **environment})
    assert status == 0
    return text


@pytest.mark.usefixtures("default_time")
def test_in_a_terminal_it_happens_in_the_background(tmp_path: Path) -> None:
    assert IN_BACKGROUND in in_terminal(tmp_path)
    wait_for(lambda: tag(tmp_path, "swath.afterwards") == "done")
    assert made(tmp_path) == EVERYTHING


@pytest.mark.usefixtures("default_time")
@pytest.mark.parametrize("variable", ["CI", "SLURM_JOB_ID"])
def test_in_a_terminal_of_a_job_it_happens_before_the_command_ends(tmp_path: Path, variable: str) -> None:
    assert IN_BACKGROUND not in in_terminal(tmp_path, **{variable: "1"})
    assert made(tmp_path) == EVERYTHING


@pytest.fixture(scope="module")
def unprocessed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a sweep without postprocessing."""
    folder = tmp_path_factory.mktemp("unprocessed")
    assert "SWATH_POSTPROCESS" in os.environ
    done = swath(folder, *GRID)
    assert done.returncode == 0, done.stderr
    assert made(folder) == set()
    return folder


def test_compare_notices_what_is_missing_and_makes_it(unprocessed: Path) -> None:
    identity = sweep_id(unprocessed)
    hint = f"make them with: swath-compare {identity} --postprocess"
    fresh = swath_compare(unprocessed, identity)
    assert fresh.returncode == 0
    assert "--postprocess" not in fresh.stderr  # it may still be running
    end_long_ago(unprocessed)
    late = swath_compare(unprocessed, identity)
    assert f"This sweep has no plots and no model yet; {hint}" in late.stderr.splitlines()

    change(
        unprocessed,
        "insert into tags (run_uuid, key, value) select run_uuid, 'swath.afterwards', 'no space for plots' "
        "from tags where key = 'swath.kind' and value = 'sweep'",
    )
    faulty = swath_compare(unprocessed, identity)
    assert (
        f"Not all plots and models could be made (no space for plots); {hint}" in faulty.stderr.splitlines()
    )

    made_now = swath_compare(unprocessed, identity, "--postprocess")
    assert made_now.returncode == 0, made_now.stderr
    assert made_now.stdout == ""
    assert made_now.stderr.splitlines() == [
        f"Added to the store: plots, report and model of sweep ad-hoc {identity}."
    ]
    assert made(unprocessed) == EVERYTHING
    after = swath_compare(unprocessed, identity)
    assert "--postprocess" not in after.stderr
    assert after.stdout == late.stdout
    again = swath_compare(unprocessed, identity, "--postprocess")
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--postprocess"], "--postprocess: requires a sweep; list sweeps with: swath-compare"),
        (["ad-hoc", "--postprocess", "--sort", "rank"], "--postprocess applies to one sweep"),
        (["ad-hoc", "--postprocess", "--yes"], "--postprocess applies to one sweep"),
        (["--diff", "a", "b", "--postprocess"], "--postprocess applies to one sweep"),
    ],
)
def test_postprocess_is_for_one_sweep(tmp_path: Path, arguments: list[str], line: str) -> None:
    done = swath_compare(tmp_path, *arguments)
    assert done.returncode == 2
    (found,) = error_lines(done.stderr, "swath-compare")
    assert line in found


SLOW = """
import pathlib, sys, time
def draw(*_, **__):
    pathlib.Path("drawing").touch()
    time.sleep(300)
if "swath.sweeps.tracking_process" in sys.orig_argv:
    import swath.plotting
    swath.plotting.draw_sweep = draw
"""


def test_ctrl_c_ends_postprocessing_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = tmp_path / "places"
    places.mkdir()
    (places / "sitecustomize.py").write_text(SLOW)
    monkeypatch.setenv("PYTHONPATH", str(places))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    with started(tmp_path, *GRID, "tracking.postprocess=wait") as command:
        wait_for(lambda: (tmp_path / "drawing").exists())
        children = psutil.Process(command.pid).children(recursive=True)
        os.killpg(command.pid, signal.SIGINT)
        _, errors = command.communicate(timeout=30)
    assert command.returncode == 130
    assert "Interrupted: not all plots and models are there; make them with: swath-compare" in errors
    assert "Best: " in errors
    assert error_lines(errors) == []
    _, alive = psutil.wait_procs(children, 10)
    assert alive == []
    assert list(temporary.iterdir()) == []
    monkeypatch.delenv("PYTHONPATH")
    assert swath_compare(tmp_path, sweep_id(tmp_path), "--postprocess").returncode == 0
    assert made(tmp_path) == EVERYTHING


def test_error_of_postprocessing_is_reported_and_kept(tmp_path: Path) -> None:
    broken = (
        "import swath.plotting\ndef fail(*_): raise OSError('no fonts')\nswath.plotting.draw_sweep = fail"
    )
    done = swath(tmp_path, *GRID, "tracking.postprocess=wait", SWATH_TEST_TRACKING_PATCH=broken)
    assert done.returncode == 1
    (line,) = error_lines(done.stderr)
    assert "could not create all plots and models" in line
    assert "no fonts" in line
    end_long_ago(tmp_path)
    shown = swath_compare(tmp_path, "ad-hoc")
    assert shown.returncode == 0
    assert "no fonts" in shown.stderr
    assert "--postprocess" in shown.stderr
    assert made(tmp_path) == {"MLmodel"}
    repaired = swath_compare(tmp_path, "ad-hoc", "--postprocess")
    assert repaired.returncode == 0, repaired.stderr
    assert made(tmp_path) == EVERYTHING
    assert "no fonts" not in swath_compare(tmp_path, "ad-hoc").stderr
