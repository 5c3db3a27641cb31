"""What is waited for while a sweep is watched, and for how long."""

import itertools
import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from swath.cli import watch as watching
from swath.errors import SwathError, UsageError
from swath.sweeps import LaunchedSweep, Standing
from swath.tracking import Lot, StoredRun, schema, this_process

AWAY = OperationalError(None, {}, Exception("connection to server failed: Connection refused"))


def standing(status: str = "RUNNING", running: int = 0, **tags: str) -> Standing:
    names = {"engine": schema.ENGINE, "launcher": schema.LAUNCHER}
    all_tags = {schema.SWEEP_ID: "0123456789ab", schema.SWEEP: "grid"}
    all_tags |= {names[name]: value for name, value in tags.items()}
    summary = StoredRun("s", "1", "", status, 0, None, "", {}, {}, all_tags)
    sweep = LaunchedSweep(summary, (Lot(0, state="waiting"),))
    return Standing(sweep, Counter(FINISHED=1), 1, 10, 10, None, Counter(running=running), 0.0)


def test_why_workers_wait_is_said_once() -> None:
    found = replace(
        standing(running=1, engine="slurm 7/4"),
        tasks=Counter(running=1, waiting=3),
        waiting_for=Counter({"Resources": 2, "Slurm holds 7_3: held": 1}),
    )
    workers = "slurm: 1 worker running, 3 waiting (Resources; Slurm holds 7_3: held)"
    assert workers in watching.lines_of(found, None)
    assert watching.values_of(found, None)["waiting_for"] == {"Resources": 2, "Slurm holds 7_3: held": 1}
    assert "slurm: 1 worker running, 0 waiting" in watching.lines_of(
        standing(running=1, engine="slurm 7/1"), None
    )


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that moves only while the command sleeps."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(watching.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(watching.time, "sleep", sleep)
    monkeypatch.setattr(watching, "open_reader", lambda uri: None)
    return now


def answers(monkeypatch: pytest.MonkeyPatch, *found: Any) -> None:
    """What the store answers, one after the other; the last one again and again."""
    each = itertools.chain(found, itertools.repeat(found[-1]))

    def standing_of(reader: object, which: str) -> Standing:
        answer = next(each)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Standing)
        return answer

    monkeypatch.setattr(watching, "standing_of", standing_of)


def test_store_that_is_restarted_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    running = standing(running=1, engine="slurm 1/1")
    answers(monkeypatch, running, *[AWAY] * 20, running, standing("FINISHED", engine="slurm 1/1"))
    assert watching.watch(None, "grid") == 0
    words = "waiting for the store: the database does not answer (Connection refused); is it running?"
    assert capsys.readouterr().err.count(words) == 1


def test_store_that_stays_away_is_given_up_after_ten_minutes(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    answers(monkeypatch, standing(running=1, engine="slurm 1/1"), AWAY)
    with pytest.raises(SwathError, match="the database does not answer"):
        watching.watch(None, "grid")
    assert 600 <= clock[0] < 610


def test_store_that_never_answered_is_an_error_at_once(
    monkeypatch: pytest.MonkeyPatch, clock: list[float]
) -> None:
    answers(monkeypatch, AWAY)
    with pytest.raises(SwathError, match="the database does not answer"):
        watching.watch(None, "grid")
    assert clock[0] == 0
    answers(monkeypatch, AWAY, standing("FINISHED", engine="slurm 1/1"))
    assert watching.watch(None, "grid", answered=True) == 0  # the command that has just written it


def test_other_errors_are_not_waited_for(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    answers(monkeypatch, UsageError("grid: the store has no such sweep"))
    with pytest.raises(UsageError):
        watching.watch(None, "grid", answered=True)
    assert clock[0] == 0


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({}, "no engine was given its lots; its command with resume=yes gives them"),
        (
            {"engine": "slurm swath-0-ab/1", "launcher": json.dumps({**this_process(), schema.HOST: "n9"})},
            "on n9 has not started its workers; swath-stop stops the sweep",
        ),
    ],
)
def test_engine_that_is_not_there_yet_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    clock: list[float],
    tags: dict[str, str],
    words: str,
) -> None:
    answers(monkeypatch, standing(**tags))
    with pytest.raises(SwathError, match=words):
        watching.watch(None, "grid")
    assert 120 <= clock[0] < 130
    assert capsys.readouterr().err.count("waiting for workers: they are being started") == 1
    finished = standing("FINISHED", engine="slurm 1/1")
    answers(monkeypatch, *[standing(**tags)] * 30, standing(running=1, engine="slurm 1/1"), finished)
    assert watching.watch(None, "grid") == 0


def test_engine_without_workers_is_told_soon(monkeypatch: pytest.MonkeyPatch, clock: list[float]) -> None:
    dead = json.dumps({**this_process(), schema.PID_START: "1.00"})
    answers(monkeypatch, standing(engine="slurm 1/1", launcher=dead))
    with pytest.raises(SwathError, match="no worker is left and 1 lots are not done"):
        watching.watch(None, "grid")
    assert clock[0] < 10
