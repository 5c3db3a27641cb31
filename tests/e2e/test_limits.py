"""Sweeps at their limits: a full disk, a read-only folder, no finished run, many configurations."""

import sqlite3
import subprocess
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from support.command import SWATH, error_lines, swath, swath_compare

SWEEP = ["-m", "data=digits", "batch_size=10", "learning_rate=1e-7,1e-6,1e-5", "seed=range(3)"]


def statuses(folder: Path) -> dict[str, int]:
    with sqlite3.connect(folder / "mlflow.db") as database:
        of_sweeps = "select run_uuid from tags where key = 'swath.kind' and value = 'sweep'"
        counted = f"select status, count(*) from runs where run_uuid not in ({of_sweeps}) group by status"
        return dict(database.execute(counted))


def test_full_disk_leaves_earlier_runs_readable(tmp_path: Path) -> None:
    assert swath(tmp_path, "data=digits", "max_steps=30").returncode == 0
    (before,) = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").search_runs(["1"])
    full_kb = (tmp_path / "mlflow.db").stat().st_size // 1024 + 500
    # A limit on the file size replaces a full disk: the same writes fail.
    command = f"ulimit -f {full_kb}; exec {SWATH} " + " ".join(
        f"'{word}'" for word in [*SWEEP, "max_steps=1000"]
    )
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 1
    # The end of the summary run needs only a few bytes, which may still fit.
    unstored = ["swath: the summary run could not be stored: MLflow: disk I/O error"]
    assert error_lines(done.stderr) in ([], unstored)
    lines = done.stderr.splitlines()
    assert "FAILED 9 configurations: MLflow: disk I/O error" in lines
    assert any(line.startswith("0 of 9 runs finished") for line in lines)
    assert done.stdout == ""
    found = statuses(tmp_path)
    assert found.pop("FINISHED") == 1
    # On a full disk, the end of a run may not be stored.
    assert set(found) <= {"FAILED", "KILLED", "RUNNING"}
    assert swath_compare(tmp_path, "--close-stale").returncode == 0
    assert set(statuses(tmp_path)) <= {"FAILED", "KILLED", "FINISHED"}
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    assert client.get_run(before.info.run_id).to_dictionary() == before.to_dictionary()
    assert len(client.get_metric_history(before.info.run_id, "train/loss")) == 30


@pytest.mark.skipif(not Path("/sys").is_dir(), reason="needs /sys, a folder that cannot be written")
def test_read_only_folder_is_reported_in_one_line() -> None:
    done = swath(Path("/sys"), "data=digits", "max_steps=5")
    assert done.returncode == 2
    assert error_lines(done.stderr) == [
        "swath: the working folder /sys cannot be written; run the command in another one, or keep Hydra's "
        "files elsewhere: hydra.run.dir=FOLDER"
    ]


def test_read_only_folder_of_the_store_is_reported_in_one_line(tmp_path: Path) -> None:
    done = swath(Path("/sys"), "data=digits", "max_steps=5", f"hydra.run.dir={tmp_path}")
    assert done.returncode == 1
    (line,) = error_lines(done.stderr)
    assert line.startswith(
        "swath: the store sqlite:///mlflow.db cannot be opened or made in /sys (Permission denied); run"
    )


@pytest.mark.parametrize("max_lanes", ["0", "-1", "1.5", "many"])
def test_max_lanes_below_1_is_refused(tmp_path: Path, max_lanes: str) -> None:
    done = swath(tmp_path, *SWEEP, f"lanes.max={max_lanes}")
    assert done.returncode == 2
    assert done.stderr == f"swath: lanes.max={max_lanes}: expected a whole number of lanes from 1 up\n"
    assert list(tmp_path.iterdir()) == []


def test_sweep_of_one_configuration_works(tmp_path: Path) -> None:
    done = swath(tmp_path, "-m", "data=digits", "max_steps=20")
    assert done.returncode == 0
    assert any(line.startswith("1 of 1 runs finished") for line in done.stderr.splitlines())
    assert len(done.stdout.splitlines()) == 2
    assert statuses(tmp_path) == {"FINISHED": 1}


def test_sweep_in_which_every_run_fails(tmp_path: Path) -> None:
    done = swath(tmp_path, "-m", "data=digits", "max_steps=20", "learning_rate=1e36,2e36,3e36")
    assert done.returncode == 1
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert sum(line.startswith("FAILED learning_rate=") and "(run " in line for line in lines) == 3
    assert any(line.startswith("0 of 3 runs finished") for line in lines)
    assert not any(line.startswith("Best: ") for line in lines)
    assert lines[-1].startswith("See it: ")
    assert statuses(tmp_path) == {"FAILED": 3}


def test_configurations_with_different_programs_are_in_different_groups(tmp_path: Path) -> None:
    arguments = ["-m", "data=digits,digits", "seed=0,1", "batch_size=7,8", "preprocessing=none,standardize"]
    done = swath(tmp_path, *arguments, "max_steps=5", "evaluate_every_steps=0,2")
    assert done.returncode == 0, done.stderr
    assert statuses(tmp_path) == {"FINISHED": 32}


@pytest.mark.parametrize("streams", ["", "2>&1"], ids=["standard output", "both streams"])
def test_closed_output_pipe_does_not_stop_the_training(tmp_path: Path, streams: str) -> None:
    command = f"{SWATH} -m data=digits max_steps=20 learning_rate=1e36,1e-7,1e-6 {streams} | head -n 1"
    subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, timeout=300, check=False)
    assert statuses(tmp_path) == {"FINISHED": 2, "FAILED": 1}


COUNT_COMPOSITIONS = """
import hydra._internal.config_loader_impl as loading, hydra.core.utils as utils
composed = []
original = loading.ConfigLoaderImpl._load_configuration_impl
def counted(self, *arguments, **named):
    composed.append(1)
    return original(self, *arguments, **named)
loading.ConfigLoaderImpl._load_configuration_impl = counted
import atexit, os
leave = os._exit
os._exit = lambda status: (print("composed", len(composed), flush=True), leave(status))
"""


def test_many_configurations_need_few_compositions(tmp_path: Path) -> None:
    arguments = ["-m", "data=digits", "max_steps=1", "batch_size=5"]
    rates = ",".join(f"{1e-7 * (1 + number / 100):.4g}" for number in range(120))
    done = swath(tmp_path, *arguments, f"learning_rate={rates}", patch=COUNT_COMPOSITIONS)
    assert done.returncode == 0, done.stderr
    assert any(line.startswith("120 of 120 runs finished") for line in done.stderr.splitlines())
    lines = done.stdout.splitlines()
    assert int(lines[-1].removeprefix("composed ")) < 10
    assert len(list((tmp_path / "multirun").glob("*/*/*/.hydra/overrides.yaml"))) == 120
    assert [line.split()[0] for line in lines[:-1]] == ["rank", *map(str, range(1, 121))], "all runs"
