"""Searches from the shell: rungs, continued trials, resumed searches, reproductions, mistakes."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from support.command import error_lines, swath, swath_reproduce
from support.searches import DIGITS, decided, trials_of
from support.waiting import query_store

SPACE = ("-m", "learning_rate=tag(log,interval(1e-8,1e-4))", "batch_size=20,50")
SEARCH = (*SPACE, *DIGITS, "max_steps=100", "search.trials=16", "search.confirm=2")

REPEATED = """
select count(*) from (select run_uuid, key, step from metrics where key in ('train/loss', 'rung/loss')
group by run_uuid, key, step having count(*) > 1)
"""


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Folder of a search, and its finished process; do not change it."""
    folder = tmp_path_factory.mktemp("searched")
    done = swath(folder, *SEARCH, "search.test=all")
    assert done.returncode == 0, done.stderr
    return folder, done


def test_trials_are_stopped_at_rungs_and_say_why(searched: tuple[Path, Any]) -> None:
    trials = trials_of(searched[0])
    lengths = sorted(int(entry["max_steps"]) for entry in trials.values())
    assert lengths == [10] * 12 + [40] * 3 + [100]
    for entry in trials.values():
        assert [step for step, _ in entry["rungs"]] == [
            step for step in (10, 40, 100) if step <= int(entry["max_steps"])
        ]
    (last,) = (entry for entry in trials.values() if entry["max_steps"] == "100")
    assert last["swath.search.why"] == "trained to its full length, 100 steps"
    first = [entry for entry in trials.values() if entry["max_steps"] == "10"]
    assert all("of 16, 4 went on" in entry["swath.search.why"] for entry in first)
    assert query_store(searched[0], REPEATED) == [(0,)]


def test_best_of_a_rung_go_on(searched: tuple[Path, Any]) -> None:
    trials = trials_of(searched[0])
    values = {number: entry["rungs"][0][1] for number, entry in trials.items()}
    ranked = sorted(values, key=lambda number: (-values[number], number))
    assert {number for number, entry in trials.items() if len(entry["rungs"]) > 1} == set(ranked[:4])


def test_every_trial_has_the_bits_of_its_run_by_hand(searched: tuple[Path, Any], tmp_path: Path) -> None:
    trials = trials_of(searched[0])
    chosen = [max(trials, key=lambda number: int(trials[number]["max_steps"])), min(trials)]
    chosen += [next(number for number, entry in trials.items() if entry["max_steps"] == "40")]
    for number in dict.fromkeys(chosen):
        point = json.loads(trials[number]["swath.search.point"])
        folder = tmp_path / str(number)
        folder.mkdir()
        lines = [f"{name}={text}" for name, text in point.items()]
        done = swath(folder, *DIGITS, *lines, f"max_steps={trials[number]['max_steps']}")
        assert done.returncode == 0, done.stderr
        tags = "select key, value from tags where key in ('swath.bits', 'swath.fingerprint')"
        found = dict(query_store(folder, tags))
        assert found["swath.bits"] == trials[number]["swath.bits"]
        assert found["swath.fingerprint"] == trials[number]["swath.fingerprint"]


def test_trial_is_reproduced_also_where_the_test_images_were_not_evaluated(tmp_path: Path) -> None:
    assert swath(tmp_path, *SEARCH, "search.confirm=0").returncode == 0
    trials = trials_of(tmp_path)
    for steps in ("10", "100"):
        (run_id, *_) = (entry["run_id"] for entry in trials.values() if entry["max_steps"] == steps)
        done = swath_reproduce(tmp_path, run_id)
        assert "identical, bit for bit" in done.stdout + done.stderr
        made = re.search(r"test accuracy (0\.\d+), which the search did not evaluate", done.stdout)
        assert (made is not None) == (steps == "10")


def test_search_that_was_killed_ends_as_one_that_was_not(searched: tuple[Path, Any], tmp_path: Path) -> None:
    arguments = (*SEARCH, "search.test=all", "checkpoint.every_s=0.1")
    for resume, rung in (("no", 10), ("yes", 40)):
        swath(tmp_path, *arguments, f"resume={resume}", patch=KILL.format(rung=rung))
    done = swath(tmp_path, *arguments, "resume=yes")
    assert done.returncode == 0, done.stderr
    assert decided(tmp_path) == decided(searched[0])
    assert query_store(tmp_path, REPEATED) == [(0,)]


KILL = """
import os, signal
import swath.searching.driver as driver
decide = driver.Search._decide_rungs
def decide_and_die(self):
    found = decide(self)
    if any(self._plan.rungs.steps[rung] == {rung} for _, rung, _ in self.outcome.decisions):
        os.kill(os.getpid(), signal.SIGKILL)
    return found
driver.Search._decide_rungs = decide_and_die
"""


def test_resumed_search_that_is_done_trains_nothing(searched: tuple[Path, Any]) -> None:
    before = decided(searched[0])
    done = swath(searched[0], *SEARCH, "search.test=all", "resume=yes")
    assert done.returncode == 0, done.stderr
    assert decided(searched[0]) == before


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["learning_rate=interval(1e-2,1e-5)"], "the ends are reversed; expected interval(1e-05,0.01)"),
        (["l2=tag(log,interval(0,1))"], "expected a lower end above 0, because of tag(log,...)"),
        (["batch_size=interval(0,20)"], "batch_size=interval(0,20): expected a whole number of images"),
        (["batch_size=interval(20.2,20.8)"], "no whole number lies between 20.2 and 20.8"),
        (["schedule=interval(1,2)"], "schedule has no interval; type its values"),
        (["learning_rate=1e-5,1e-4", "search.trails=3"], "did you mean search.trials?"),
        (
            ["learning_rate=1e-5,1e-4", "search.sampler=cmaes"],
            "search.sampler=cmaes: its state is not in the store",
        ),
        (["learning_rate=interval(1e-5,1e-4)", "search.sampler=grid"], "learning_rate is an interval"),
    ],
)
def test_mistake_is_one_line_and_starts_nothing(arguments: list[str], line: str, tmp_path: Path) -> None:
    done = swath(tmp_path, "-m", *arguments, *DIGITS)
    assert done.returncode == 2
    assert len(error_lines(done.stderr)) == 1
    assert line in done.stderr
    assert list(tmp_path.iterdir()) == []
