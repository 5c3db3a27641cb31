"""`swath-reproduce` of searches: decisions, numbers, interrupted ones, and single trials."""

import json
import shlex
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.command import error_lines, swath, swath_reproduce
from support.waiting import query_store, wait_for

DIGITS = ("data=digits", "data.validation_size=300", "max_steps=60")
SEARCH = (
    "-m",
    "learning_rate=tag(log,interval(1e-8,1e36))",
    "batch_size=20,50",
    "schedule=constant,cosine",
    *DIGITS,
    "search.trials=16",
    "search.round=8",
    "search.confirm=1",
    "search.confirm_seeds=1",
)
"""Two rounds, with rungs at 6, 24 and 60 steps; some trials diverge."""

OWN_FILE = """
defaults: [config, override data: digits, _self_]
data: {validation_size: 300}
max_steps: 20
l2: 0.01
hydra: {mode: MULTIRUN, sweeper: {params: {learning_rate: "tag(log,interval(1e-8,1e-4))"}}}
search: {trials: 6, confirm: 0}
"""

KILL = """
import os, signal
import swath.searching.driver as driver
start = driver.Search._start
def start_or_die(self, states, rung):
    if self._plan.rungs.steps[rung] == 60:
        os.kill(os.getpid(), signal.SIGKILL)
    start(self, states, rung)
driver.Search._start = start_or_die
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a search; do not change it."""
    folder = tmp_path_factory.mktemp("searched")
    done = swath(folder, *SEARCH)
    assert done.returncode == 0, done.stderr
    return folder


def trials_of(folder: Path) -> list[dict[str, Any]]:
    """Params, tags, metrics and status of the trials."""
    found = []
    query = "select run_uuid from tags where key = 'swath.search.stage' and value = 'trial'"
    for (run_id,) in query_store(folder, query):
        entry: dict[str, Any] = {"run_id": run_id}
        for table in ("params", "tags", "latest_metrics"):
            rows = query_store(folder, f"select key, value from {table} where run_uuid = '{run_id}'")
            entry |= dict(rows)
        ((entry["status"],),) = query_store(folder, f"select status from runs where run_uuid = '{run_id}'")
        found.append(entry)
    return found


def weights(folder: Path, run_id: str) -> dict[str, bytes]:
    (path,) = (folder / "mlruns").glob(f"*/{run_id}/artifacts/weights.npz")
    with np.load(path) as stored:
        return {name: stored[name].tobytes() for name in stored}


def test_search_with_trials_that_diverge_is_reproduced_bit_for_bit(folder: Path, tmp_path: Path) -> None:
    trials = trials_of(folder)
    assert {entry["status"] for entry in trials} == {"FINISHED", "FAILED"}
    done = swath_reproduce(tmp_path, "--sweep", "ad-hoc", "--uri", f"sqlite:///{folder}/mlflow.db")
    assert done.returncode == 0, done.stdout + done.stderr
    first, *others = done.stdout.splitlines()
    assert first.endswith(
        "every decision follows from the stored values: 16 trials, 6 rungs of rounds, 1 confirming run"
    )
    assert [line.split("  ")[1].partition(";")[0] for line in others] == ["identical, bit for bit"] * 17


def test_best_run_alone_is_trained_after_all_decisions(folder: Path) -> None:
    done = swath_reproduce(folder, "--sweep", "ad-hoc", "--best")
    assert done.returncode == 0, done.stderr
    decisions, best = done.stdout.splitlines()
    assert "every decision follows" in decisions
    ((run_id,),) = query_store(folder, "select value from tags where key = 'swath.best_run_id'")
    assert best == f"{run_id}  identical, bit for bit"


def change(folder: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        assert database.execute(statement, values).rowcount >= 1
        database.commit()


def test_first_decision_that_does_not_follow_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(OWN_FILE, encoding="utf-8")
    assert swath(tmp_path, "--config-dir", ".", "-cn", "mine").returncode == 0
    (tmp_path / "mine.yaml").unlink()
    follows = swath_reproduce(tmp_path, "--sweep", "mine", "--decisions")
    assert (follows.returncode, follows.stdout.count("\n")) == (0, 1), follows.stdout
    trials = {entry["swath.search.trial"]: entry for entry in trials_of(tmp_path)}
    stopped = next(entry for entry in trials.values() if entry["max_steps"] == "2")
    where = "run_uuid = ? and key in ('rung/accuracy', 'validation/accuracy')"
    for table in ("metrics", "latest_metrics"):
        change(tmp_path, f"update {table} set value = 0.99 where {where}", stopped["run_id"])
    differs = swath_reproduce(tmp_path, "--sweep", "mine", "--decisions")
    number = stopped["swath.search.trial"]
    assert differs.returncode == 1
    assert differs.stdout.endswith(
        f"differs: trial {number} was stopped at 2 steps, but its value 0.9900 is place 1 of 6: it goes on "
        "(the first decision that does not follow)\n"
    )


def test_interrupted_search_is_checked_as_far_as_it_came(tmp_path: Path) -> None:
    swath(tmp_path, *SEARCH, patch=KILL)
    # The tracking process outlives it by what it has received.
    ended = "select 1 from runs join tags using (run_uuid) where value = 'sweep' and status = 'KILLED'"
    wait_for(lambda: bool(query_store(tmp_path, ended)))
    done = swath_reproduce(tmp_path, "--sweep", "ad-hoc", "--decisions")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every decision follows from the stored values: 16 trials" in done.stdout
    assert "; not there: " in done.stdout
    assert " at 60 steps" in done.stdout
    assert swath(tmp_path, *SEARCH, "resume=yes").returncode == 0
    done = swath_reproduce(tmp_path, "--sweep", "ad-hoc", "--decisions")
    assert done.stdout.endswith("16 trials, 6 rungs of rounds, 1 confirming run\n")


def test_extended_search_follows(folder: Path, tmp_path: Path) -> None:
    assert swath(tmp_path, *SEARCH).returncode == 0
    assert swath(tmp_path, *SEARCH, "search.trials=24", "resume=yes").returncode == 0
    done = swath_reproduce(tmp_path, "--sweep", "ad-hoc", "--decisions")
    assert done.returncode == 0, done.stdout
    assert "24 trials, 9 rungs of rounds" in done.stdout
    assert "not there" not in done.stdout


def test_search_that_its_clock_has_ended_follows(tmp_path: Path) -> None:
    arguments = [each for each in SEARCH if not each.startswith(("search.trials", "max_steps"))]
    done = swath(tmp_path, *arguments, "max_steps=3000", "search.within_s=6")
    assert done.returncode in (0, 1), done.stderr  # 1 if no trial has ended in time
    found = swath_reproduce(tmp_path, "--sweep", "ad-hoc", "--decisions")
    assert found.returncode == 0, found.stdout + found.stderr
    assert "; not there: " in found.stdout


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_command_that_is_shown_of_a_trial_gives_its_weights(
    folder: Path, tmp_path: Path, schedule: str
) -> None:
    (trial, *_) = (
        entry
        for entry in trials_of(folder)
        if (entry["max_steps"], entry["schedule"], entry["status"]) == ("6", schedule, "FINISHED")
    )
    shown = swath_reproduce(folder, trial["run_id"], "--show").stdout.splitlines()
    (note,) = (line for line in shown if line.startswith("# trial "))
    assert note == f"# trial {trial['swath.search.trial']} of a search, {trial['swath.search.why']}"
    assert any("same weights" in line for line in shown)
    (command,) = (shlex.split(line)[1:] for line in shown if line.startswith("swath data="))
    assert "max_steps=6" in command
    assert ("schedule_steps=60" in command) == (schedule == "cosine")
    assert swath(tmp_path, *command).returncode == 0
    by_hand = (
        *DIGITS[:2],
        *(f"{name}={text}" for name, text in json.loads(trial["swath.search.point"]).items()),
        "max_steps=6",
        *(["schedule_steps=60"] if schedule == "cosine" else []),
    )
    assert swath(tmp_path, *by_hand).returncode == 0
    stored = query_store(tmp_path, "select run_uuid, value from tags where key = 'swath.fingerprint'")
    assert {value for _, value in stored} == {trial["swath.fingerprint"]}
    for run_id, _ in stored:
        assert weights(tmp_path, run_id) == weights(folder, trial["run_id"])
        ((value,),) = query_store(
            tmp_path,
            f"select value from latest_metrics where key = 'validation/loss' and run_uuid = '{run_id}'",
        )
        assert value == trial["validation/loss"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["a", "--best"], "--best: only with --sweep SWEEP"),
        (["a", "--decisions"], "--decisions: only with --sweep SWEEP"),
        (["--sweep", "ad-hoc", "--decisions", "--best"], "remove --record, --show and --best"),
    ],
)
def test_mistake_is_one_line(folder: Path, arguments: list[str], line: str) -> None:
    done = swath_reproduce(folder, *arguments)
    assert done.returncode == 2
    (found,) = error_lines(done.stderr, "swath-reproduce")
    assert line in found


def test_decisions_are_those_of_a_search(tmp_path: Path) -> None:
    assert swath(tmp_path, "-m", *DIGITS, "learning_rate=1e-6,1e-5", "max_steps=2").returncode == 0
    done = swath_reproduce(tmp_path, "--sweep", "ad-hoc", "--decisions")
    assert done.returncode == 2
    (line,) = error_lines(done.stderr, "swath-reproduce")
    assert "--decisions: ad-hoc is no search; leave out --decisions" in line
