"""Resume of interrupted, extended and failed sweeps."""

import json
import os
import signal
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest
from support.command import error_lines, swath, swath_compare
from support.stores import orphans, whole_store
from support.waiting import has_steps, query_store, running, wait_for

DIGITS = ("-m", "data=digits", "data.validation_size=300")
GRID = (*DIGITS, "batch_size=20,50", "learning_rate=1e-7,1e-6,1e36", "evaluate_every_steps=20")
LONG = (*DIGITS, "batch_size=20,50", "learning_rate=1e-7,1e-6")


def differences(found: dict[str, object], expected: dict[str, object]) -> list[str]:
    return [key for key in {**found, **expected} if found.get(key) != expected.get(key)]


def runs_with_steps(folder: Path) -> int:
    query = "select count(distinct run_uuid) from latest_metrics where key = 'train/loss'"
    return sum(int(str(count)) for (count,) in query_store(folder, query))


def summary_run_id(folder: Path) -> object:
    ((run_id,),) = query_store(
        folder, "select run_uuid from tags where key = 'swath.kind' and value = 'sweep'"
    )
    return run_id


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[str]]:
    """A sweep, and the same sweep in three commands: fewer values, more values, longer runs."""
    reference, parts = (tmp_path_factory.mktemp(name) for name in ("whole", "parts"))
    assert swath(reference, *GRID, "max_steps=30,75,200").returncode == 1
    messages = []
    for arguments in (
        ("learning_rate=1e-7,1e36", "max_steps=30", "resume=true"),
        ("learning_rate=1e-7,1e-6,1e36", "max_steps=30,75", "resume=yes"),
        ("learning_rate=1e-7,1e-6,1e36", "max_steps=30,75,200", "resume=true"),
    ):
        done = swath(
            parts, *(override for override in GRID if not override.startswith("learning_rate")), *arguments
        )
        assert done.returncode == 1, done.stderr
        messages.append(next(line for line in done.stderr.splitlines() if line.startswith("Resume:")))
    return reference, parts, messages


def test_extended_sweep_stores_the_same_as_a_complete_one(
    extended: tuple[Path, Path, list[str]],
) -> None:
    reference, parts, _ = extended
    assert differences(whole_store(parts), whole_store(reference)) == []
    assert orphans(parts) == []


def test_extended_sweep_reuses_finished_runs(extended: tuple[Path, Path, list[str]]) -> None:
    first, second, third = extended[2]
    assert first == "Resume: 4 new."
    # 1e36 diverges, so it has not finished; it restarts in its previous run.
    assert second == "Resume: 2 already done, 6 new, 2 restarted, 2 resumed."
    assert third == "Resume: 8 already done, 2 new, 4 restarted, 4 resumed."


def test_longer_run_continues_from_the_end_of_a_shorter_one(tmp_path: Path) -> None:
    patch = """
import swath.training.lane_training as train
advance = train.LaneTraining.advance
def counted(self, span):
    print("trained", span.first, span.end)
    return advance(self, span)
train.LaneTraining.advance = counted
"""
    arguments = (*DIGITS, "batch_size=50", "learning_rate=1e-6")
    assert swath(tmp_path, *arguments, "max_steps=100").returncode == 0
    done = swath(tmp_path, *arguments, "max_steps=100,160", "resume=true", patch=patch)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("trained")] == ["trained 100 160"]


def test_longer_run_of_a_thinned_one_starts_from_step_0(tmp_path: Path) -> None:
    arguments = (*DIGITS, "batch_size=50", "learning_rate=1e-6", "tracking.every_steps=7")
    assert swath(tmp_path, *arguments, "max_steps=40").returncode == 0
    done = swath(tmp_path, *arguments, "max_steps=40,90", "resume=true")
    assert "Resume: 1 already done, 1 new." in done.stderr.splitlines()
    steps = query_store(
        tmp_path,
        "select step from metrics join params using (run_uuid) where metrics.key = 'train/loss' "
        "and params.key = 'max_steps' and params.value = '90' order by step",
    )
    assert [step for (step,) in steps] == [*range(0, 90, 7), 89]


def test_interrupted_single_run_resumes(tmp_path: Path) -> None:
    arguments = ("data=digits", "batch_size=50", "max_steps=3000000", "learning_rate=1e-6")
    with running(tmp_path, *arguments) as process:
        wait_for(lambda: has_steps(tmp_path))
        os.killpg(process.pid, signal.SIGKILL)
    with running(tmp_path, *arguments, "resume=true") as process:
        wait_for(lambda: bool(query_store(tmp_path, "select 1 from tags where key = 'swath.resumed'")))
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert query_store(tmp_path, "select status from runs") == [("KILLED",)]
    assert query_store(tmp_path, "select value from tags where key = 'swath.resumed'") == [("1",)]
    assert query_store(
        tmp_path, "select count(*) - count(distinct step) from metrics where key = 'train/loss'"
    ) == [(0,)]


def test_resume_refuses_environment_changes_that_affect_results(tmp_path: Path) -> None:
    arguments = (*DIGITS, "batch_size=50", "max_steps=20")
    assert swath(tmp_path, *arguments, "learning_rate=1e-7").returncode == 0
    (path,) = (tmp_path / "mlruns").glob("*/*/artifacts/sweep-manifest.json")
    manifest = json.loads(path.read_text())
    manifest["facts"] |= {"swath.tensorflow": "2.20.0", "swath.numpy": "2.0.0"}
    path.unlink()
    path.with_name("manifest.json").write_text(json.dumps(manifest))  # where version 0.1 had it
    before = whole_store(tmp_path)
    refused = swath(tmp_path, *arguments, "learning_rate=1e-7,1e-6", "resume=true")
    assert refused.returncode == 1
    (line,) = error_lines(refused.stderr)
    assert line.startswith("swath: changed since this sweep started: TensorFlow: 2.20.0, now 2.")
    assert line.endswith("start a new sweep without resume, or add force_resume=true to resume anyway")
    assert whole_store(tmp_path) == before
    done = swath(tmp_path, *arguments, "learning_rate=1e-7,1e-6", "resume=yes", "force_resume=true")
    assert done.returncode == 0, done.stderr
    assert "changed since it started: NumPy: 2.0.0, now " in done.stderr
    manifest = json.loads(path.read_text())
    assert [entry["swath.tensorflow"] for entry in manifest["earlier"]] == ["2.20.0"]
    assert len(manifest["configurations"]) == 2


def test_resume_failed_restarts_only_failed_runs(tmp_path: Path) -> None:
    arguments = (*DIGITS, "batch_size=50", "max_steps=20")
    assert swath(tmp_path, *arguments, "learning_rate=1e-7,1e36").returncode == 1
    done = swath(tmp_path, *arguments, "learning_rate=1e-7,1e-6,1e36", "resume=failed")
    assert done.returncode == 1
    assert "Resume: 1 already done, 1 restarted, 1 skipped." in done.stderr.splitlines()
    assert sorted(status for (status,) in query_store(tmp_path, "select status from runs")) == [
        "FAILED",
        "FINISHED",
        "FINISHED",  # the summary run
    ]


TRANSIENT_FAULT = """
import swath.training as training
compile_program, left = training.compile_program, [{times}]
def faulty(*arguments):
    if left[0]:
        left[0] -= 1
        raise OSError("no space left on device")
    return compile_program(*arguments)
training.compile_program = faulty
"""


def test_transient_failure_is_retried(tmp_path: Path) -> None:
    arguments = (*DIGITS, "batch_size=50", "max_steps=20", "learning_rate=1e-6")
    done = swath(tmp_path, *arguments, "retries=2", patch=TRANSIENT_FAULT.format(times=2))
    assert done.returncode == 0, done.stderr
    assert "OSError: no space left on device; retrying, 2 of 2" in done.stderr
    failed = swath(tmp_path, *arguments, "retries=1", "seed=1", patch=TRANSIENT_FAULT.format(times=2))
    assert failed.returncode == 1
    assert (
        "\nFAILED batch_size=50 learning_rate=1e-06 max_steps=20: OSError: no space left on device\n"
        in failed.stderr
    )


FAULT_IN_TRAINING = """
import swath.training.lane_training as train
advance = train.LaneTraining.advance
def faulty(self, span):
    if span.first:
        raise ValueError("a fault of the program")
    return advance(self, span)
train.LaneTraining.advance = faulty
"""


def test_permanent_failure_stores_its_traceback_and_is_not_retried(tmp_path: Path) -> None:
    arguments = (*DIGITS, "batch_size=50", "max_steps=900", "learning_rate=1e-6", "retries=3")
    done = swath(tmp_path, *arguments, patch=FAULT_IN_TRAINING)
    assert done.returncode == 1
    assert "retrying" not in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    (path,) = (tmp_path / "mlruns").glob("*/*/artifacts/traceback.txt")
    assert "ValueError: a fault of the program" in path.read_text()
    again = swath(tmp_path, *arguments, "resume=failed")
    assert again.returncode == 0, again.stderr
    assert query_store(tmp_path, "select count(*) from tags where key = 'swath.error'") == [(0,)]


def test_on_failure_stop_starts_no_further_runs(tmp_path: Path) -> None:
    arguments = (*DIGITS, "batch_size=20,21,22,23", "max_steps=2000", "learning_rate=1e36", "on_failure=stop")
    done = swath(tmp_path, *arguments)
    assert done.returncode == 1
    statuses = [status for (status,) in query_store(tmp_path, "select status from runs")]
    assert len(statuses) < 5  # the last group was not started
    assert "were not started" in done.stderr
    assert error_lines(done.stderr) == []
    assert done.stdout == ""


def test_summary_run_covers_all_runs_of_a_resumed_sweep(tmp_path: Path) -> None:
    arguments = (*DIGITS, "batch_size=50", "max_steps=20")
    assert swath(tmp_path, *arguments, "learning_rate=1e-7,1e-6,1e-8").returncode == 0
    assert swath(tmp_path, *arguments, "learning_rate=1e-7,1e-9", "resume=true").returncode == 0
    (ranking,) = (tmp_path / "mlruns").glob("*/*/artifacts/sweep-ranking.csv")
    assert len(ranking.read_text().splitlines()) == 5
    found = dict(
        query_store(tmp_path, f"select key, value from tags where run_uuid = '{summary_run_id(tmp_path)}'")
    )
    assert (found["swath.finished"], found["swath.asked_for"], found["swath.resumed"]) == ("4", "4", "1")
    best = "select count(*) - count(distinct step) from metrics where key = 'best/test/accuracy'"
    assert query_store(tmp_path, best) == [(0,)]


def test_longer_run_does_not_continue_from_a_run_of_another_tensorflow(tmp_path: Path) -> None:
    arguments = (*DIGITS, "batch_size=50", "learning_rate=1e-6")
    assert swath(tmp_path, *arguments, "max_steps=40").returncode == 0
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute("update tags set value = '2.20.0' where key = 'swath.tensorflow'")
    done = swath(tmp_path, *arguments, "max_steps=60", "resume=true")
    assert done.returncode == 0, done.stderr
    assert "Resume: 1 new." in done.stderr.splitlines()


def test_longer_run_does_not_continue_from_changed_weights(tmp_path: Path) -> None:
    arguments = (*DIGITS, "batch_size=50", "learning_rate=1e-6")
    assert swath(tmp_path, *arguments, "max_steps=40").returncode == 0
    (path,) = (tmp_path / "mlruns").glob("*/*/artifacts/weights.npz")
    with np.load(path) as stored:
        arrays = dict(stored)
    arrays["weights"][0, 0] += 1
    np.savez(path, **arrays)
    done = swath(tmp_path, *arguments, "max_steps=60", "resume=true")
    assert done.returncode == 0, done.stderr
    assert "Resume: 1 new." in done.stderr.splitlines()


def test_running_sweep_cannot_be_resumed(tmp_path: Path) -> None:
    arguments = (*LONG, "max_steps=3000000")
    with running(tmp_path, *arguments) as process:
        wait_for(lambda: has_steps(tmp_path))
        refused = swath(tmp_path, *arguments, "resume=true")
        assert refused.returncode == 1
        (line,) = error_lines(refused.stderr)
        assert f"is being trained by process {process.pid} (swath -m data=digits" in line
        assert f"kill {process.pid}" in line
        other = swath(tmp_path, *DIGITS, "batch_size=50", "learning_rate=1e-5", "max_steps=20")
        assert other.returncode == 0, other.stderr
        none_closed = swath_compare(tmp_path, "--close-stale")
        assert none_closed.stderr == "Closed 0 runs of processes that died.\n"
        running_now = "select count(*) from runs where status = 'RUNNING'"
        wait_for(lambda: query_store(tmp_path, running_now) == [(5,)])
        os.killpg(process.pid, signal.SIGKILL)
    closed = swath_compare(tmp_path, "--close-stale")
    assert len(closed.stdout.splitlines()) == 5
    assert query_store(tmp_path, "select count(*) from runs where status = 'RUNNING'") == [(0,)]
    with_counts = "select run_uuid from tags where key = 'swath.killed' and value = '4'"
    ((summary,),) = query_store(tmp_path, with_counts)
    found = dict(query_store(tmp_path, f"select key, value from tags where run_uuid = '{summary}'"))
    assert (found["swath.kind"], found["swath.finished"], found["swath.failed"]) == ("sweep", "0", "0")
    assert "Interrupted: 0 of 4 finished." in found["mlflow.note.content"]
    assert "It is running" not in found["mlflow.note.content"]


def test_sweep_is_not_resumed_twice_at_the_same_time(tmp_path: Path) -> None:
    arguments = (*LONG, "max_steps=3000000", "resume=true")
    with running(tmp_path, *arguments) as first, running(tmp_path, *arguments) as second:
        wait_for(lambda: has_steps(tmp_path))
        wait_for(lambda: first.poll() is not None or second.poll() is not None)
        refused = first if first.poll() is not None else second
        _, errors = refused.communicate()
        assert refused.returncode == 1
        (line,) = error_lines(errors)
        assert "another command is resuming this sweep" in line or "is being trained by" in line
        assert query_store(tmp_path, "select count(*) from runs") == [(5,)]
        others = ("-m", *DIGITS, "learning_rate=3e-5,4e-5", "max_steps=20", "resume=true")
        beside = swath(tmp_path, *others)  # a sweep of the same name, of other configurations
        assert beside.returncode == 0, beside.stderr


def test_resume_waits_for_the_tracking_process_of_a_killed_sweep(tmp_path: Path) -> None:
    arguments = (*LONG, "max_steps=400,4000")
    with running(tmp_path, *arguments) as process:
        wait_for(lambda: has_steps(tmp_path))
        process.kill()  # its tracking process still stores the values that it has received
        done = swath(tmp_path, *arguments, "resume=true")
    assert done.returncode == 0, done.stderr
    counts = query_store(
        tmp_path,
        "select count(*), count(distinct step) from metrics where key = 'train/loss' group by run_uuid",
    )
    assert sorted(counts) == [(400, 400)] * 4 + [(4000, 4000)] * 4


DISK_FULL = """
import errno
import omegaconf
def full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")
omegaconf.OmegaConf.save = full
"""
"""Hydra cannot write the files that it writes before the first job."""


def test_sigterm_writes_checkpoints_within_ten_seconds(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    workdir = tmp_path / "place"
    workdir.mkdir()
    arguments = (*LONG, "max_steps=60000")
    with running(workdir, *arguments, SWATH_CACHE_DIR=str(cache)) as process:
        wait_for(lambda: runs_with_steps(workdir) == 4)
        process.send_signal(signal.SIGTERM)
        signalled_at = time.time()
        process.communicate(timeout=60)
    files = list((cache / "checkpoints").glob("*/*.checkpoint"))
    assert len(files) == 2  # one for each batch size
    assert all(0 < file.stat().st_mtime - signalled_at < 10 for file in files)
    done = swath(workdir, *arguments, "resume=true", patch=DISK_FULL, SWATH_CACHE_DIR=str(cache))
    assert "the disk is full; free some space" in done.stderr
    assert len(list((cache / "checkpoints").glob("*/*.checkpoint"))) == 2  # still there for the next resume
    with running(workdir, *arguments, "resume=true", SWATH_CACHE_DIR=str(cache)) as process:
        wait_for(lambda: query_store(workdir, "select count(*) from runs where status = 'RUNNING'") == [(5,)])
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert "Resume: 4 resumed." in errors.splitlines()
    resumed = query_store(workdir, "select value from tags where key = 'swath.resumed' order by value")
    assert resumed == [("1",)] * 4 + [("2",)]  # both commands resumed the summary run


def test_resume_of_some_configurations_keeps_the_checkpoints_of_the_others(tmp_path: Path) -> None:
    cache, workdir = tmp_path / "cache", tmp_path / "place"
    workdir.mkdir()
    with running(workdir, *LONG, "max_steps=20,60000", SWATH_CACHE_DIR=str(cache)) as process:
        wait_for(lambda: has_steps(workdir))
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    before = sorted((cache / "checkpoints").glob("*/*.checkpoint"))
    assert before
    done = swath(workdir, *LONG, "max_steps=20", "resume=yes", SWATH_CACHE_DIR=str(cache))
    assert done.returncode == 0, done.stderr
    assert sorted((cache / "checkpoints").glob("*/*.checkpoint")) == before


@pytest.mark.parametrize(
    "override", ["resume=perhaps", "on_failure=panic", "retries=-1", "checkpoint.every_s=0"]
)
def test_invalid_resume_settings_are_refused(tmp_path: Path, override: str) -> None:
    done = swath(tmp_path, *LONG, "max_steps=10", override)
    assert done.returncode == 2
    assert done.stderr.startswith(f"swath: {override}")
    assert "expected" in done.stderr
    assert list(tmp_path.iterdir()) == []
