"""Sweeps that were cut off, extended, or have failed, taken up."""

import json
import os
import signal
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest
from support.command import swath, swath_compare
from support.stores import orphans, whole_store
from support.waiting import has_steps, query_store, running, wait_for

DIGITS = ("-m", "data=digits", "data.validation_size=300")
GRID = (*DIGITS, "batch_size=20,50", "learning_rate=1e-7,1e-6,1e36", "evaluate_every_steps=20")
LONG = (*DIGITS, "batch_size=20,50", "learning_rate=1e-7,1e-6")


def differences(found: dict[str, object], expected: dict[str, object]) -> list[str]:
    return [key for key in {**found, **expected} if found.get(key) != expected.get(key)]


def own_run_id(folder: Path) -> object:
    ((run_id,),) = query_store(
        folder, "select run_uuid from tags where key = 'swath.kind' and value = 'sweep'"
    )
    return run_id


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[str]]:
    """A sweep, and the same one made in three steps: fewer values, more of them, longer ones."""
    whole, parts = (tmp_path_factory.mktemp(name) for name in ("whole", "parts"))
    assert swath(whole, *GRID, "max_steps=30,75,200").returncode == 1
    said = []
    for words in (
        ("learning_rate=1e-7,1e36", "max_steps=30", "resume=true"),
        ("learning_rate=1e-7,1e-6,1e36", "max_steps=30,75", "resume=yes"),
        ("learning_rate=1e-7,1e-6,1e36", "max_steps=30,75,200", "resume=true"),
    ):
        done = swath(parts, *(word for word in GRID if not word.startswith("learning_rate")), *words)
        assert done.returncode == 1, done.stderr
        said.append(next(line for line in done.stdout.splitlines() if line.startswith("Resume:")))
    return whole, parts, said


def test_extended_sweep_is_as_if_it_had_been_asked_for_at_once(
    extended: tuple[Path, Path, list[str]],
) -> None:
    whole, parts, _ = extended
    assert differences(whole_store(parts), whole_store(whole)) == []
    assert orphans(parts) == []


def test_extended_sweep_trains_only_what_is_new(extended: tuple[Path, Path, list[str]]) -> None:
    first, second, third = extended[2]
    assert first == "Resume: 4 new."
    # 1e36 diverges, so it has not finished; it is tried again, in its own run.
    assert second == "Resume: 2 already done, 6 new, 2 restarted, 2 resumed."
    assert third == "Resume: 8 already done, 2 new, 4 restarted, 4 resumed."


def test_longer_run_goes_on_behind_the_shorter_one(tmp_path: Path) -> None:
    patch = """
import swath.training.loop as train
advance = train.LaneTraining.advance
def counted(self, span):
    print("trained", span.first, span.end)
    return advance(self, span)
train.LaneTraining.advance = counted
"""
    words = (*DIGITS, "batch_size=50", "learning_rate=1e-6")
    assert swath(tmp_path, *words, "max_steps=100").returncode == 0
    done = swath(tmp_path, *words, "max_steps=100,160", "resume=true", patch=patch)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("trained")] == ["trained 100 160"]


def test_thinned_runs_are_trained_from_the_beginning(tmp_path: Path) -> None:
    words = (*DIGITS, "batch_size=50", "learning_rate=1e-6", "tracking.every_steps=7")
    assert swath(tmp_path, *words, "max_steps=40").returncode == 0
    done = swath(tmp_path, *words, "max_steps=40,90", "resume=true")
    assert "Resume: 1 already done, 1 new." in done.stdout
    steps = query_store(
        tmp_path,
        "select step from metrics join params using (run_uuid) where metrics.key = 'train/loss' "
        "and params.key = 'max_steps' and params.value = '90' order by step",
    )
    assert [step for (step,) in steps] == [*range(0, 90, 7), 89]


def test_single_run_goes_on_too(tmp_path: Path) -> None:
    words = ("data=digits", "batch_size=50", "max_steps=3000000", "learning_rate=1e-6")
    with running(tmp_path, *words) as process:
        wait_for(lambda: has_steps(tmp_path))
        os.killpg(process.pid, signal.SIGKILL)
    with running(tmp_path, *words, "resume=true") as process:
        wait_for(lambda: bool(query_store(tmp_path, "select 1 from tags where key = 'swath.resumed'")))
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert query_store(tmp_path, "select status from runs") == [("KILLED",)]
    assert query_store(tmp_path, "select value from tags where key = 'swath.resumed'") == [("1",)]
    assert query_store(
        tmp_path, "select count(*) - count(distinct step) from metrics where key = 'train/loss'"
    ) == [(0,)]


def test_what_has_drifted_is_refused_or_said(tmp_path: Path) -> None:
    words = (*DIGITS, "batch_size=50", "max_steps=20")
    assert swath(tmp_path, *words, "learning_rate=1e-7").returncode == 0
    (path,) = (tmp_path / "mlruns").glob("*/*/artifacts/manifest.json")
    manifest = json.loads(path.read_text())
    manifest["facts"] |= {"swath.tensorflow": "2.20.0", "swath.numpy": "2.0.0"}
    path.write_text(json.dumps(manifest))
    before = whole_store(tmp_path)
    refused = swath(tmp_path, *words, "learning_rate=1e-7,1e-6", "resume=true")
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert line.startswith("swath: changed since this sweep started: TensorFlow: 2.20.0, now 2.")
    assert line.endswith(
        "start a new sweep without resume, or add force_resume=true to resume it all the same"
    )
    assert whole_store(tmp_path) == before
    done = swath(tmp_path, *words, "learning_rate=1e-7,1e-6", "resume=yes", "force_resume=true")
    assert done.returncode == 0, done.stderr
    assert "changed since it started: NumPy: 2.0.0, now " in done.stdout
    facts = json.loads(path.read_text())
    assert [entry["swath.tensorflow"] for entry in facts["earlier"]] == ["2.20.0"]
    assert len(facts["configurations"]) == 2


def test_only_what_has_failed_is_run_again(tmp_path: Path) -> None:
    words = (*DIGITS, "batch_size=50", "max_steps=20")
    assert swath(tmp_path, *words, "learning_rate=1e-7,1e36").returncode == 1
    done = swath(tmp_path, *words, "learning_rate=1e-7,1e-6,1e36", "resume=failed")
    assert done.returncode == 1
    assert "Resume: 1 already done, 1 restarted, 1 skipped." in done.stdout
    assert sorted(status for (status,) in query_store(tmp_path, "select status from runs")) == [
        "FAILED",
        "FINISHED",
        "FINISHED",  # the sweep's own
    ]


FAULTY = """
import swath.execution.executor as executor
compile_program, left = executor.compile_program, [{times}]
def faulty(*arguments):
    if left[0]:
        left[0] -= 1
        raise OSError("no space left on device")
    return compile_program(*arguments)
executor.compile_program = faulty
"""


def test_fault_that_passes_is_tried_again(tmp_path: Path) -> None:
    words = (*DIGITS, "batch_size=50", "max_steps=20", "learning_rate=1e-6")
    done = swath(tmp_path, *words, "retries=2", patch=FAULTY.format(times=2))
    assert done.returncode == 0, done.stderr
    assert "OSError: no space left on device; retrying, 2 of 2" in done.stdout
    failed = swath(tmp_path, *words, "retries=1", "seed=1", patch=FAULTY.format(times=2))
    assert failed.returncode == 1
    assert (
        "\nFAILED batch_size=50 learning_rate=1e-06 max_steps=20: OSError: no space left on device\n"
        in failed.stdout
    )


IN_TRAINING = """
import swath.training.loop as train
advance = train.LaneTraining.advance
def faulty(self, span):
    if span.first:
        raise ValueError("a fault of the program")
    return advance(self, span)
train.LaneTraining.advance = faulty
"""


def test_fault_of_the_program_leaves_its_traceback_and_is_not_tried_again(tmp_path: Path) -> None:
    words = (*DIGITS, "batch_size=50", "max_steps=900", "learning_rate=1e-6", "retries=3")
    done = swath(tmp_path, *words, patch=IN_TRAINING)
    assert done.returncode == 1
    assert "retrying" not in done.stdout
    assert "Traceback" not in done.stderr
    (path,) = (tmp_path / "mlruns").glob("*/*/artifacts/traceback.txt")
    assert "ValueError: a fault of the program" in path.read_text()
    again = swath(tmp_path, *words, "resume=failed")
    assert again.returncode == 0, again.stderr
    assert query_store(tmp_path, "select count(*) from tags where key = 'swath.error'") == [(0,)]


def test_failure_may_stop_the_others(tmp_path: Path) -> None:
    words = (*DIGITS, "batch_size=20,21,22,23", "max_steps=2000", "learning_rate=1e36", "on_failure=stop")
    done = swath(tmp_path, *words)
    assert done.returncode == 1
    statuses = [status for (status,) in query_store(tmp_path, "select status from runs")]
    assert len(statuses) < 5  # the last group was not begun
    assert "were not started" in done.stdout
    assert done.stderr == ""


def test_record_of_a_sweep_is_of_all_of_it(tmp_path: Path) -> None:
    words = (*DIGITS, "batch_size=50", "max_steps=20")
    assert swath(tmp_path, *words, "learning_rate=1e-7,1e-6,1e-8").returncode == 0
    assert swath(tmp_path, *words, "learning_rate=1e-7,1e-9", "resume=true").returncode == 0
    (ranking,) = (tmp_path / "mlruns").glob("*/*/artifacts/ranking.csv")
    assert len(ranking.read_text().splitlines()) == 5
    found = dict(
        query_store(tmp_path, f"select key, value from tags where run_uuid = '{own_run_id(tmp_path)}'")
    )
    assert (found["swath.finished"], found["swath.asked_for"], found["swath.resumed"]) == ("4", "4", "1")
    best = "select count(*) - count(distinct step) from metrics where key = 'best/test/accuracy'"
    assert query_store(tmp_path, best) == [(0,)]


def test_what_was_made_with_another_tensorflow_is_no_beginning(tmp_path: Path) -> None:
    words = (*DIGITS, "batch_size=50", "learning_rate=1e-6")
    assert swath(tmp_path, *words, "max_steps=40").returncode == 0
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute("update tags set value = '2.20.0' where key = 'swath.tensorflow'")
    done = swath(tmp_path, *words, "max_steps=60", "resume=true")
    assert done.returncode == 0, done.stderr
    assert "Resume: 1 new." in done.stdout


def test_changed_weights_are_no_beginning(tmp_path: Path) -> None:
    words = (*DIGITS, "batch_size=50", "learning_rate=1e-6")
    assert swath(tmp_path, *words, "max_steps=40").returncode == 0
    (path,) = (tmp_path / "mlruns").glob("*/*/artifacts/weights.npz")
    with np.load(path) as stored:
        arrays = dict(stored)
    arrays["weights"][0, 0] += 1
    np.savez(path, **arrays)
    done = swath(tmp_path, *words, "max_steps=60", "resume=true")
    assert done.returncode == 0, done.stderr
    assert "Resume: 1 new." in done.stdout


def test_sweep_that_is_being_trained_is_not_taken_up(tmp_path: Path) -> None:
    words = (*LONG, "max_steps=3000000")
    with running(tmp_path, *words) as process:
        wait_for(lambda: has_steps(tmp_path))
        refused = swath(tmp_path, *words, "resume=true")
        assert refused.returncode == 1
        (line,) = refused.stderr.splitlines()
        assert f"is being trained by process {process.pid} (swath -m data=digits" in line
        assert f"kill {process.pid}" in line
        other = swath(tmp_path, *DIGITS, "batch_size=50", "learning_rate=1e-5", "max_steps=20")
        assert other.returncode == 0, other.stderr
        left_alone = swath_compare(tmp_path, "--close-stale")
        assert left_alone.stderr == "Closed 0 runs of processes that died.\n"
        assert query_store(tmp_path, "select count(*) from runs where status = 'RUNNING'") == [(5,)]
        os.killpg(process.pid, signal.SIGKILL)
    closed = swath_compare(tmp_path, "--close-stale")
    assert len(closed.stdout.splitlines()) == 5
    assert query_store(tmp_path, "select count(*) from runs where status = 'RUNNING'") == [(0,)]
    with_counts = "select run_uuid from tags where key = 'swath.killed' and value = '4'"
    ((own,),) = query_store(tmp_path, with_counts)
    found = dict(query_store(tmp_path, f"select key, value from tags where run_uuid = '{own}'"))
    assert (found["swath.kind"], found["swath.finished"], found["swath.failed"]) == ("sweep", "0", "0")
    assert "Interrupted: 0 of 4 finished." in found["mlflow.note.content"]
    assert "It is running" not in found["mlflow.note.content"]


def test_same_sweep_is_not_taken_up_twice_at_the_same_time(tmp_path: Path) -> None:
    words = (*LONG, "max_steps=3000000", "resume=true")
    with running(tmp_path, *words) as first, running(tmp_path, *words) as second:
        wait_for(lambda: has_steps(tmp_path))
        wait_for(lambda: first.poll() is not None or second.poll() is not None)
        refused = first if first.poll() is not None else second
        _, errors = refused.communicate()
        assert refused.returncode == 1
        assert "another command is resuming this sweep" in errors or "is being trained by" in errors
        assert query_store(tmp_path, "select count(*) from runs") == [(5,)]


def test_dead_training_process_s_last_steps_are_waited_for(tmp_path: Path) -> None:
    words = (*LONG, "max_steps=400,4000")
    with running(tmp_path, *words) as process:
        wait_for(lambda: has_steps(tmp_path))
        process.kill()  # its tracking process stores what it has been handed, then ends
        done = swath(tmp_path, *words, "resume=true")
    assert done.returncode == 0, done.stderr
    whole = query_store(
        tmp_path,
        "select count(*), count(distinct step) from metrics where key = 'train/loss' group by run_uuid",
    )
    assert sorted(whole) == [(400, 400)] * 4 + [(4000, 4000)] * 4


NO_ROOM = """
import errno
import omegaconf
def full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")
omegaconf.OmegaConf.save = full
"""
"""Hydra cannot write what it writes before the first job."""


def test_scheduler_s_grace_is_enough_for_a_checkpoint(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    place = tmp_path / "place"
    place.mkdir()
    words = (*LONG, "max_steps=60000")
    with running(place, *words, SWATH_CACHE_DIR=str(cache)) as process:
        wait_for(lambda: has_steps(place))
        process.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        process.communicate(timeout=60)
        assert time.monotonic() - asked < 10
    assert len(list((cache / "checkpoints").glob("*/*.checkpoint"))) == 2  # one of each batch size
    done = swath(place, *words, "resume=true", patch=NO_ROOM, SWATH_CACHE_DIR=str(cache))
    assert "the disk is full; free some space" in done.stderr
    assert len(list((cache / "checkpoints").glob("*/*.checkpoint"))) == 2  # where it will go on from
    with running(place, *words, "resume=true", SWATH_CACHE_DIR=str(cache)) as process:
        wait_for(lambda: query_store(place, "select count(*) from runs where status = 'RUNNING'") == [(5,)])
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert "Resume: 4 resumed." in output
    resumed = query_store(place, "select value from tags where key = 'swath.resumed' order by value")
    assert resumed == [("1",)] * 4 + [("2",)]  # the sweep's own run was taken up by both


def test_resume_of_a_part_keeps_the_checkpoints_of_the_rest(tmp_path: Path) -> None:
    cache, place = tmp_path / "cache", tmp_path / "place"
    place.mkdir()
    with running(place, *LONG, "max_steps=20,60000", SWATH_CACHE_DIR=str(cache)) as process:
        wait_for(lambda: has_steps(place))
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    before = sorted((cache / "checkpoints").glob("*/*.checkpoint"))
    assert before
    done = swath(place, *LONG, "max_steps=20", "resume=yes", SWATH_CACHE_DIR=str(cache))
    assert done.returncode == 0, done.stderr
    assert sorted((cache / "checkpoints").glob("*/*.checkpoint")) == before


@pytest.mark.parametrize("word", ["resume=perhaps", "on_failure=panic", "retries=-1", "checkpoint.every_s=0"])
def test_unknown_ways_are_refused(tmp_path: Path, word: str) -> None:
    done = swath(tmp_path, *LONG, "max_steps=10", word)
    assert done.returncode == 2
    assert done.stderr.startswith(f"swath: {word}")
    assert "expected" in done.stderr
    assert list(tmp_path.iterdir()) == []
