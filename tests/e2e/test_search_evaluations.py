"""Searches that evaluate the validation images on the way: a rung may be such a step, and changes no bits."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.command import swath, swath_reproduce
from support.searches import DIGITS, decided, trials_of
from support.waiting import query_store

EVALUATED = ("evaluate_every_steps=20", "search.test=all", "search.confirm=0")
SPACE = ("-m", "learning_rate=tag(log,interval(1e-8,1e-4))", "batch_size=20,50")
SEARCH = (*SPACE, *DIGITS, "max_steps=100", "search.trials=16", *EVALUATED)

CURVE = """
select step, value from metrics m join tags t on t.run_uuid = m.run_uuid
where m.key = 'validation/loss' and t.key = 'swath.bits' and t.value = '{bits}' order by step
"""

KILL = """
import os, signal
import swath.searching.driver as driver
decide = driver.Search._decide_rungs
def decide_and_die(self):
    rungs = [self._plan.rungs.steps[rung] for _, rung, _ in self.outcome.decisions]
    if {before}:
        os.kill(os.getpid(), signal.SIGKILL)
    found = decide(self)
    rungs = [self._plan.rungs.steps[rung] for _, rung, _ in self.outcome.decisions]
    if {after}:
        os.kill(os.getpid(), signal.SIGKILL)
    return found
driver.Search._decide_rungs = decide_and_die
"""

BEFORE_SECOND_RUNG = "rungs == [10] and all(len(state.values) > 1 for state in self._course.at_rung(0)[1])"


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a search; do not change it."""
    folder = tmp_path_factory.mktemp("searched")
    done = swath(folder, *SEARCH)
    assert done.returncode == 0, done.stderr
    return folder


def of_length(trials: dict[int, dict[str, Any]], steps: str) -> dict[str, Any]:
    return next(entry for entry in trials.values() if entry["max_steps"] == steps)


def curve(folder: Path, trial: dict[str, Any]) -> list[tuple[Any, ...]]:
    return query_store(folder, CURVE.format(bits=trial["swath.bits"]))


@pytest.mark.parametrize("steps", ["10", "40", "100"])
def test_trial_has_the_bits_and_the_curve_of_its_run_by_hand(
    steps: str, searched: Path, tmp_path: Path
) -> None:
    trial = of_length(trials_of(searched), steps)
    lines = [f"{name}={text}" for name, text in json.loads(trial["swath.search.point"]).items()]
    done = swath(tmp_path, *DIGITS, *lines, f"max_steps={steps}", "evaluate_every_steps=20")
    assert done.returncode == 0, done.stderr
    bits = "select value from tags where key = 'swath.bits'"
    assert query_store(tmp_path, bits) == [(trial["swath.bits"],)]
    assert curve(tmp_path, trial) == curve(searched, trial)
    verdict = swath_reproduce(searched, trial["run_id"])
    assert "identical, bit for bit" in verdict.stdout


@pytest.mark.parametrize(
    ("before", "after"),
    [(BEFORE_SECOND_RUNG, "False"), ("False", "10 in rungs"), ("False", "40 in rungs")],
    ids=["at the second rung, undecided", "first rung decided", "second rung decided"],
)
def test_killed_search_goes_on_with_the_evaluations_of_one_that_was_not(
    before: str, after: str, searched: Path, tmp_path: Path
) -> None:
    arguments = (*SEARCH, "checkpoint.every_s=0.05")
    killed = swath(tmp_path, *arguments, patch=KILL.format(before=before, after=after))
    assert killed.returncode < 0
    done = swath(tmp_path, *arguments, "resume=yes")
    assert done.returncode == 0, done.stderr
    assert decided(tmp_path) == decided(searched)
    trials = trials_of(searched)
    for steps in ("10", "40", "100"):
        assert curve(tmp_path, of_length(trials, steps)) == curve(searched, of_length(trials, steps))
