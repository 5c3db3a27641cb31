"""Searches whose trials have a validation loss of NaN at a rung, or diverge just after one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.command import swath, swath_reproduce
from support.searches import trials_of
from support.waiting import query_store, wait_for

SEARCH = (
    "-m",
    "data=digits",
    "learning_rate=tag(log,interval(1e28,1e38))",
    "batch_size=20,50",
    "max_steps=8",
    "search.first_steps=1",
    "search.trials=12",
    "search.confirm=0",
    "tracking.postprocess=off",
)
"""Rungs at 1, 4 and 8 steps."""

VERIFIED = "lanes.verify=100"

KILL = """
import os, signal
import swath.searching.driver as driver
decide = driver.Search._decide_rungs
def decide_or_die(self):
    rung, states = self._course.at_rung(0) if self._rounds else (0, [])
    if rung == 0 and states and all(state.values for state in states):
        os.kill(os.getpid(), signal.SIGKILL)
    return decide(self)
driver.Search._decide_rungs = decide_or_die
"""
"""Every trial has come to the first rung, and nothing is decided."""


@dataclass(frozen=True)
class Searched:
    """A command, and what the store has had after it."""

    status: int
    output: str
    errors: str
    trials: dict[int, dict[str, Any]]
    runs: list[tuple[Any, ...]]
    steps: list[tuple[Any, ...]]
    failed: str


def searched(folder: Path, *arguments: str) -> Searched:
    """Run a command, and read the store."""
    done = swath(folder, *SEARCH, *arguments)
    assert "Traceback" not in done.stderr
    return Searched(done.returncode, done.stdout, done.stderr, trials_of(folder), *counts(folder))


def counts(folder: Path) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]], str]:
    """Trials with their status, the steps of each, and the number of failures of the summary run."""
    of_trials = "join tags t on t.run_uuid = r.run_uuid and t.key = 'swath.search.trial'"
    runs = query_store(
        folder, f"select cast(t.value as int), r.status from runs r {of_trials} order by 1, r.run_uuid"
    )
    steps = query_store(
        folder,
        "select cast(t.value as int), count(*), count(distinct r.step) from metrics r "
        f"{of_trials} where r.key = 'train/loss' group by 1 order by 1",
    )
    ((failed,),) = query_store(folder, "select value from tags where key = 'swath.failed'") or [("",)]
    return runs, steps, str(failed)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the search, of its resume and of its extension, in this order; do not change it."""
    return tmp_path_factory.mktemp("not-finite")


@pytest.fixture(scope="module")
def first(folder: Path) -> Searched:
    """The search."""
    return searched(folder, VERIFIED)


@pytest.fixture(scope="module")
def again(folder: Path, first: Searched) -> Searched:
    """Its resume, with nothing left to train."""
    assert first.status == 0
    return searched(folder, "resume=yes")


@pytest.fixture(scope="module")
def more(folder: Path, again: Searched) -> Searched:
    """The same search with more trials."""
    assert again.status == 0
    return searched(folder, "search.trials=16", "resume=yes", VERIFIED)


def decisions(found: Searched) -> dict[int, tuple[Any, ...]]:
    """What was proposed, decided and computed, by trial; why one ended is not said of each."""
    names = ("swath.search.point", "max_steps", "swath.search.why", "swath.error", "swath.bits", "rungs")
    return {number: tuple(entry.get(name) for name in names) for number, entry in found.trials.items()}


def table(output: str) -> list[list[str]]:
    """Rows of the table of rungs: steps, trials, those that went on, and failures."""
    lines = output.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("rung"))
    return [line.replace(",", " ").split() for line in lines[start + 1 : start + 4]]


def test_trials_fail_at_a_rung_and_after_it(first: Searched) -> None:
    """What the tests of this file need."""
    assert first.status == 0, first.errors
    lengths = {entry["rungs"][-1][0] for entry in first.trials.values() if entry["rungs"]}
    assert lengths == {1, 4, 8}
    errors = [entry.get("swath.error", "") for entry in first.trials.values()]
    assert any("after step 0: validation/loss is nan" in each for each in errors)
    assert any("diverged at step 1" in each for each in errors)


def test_verified_trials_are_bit_identical(first: Searched) -> None:
    assert "12 of 12" in first.output + first.errors


def test_resume_trains_nothing_again_and_counts_the_same_failures(first: Searched, again: Searched) -> None:
    assert again.status == 0, again.errors
    assert len(again.runs) == 12
    assert again.runs == first.runs
    assert again.steps == first.steps
    assert all(count == distinct for _, count, distinct in again.steps)
    assert again.failed == first.failed
    assert int(first.failed) == sum(status == "FAILED" for _, status in first.runs) > 0
    assert again.trials == first.trials


def test_resume_lists_the_failures_and_nothing_that_was_not_started(first: Searched, again: Searched) -> None:
    def failures(errors: str) -> list[str]:
        return sorted(line for line in errors.splitlines() if line.startswith("FAILED") and "(run" in line)

    def summed(errors: str) -> list[str]:
        return sorted(
            line for line in errors.splitlines() if line.startswith("FAILED") and " configurations: " in line
        )

    for each in (first, again):
        assert "not started" not in each.output + each.errors
    assert summed(again.errors) == summed(first.errors) != []
    assert failures(again.errors) == failures(first.errors) != []


@pytest.mark.parametrize("which", ["first", "again"])
def test_table_of_rungs_counts_the_failures_of_the_store(
    which: str, folder: Path, request: pytest.FixtureRequest
) -> None:
    found: Searched = request.getfixturevalue(which)
    rows = table(found.output)
    assert [row[0] for row in rows] == ["1", "4", "8"]
    assert sum(int(row[3]) for row in rows) == int(found.failed)
    nan_at_first = [
        entry for entry in found.trials.values() if "after step 0" in entry.get("swath.error", "")
    ]
    assert rows[0] == ["1", "12", rows[1][1], str(len(nan_at_first))]


def test_more_trials_are_verified_bit_for_bit(first: Searched, more: Searched) -> None:
    assert more.status == 0, more.errors
    assert "16 of 16" in more.output + more.errors
    assert [(number, status) for number, status in more.runs if number < 12] == first.runs


def test_every_run_is_reproduced(folder: Path, more: Searched) -> None:
    done = swath_reproduce(folder, "--sweep", "ad-hoc")
    assert done.returncode == 0, done.stdout + done.stderr
    _, *verdicts = done.stdout.splitlines()
    assert [line.split("  ")[1].partition(";")[0] for line in verdicts] == ["identical, bit for bit"] * 16


def test_search_that_is_killed_before_its_first_decision_trains_nothing_twice(
    first: Searched, tmp_path: Path
) -> None:
    killed = swath(tmp_path, *SEARCH, patch=KILL)
    assert killed.returncode < 0
    wait_for(lambda: len(trials_of(tmp_path)) == 12)
    wait_for(lambda: not query_store(tmp_path, "select 1 from runs where status = 'RUNNING'"))
    done = searched(tmp_path, "resume=yes")
    assert done.status == 0, done.errors
    assert (done.runs, done.steps, done.failed) == (first.runs, first.steps, first.failed)
    assert decisions(done) == decisions(first)


FIXED = tuple(
    each for each in SEARCH if not each.startswith(("learning_rate", "batch_size", "search.trials"))
)

NONE_DIVERGES = (*FIXED, "learning_rate=1e29,2e29,1e35,1e36", "batch_size=50", "search.trials=4")
"""Two trials have a loss of NaN at the first rung, and the one that goes on does not diverge."""


@pytest.mark.parametrize("search", [SEARCH, NONE_DIVERGES], ids=["some diverge later", "none diverges later"])
def test_trial_that_fails_at_a_rung_stops_the_search_if_a_failure_shall(
    search: tuple[str, ...], tmp_path: Path
) -> None:
    done = swath(tmp_path, *search, "on_failure=stop")
    assert done.returncode == 1, done.stderr
    assert "Resume with" in done.stderr
    assert "Traceback" not in done.stderr
    assert table(done.stdout)[2] == ["8", "0", "0", "0"]
    runs, _, _ = counts(tmp_path)
    put_down = [number for number, status in runs if status == "KILLED"]
    assert put_down
    trials = trials_of(tmp_path)
    whys = [trials[number]["swath.error"] for number in put_down]
    assert all("failed, and on_failure=stop" in why for why in whys), whys
    again = swath(tmp_path, *search, "resume=yes")
    assert again.returncode == 0, again.stderr
    assert table(again.stdout)[2] == ["8", "1", "0", "0"]
    assert "KILLED" not in [status for _, status in counts(tmp_path)[0]]
