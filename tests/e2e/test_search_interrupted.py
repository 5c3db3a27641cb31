"""Searches that are interrupted, resumed with limits, verified, and met by grids in the same store."""

import json
import os
from pathlib import Path

import pytest
from support.command import swath, swath_reproduce
from support.searches import DIGITS, decided, trials_of
from support.waiting import query_store

SPACE = ("-m", "learning_rate=tag(log,interval(1e-8,1e-4))", "batch_size=20,50")
ROUNDS = (*SPACE, *DIGITS, "max_steps=1000", "search.trials=9", "search.round=3", "search.confirm=1")

INTERRUPT = """
import os, signal
import swath.searching.driver as driver
decide, interrupted = driver.Search._decide_rungs, []
def decide_and_interrupt(self):
    found = decide(self)
    if len(self.outcome.decisions) >= 3 and not interrupted:
        interrupted.append(True)
        os.kill(os.getpid(), signal.SIGINT)
    return found
driver.Search._decide_rungs = decide_and_interrupt
"""

NO_TIME_LEFT = """
import swath.searching.driver as driver
left = driver.Clock.left_s
driver.Clock.left_s = property(lambda self: 0.0 if driver_has_decided else left.fget(self))
driver_has_decided = []
decide = driver.Search._decide_rungs
def decide_and_end(self):
    found = decide(self)
    driver_has_decided.extend(self.outcome.decisions)
    return found
driver.Search._decide_rungs = decide_and_end
"""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a search of three rounds; do not change it."""
    folder = tmp_path_factory.mktemp("undisturbed")
    done = swath(folder, *ROUNDS)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize(
    ("patch", "more", "status"), [(INTERRUPT, (), 130), (NO_TIME_LEFT, ("search.within_s=500",), None)]
)
def test_trials_in_flight_are_counted_and_go_on_later(
    patch: str, more: tuple[str, ...], status: int | None, undisturbed: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    arguments = (*ROUNDS, "checkpoint.every_s=0.05")
    done = swath(tmp_path, *arguments, *more, patch=patch, SWATH_CACHE_DIR=str(cache))
    assert "Traceback" not in done.stderr
    assert status is None or done.returncode == status
    counts = dict(
        query_store(tmp_path, "select key, value from tags where key in ('swath.asked_for', 'swath.killed')")
    )
    begun, ended = (
        trials_of(tmp_path),
        [each for each in trials_of(tmp_path).values() if "swath.search.why" in each],
    )
    assert int(counts["swath.asked_for"]) >= len(begun)
    assert int(counts["swath.killed"]) == len(begun) - len(ended) > 0
    assert all("swath.error" in each for each in begun.values() if "swath.search.why" not in each)
    assert query_store(tmp_path, "select count(*) from runs where status = 'RUNNING'") == [(0,)]
    assert list((cache / "checkpoints").glob("*/*"))
    again = swath(tmp_path, *arguments, "resume=yes", SWATH_CACHE_DIR=str(cache))
    assert again.returncode == 0, again.stderr
    assert decided(tmp_path) == decided(undisturbed)
    assert not list((cache / "checkpoints").glob("*/*"))


def test_limit_says_nothing_of_rounds_that_have_begun(undisturbed: Path, tmp_path: Path) -> None:
    limited = (*ROUNDS, "search.within_s=300")
    assert swath(tmp_path, *limited).returncode == 0
    assert decided(tmp_path) == decided(undisturbed)
    done = swath(tmp_path, *limited, "search.trials=12", "resume=yes")
    assert done.returncode == 0, done.stderr
    trials = decided(tmp_path)
    assert len(trials) == 12
    assert {number: trials[number] for number in range(9)} == decided(undisturbed)


def test_rounds_that_have_not_begun_are_planned_again(undisturbed: Path, tmp_path: Path) -> None:
    swath(tmp_path, *ROUNDS, "search.trials=300", patch=INTERRUPT)
    done = swath(tmp_path, *ROUNDS, "resume=yes")
    assert done.returncode == 0, done.stderr
    assert decided(tmp_path) == decided(undisturbed)


def test_trials_are_verified_as_the_search_trained_them(tmp_path: Path) -> None:
    done = swath(
        tmp_path, *SPACE, *DIGITS, "max_steps=40", "search.trials=4", "search.confirm=0", "lanes.verify=4"
    )
    assert done.returncode == 0, done.stderr
    assert "4 of 4" in done.stdout + done.stderr


def test_grid_that_meets_a_search_is_ranked_as_a_grid(tmp_path: Path) -> None:
    rates = ("learning_rate=1e-8,1e-6", *DIGITS, "max_steps=20")
    searched = swath(tmp_path, "-m", *rates, "search.trials=2", "search.confirm=1", "search.confirm_seeds=1")
    assert searched.returncode == 0, searched.stderr
    seeds = ("-m", *rates, "seed=0,1")
    assert swath(tmp_path, *seeds, "resume=yes").returncode == 0
    other = tmp_path / "other"
    other.mkdir()
    assert swath(other, *seeds).returncode == 0
    best = "select value from tags where key = 'swath.ranking'"
    answer = "select key, value from tags where key like 'swath.best%' and key != 'swath.best_run_id'"
    assert query_store(tmp_path, best)[-1:] == query_store(other, best)[-1:]
    assert query_store(tmp_path, answer)[-1:] == query_store(other, answer)[-1:]
    untested = (
        "select count(*) from runs r join tags t on t.run_uuid = r.run_uuid and t.key = 'swath.sweep_id' "
        "where r.status != 'FINISHED'"
    )
    assert query_store(tmp_path, untested) == [(0,)]


ONE_CORE = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})"


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="needs Linux and two cores",
)
def test_one_core_takes_the_decisions_of_two(undisturbed: Path, tmp_path: Path) -> None:
    done = swath(tmp_path, *ROUNDS, patch=ONE_CORE)
    assert done.returncode == 0, done.stderr
    assert decided(tmp_path) == decided(undisturbed)


STATUS_OF_TRIALS = """
select count(*) from runs r join tags t on t.run_uuid = r.run_uuid
where t.key = 'swath.search.stage' and t.value = 'trial' and r.status = '{status}'
"""

FAILS_ONCE = """
import swath.execution.trial_run as trial_run
from swath.errors import SwathError
add_steps, failed = trial_run.TrialRun.add_steps, []
def add_or_fail(self, trained, open_lanes):
    if self._trial is not None and self._trial.number == {trial} and trained.segment.end > {steps}:
        if len(failed) < {times}:
            failed.append(1)
            raise SwathError("the store is away")
    return add_steps(self, trained, open_lanes)
trial_run.TrialRun.add_steps = add_or_fail
"""


def promoted(folder: Path) -> int:
    return max(trials_of(folder).items(), key=lambda item: (len(item[1]["rungs"]), item[0]))[0]


def test_transient_failure_is_retried_and_changes_no_decision(undisturbed: Path, tmp_path: Path) -> None:
    patch = FAILS_ONCE.format(trial=promoted(undisturbed), steps=100, times=1)
    done = swath(tmp_path, *ROUNDS, "retries=1", patch=patch)
    assert done.returncode == 0, done.stderr
    assert "retrying, 1 of 1" in done.stderr
    assert decided(tmp_path) == decided(undisturbed)


def test_transient_failure_without_retries_ends_the_search_undecided_and_resume_decides(
    undisturbed: Path, tmp_path: Path
) -> None:
    patch = FAILS_ONCE.format(trial=promoted(undisturbed), steps=100, times=9)
    done = swath(tmp_path, *ROUNDS, "retries=0", patch=patch)
    assert done.returncode == 1, done.stderr
    assert "the store is away" in done.stderr
    again = swath(tmp_path, *ROUNDS, "resume=yes")
    assert again.returncode == 0, again.stderr
    assert decided(tmp_path) == decided(undisturbed)


NOT_STORED = """
import errno
import swath.tracking.artifacts as artifacts
write, failed = artifacts._write, []
def write_or_fail(folder, start, end, environment):
    if "stopped at 100:" in end.tags.get("swath.search.why", "") and len(failed) < {times}:
        failed.append(1)
        raise OSError(errno.ENOSPC, "No space left on device")
    write(folder, start, end, environment)
artifacts._write = write_or_fail
"""
"""The disk is full when the first trial that a rung has stopped is stored."""


def test_end_at_a_rung_that_was_not_stored_is_stored_by_the_resume(undisturbed: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    done = swath(
        tmp_path,
        *ROUNDS,
        "retries=0",
        SWATH_TEST_TRACKING_PATCH=NOT_STORED.format(times=1),
        SWATH_CACHE_DIR=str(cache),
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "No space left on device" in done.stderr
    assert "Resume with" in done.stderr
    assert query_store(tmp_path, STATUS_OF_TRIALS.format(status="FAILED")) == [(1,)]
    again = swath(tmp_path, *ROUNDS, "resume=yes", SWATH_CACHE_DIR=str(cache))
    assert again.returncode == 0, again.stderr
    assert "1 resumed" in again.stderr
    assert query_store(tmp_path, STATUS_OF_TRIALS.format(status="FINISHED")) == [(9,)]
    assert query_store(tmp_path, "select count(*) from runs where status != 'FINISHED'") == [(0,)]
    assert decided(tmp_path) == decided(undisturbed)


def test_end_at_a_rung_is_stored_again_within_the_command(undisturbed: Path, tmp_path: Path) -> None:
    done = swath(tmp_path, *ROUNDS, "retries=2", SWATH_TEST_TRACKING_PATCH=NOT_STORED.format(times=1))
    assert done.returncode == 0, done.stderr
    assert "retrying, 1 of 2" in done.stderr
    assert query_store(tmp_path, "select count(*) from runs where status != 'FINISHED'") == [(0,)]
    assert decided(tmp_path) == decided(undisturbed)


def test_end_at_a_rung_that_is_not_stored_after_retries_stops_the_search(
    undisturbed: Path, tmp_path: Path
) -> None:
    done = swath(tmp_path, *ROUNDS, "retries=1", SWATH_TEST_TRACKING_PATCH=NOT_STORED.format(times=99))
    assert done.returncode == 1, done.stderr
    assert "Resume with" in done.stderr
    assert query_store(tmp_path, CONFIRMING) == [(0,)]
    assert swath(tmp_path, *ROUNDS, "resume=yes").returncode == 0
    assert query_store(tmp_path, CONFIRMING) == query_store(undisturbed, CONFIRMING)
    assert decided(tmp_path) == decided(undisturbed)


CONFIRMING = "select count(*) from tags where key = 'swath.search.stage' and value = 'confirm'"

STOPPED_BEFORE_CONFIRMING = """
import swath.searching.driver as driver
confirm = driver.Search._confirm
def stop_and_confirm(self):
    self._session._runner._cancel("a trial failed, and on_failure=stop")
    confirm(self)
driver.Search._confirm = stop_and_confirm
"""


def test_search_that_was_stopped_before_it_confirmed_says_so_and_confirms_later(
    undisturbed: Path, tmp_path: Path
) -> None:
    done = swath(tmp_path, *ROUNDS, patch=STOPPED_BEFORE_CONFIRMING)
    assert done.returncode == 1, done.stderr
    assert "Resume with" in done.stderr
    assert query_store(tmp_path, CONFIRMING) == [(0,)]
    again = swath(tmp_path, *ROUNDS, "resume=yes")
    assert again.returncode == 0, again.stderr
    assert query_store(tmp_path, CONFIRMING) == query_store(undisturbed, CONFIRMING) != [(0,)]
    assert decided(tmp_path) == decided(undisturbed)


NO_FREE_LANES = """
import swath.searching.from_command as from_command
from_command._shared_columns = lambda *_: 0
"""
"""An earlier version filled no free lanes."""


def manifest_of(folder: Path) -> Path:
    (path,) = (folder / "mlruns").glob("*/*/artifacts/sweep-manifest.json")
    return path


def test_search_of_an_earlier_version_is_the_same_search(undisturbed: Path, tmp_path: Path) -> None:
    rates = ("-m", SPACE[1], "batch_size=50", *DIGITS)  # of 8 trials, 2 go on, and 1 in a free lane
    larger = (*rates, "max_steps=100", "search.trials=8", "search.confirm=0")
    done = swath(tmp_path, *larger, patch=NO_FREE_LANES)
    assert done.returncode == 0, done.stderr
    before = decided(tmp_path)
    manifest = json.loads(manifest_of(tmp_path).read_text(encoding="utf-8"))
    del manifest["search"]["columns"]
    manifest_of(tmp_path).write_text(json.dumps(manifest), encoding="utf-8")
    again = swath(tmp_path, *larger, "search.trials=16", "resume=yes")
    assert again.returncode == 0, again.stderr
    trials = decided(tmp_path)
    assert {number: trials[number] for number in before} == before
    assert len(trials) == 16
    assert not any("free lanes" in entry["swath.search.why"] for entry in trials_of(tmp_path).values())
    assert json.loads(manifest_of(tmp_path).read_text(encoding="utf-8"))["search"]["columns"] == 0
    assert json.loads(manifest_of(undisturbed).read_text(encoding="utf-8"))["search"]["columns"] > 0


def test_damaged_manifest_is_said_and_is_no_earlier_search(tmp_path: Path) -> None:
    small = (*SPACE, *DIGITS, "max_steps=20", "search.trials=3", "search.confirm=0")
    assert swath(tmp_path, *small).returncode == 0
    place = manifest_of(tmp_path)
    manifest = json.loads(place.read_text(encoding="utf-8"))
    manifest["search"]["columns"] = "many"
    place.write_text(json.dumps(manifest), encoding="utf-8")
    reproduced = swath_reproduce(tmp_path, "--sweep", "ad-hoc", "--decisions")
    assert reproduced.returncode != 0
    (said,) = (reproduced.stdout + reproduced.stderr).splitlines()
    assert "sweep-manifest.json" in said
    before = trials_of(tmp_path)
    resumed = swath(tmp_path, *small, "resume=yes")
    assert resumed.returncode == 0, resumed.stderr
    assert "this is a new sweep" in resumed.stderr
    runs = "select distinct run_uuid from tags where key = 'swath.search.trial'"
    assert {entry["run_id"] for entry in before.values()} < {
        run_id for (run_id,) in query_store(tmp_path, runs)
    }
