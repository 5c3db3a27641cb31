"""Searches that are limited, made longer, changed, or without a value."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.command import error_lines, swath
from support.searches import DIGITS, decided, trials_of
from support.waiting import query_store

NAMED = ("-cn", "search", *DIGITS, "learning_rate=tag(log,interval(1e-8,1e-4))", "batch_size=20,50")
SMALL = (*NAMED, "max_steps=100", "search.confirm=1", "search.confirm_seeds=1", "search.trials=8")


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a named search; do not change it."""
    folder = tmp_path_factory.mktemp("named")
    done = swath(folder, *SMALL)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("search.seed=1", "search.seed: 0, now 1"),
        ("search.factor=2", "search.factor: 4, now 2"),
        ("search.sampler=random", "search.sampler: qmc, now random"),
        ("batch_size=20,40", "space: batch_size=20,50, now batch_size=20,40"),
        ("l2=0.1", "fixed: l2=0.0, now l2=0.1"),
    ],
)
def test_named_search_that_has_changed_is_not_resumed(change: str, line: str, searched: Path) -> None:
    before = decided(searched)
    done = swath(searched, *SMALL, "resume=yes", change)
    assert done.returncode == 1
    assert len(error_lines(done.stderr)) == 1
    assert line in done.stderr
    assert "start a new one without resume" in done.stderr
    assert decided(searched) == before


def test_more_trials_are_further_rounds(searched: Path, tmp_path: Path) -> None:
    assert swath(tmp_path, *SMALL).returncode == 0
    first = decided(tmp_path)
    assert first == decided(searched)
    done = swath(tmp_path, *SMALL, "resume=yes", "search.trials=20")
    assert done.returncode == 0, done.stderr
    trials = decided(tmp_path)
    assert len(trials) == 20
    assert {number: trials[number] for number in first} == first
    rounds = [entry["swath.search.round"] for _, entry in sorted(trials_of(tmp_path).items())]
    assert rounds == ["0"] * 8 + ["1"] * 12
    points = [json.loads(entry["swath.search.point"]) for entry in trials_of(tmp_path).values()]
    assert len({tuple(point.items()) for point in points}) == 20


def test_winner_is_the_best_mean_of_the_confirmed(searched: Path) -> None:
    stages = "select count(*) from tags where key = 'swath.search.stage' and value = 'confirm'"
    assert query_store(searched, stages) == [(1,)]
    best = "select value from tags where key = 'swath.best_run_id'"
    ((run_id,),) = query_store(searched, best)
    of_best = f"select value from tags where key = 'swath.search.trial' and run_uuid = '{run_id}'"
    ((trial,),) = query_store(searched, of_best)
    confirmed = (
        "select t.value from tags t join tags s on t.run_uuid = s.run_uuid "
        "where t.key = 'swath.search.trial' and s.key = 'swath.search.stage' and s.value = 'confirm'"
    )
    assert query_store(searched, confirmed) == [(trial,)]


def test_search_ends_by_the_clock_and_goes_on_later(tmp_path: Path) -> None:
    endless = (*NAMED, "max_steps=2000", "search.confirm=1", "search.round=4", "checkpoint.every_s=0.2")
    done = swath(tmp_path, *endless, "search.within_s=9", "search.trials=400")
    assert done.returncode == 0, done.stderr
    assert "search.within_s" in done.stderr or "no time is left for another round" in done.stderr
    first = trials_of(tmp_path)
    ended = {number: entry for number, entry in first.items() if "swath.search.why" in entry}
    assert 4 <= len(first) < 400
    more = swath(tmp_path, *endless, "search.trials=12", "resume=yes")
    assert more.returncode == 0, more.stderr
    whole = trials_of(tmp_path)
    for number, entry in ended.items():
        assert whole[number]["swath.bits"] == entry["swath.bits"]
        assert whole[number]["swath.search.why"] == entry["swath.search.why"]
    assert all("swath.search.why" in entry for entry in whole.values())


def test_search_is_limited_by_steps(tmp_path: Path) -> None:
    done = swath(tmp_path, *NAMED, "max_steps=100", "search.within_steps=2000", "search.confirm=1")
    assert done.returncode == 0, done.stderr
    steps = "select count(*) from metrics where key = 'train/loss'"
    ((trained,),) = query_store(tmp_path, steps)
    assert 1_000 < trained <= 2_000


def test_resumed_search_is_within_its_steps(tmp_path: Path) -> None:
    arguments = ("-m", "data=digits", "model=mlp", "learning_rate=tag(log,interval(1e-7,1e-3))")
    limited = (*arguments, "max_steps=100", "search.confirm=0", "tracking.postprocess=off")
    steps = "select count(*) from metrics where key = 'train/loss'"
    first = swath(tmp_path, *limited, "search.within_steps=250")
    assert first.returncode == 0, first.stderr
    ((before,),) = query_store(tmp_path, steps)
    assert 100 <= before <= 250
    more = swath(tmp_path, *limited, "search.within_steps=400", "resume=yes")
    assert more.returncode == 0, more.stderr
    ((trained,),) = query_store(tmp_path, steps)
    assert before <= trained <= 400
    assert all("swath.search.why" in entry for entry in trials_of(tmp_path).values())


AT_ONCE = """
import swath.searching.driver as driver
driver.Clock.left_s = property(lambda self: 0.0)
"""


def test_trials_that_the_clock_put_down_came_to_no_rung(tmp_path: Path) -> None:
    endless = (*NAMED, "max_steps=20000", "search.trials=4", "search.within_s=500", "search.confirm=0")
    done = swath(tmp_path, *endless, patch=AT_ONCE)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    lines = done.stdout.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("rung"))
    rows = [line.split() for line in lines[start + 1 : start + 4]]
    assert rows == [["2,000", "0", "0", "0"], ["8,000", "0", "0", "0"], ["20,000", "0", "0", "0"]]


def test_search_without_any_value_fails_and_says_why(tmp_path: Path) -> None:
    done = swath(
        tmp_path,
        "-m",
        *DIGITS,
        "model=mlp",
        "learning_rate=interval(1e20,1e30)",
        "max_steps=20",
        "search.trials=4",
    )
    assert done.returncode == 1
    assert "diverged at step" in done.stderr
    assert query_store(tmp_path, "select count(*) from runs where status = 'FAILED'")[0][0] >= 4


def test_exhausted_space_is_said(tmp_path: Path) -> None:
    done = swath(
        tmp_path,
        "-m",
        *DIGITS,
        "batch_size=interval(20,22)",
        "max_steps=20",
        "search.trials=50",
        "search.confirm=0",
    )
    assert done.returncode == 0, done.stderr
    assert len(trials_of(tmp_path)) == 3


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["search.within_steps=50"], "search.within_steps=50: one trial with its confirming runs takes"),
        (["search.within_s=0"], "search.within_s=0: expected a number of seconds above 0"),
        (["search.first_steps=200"], "search.first_steps=200: expected at most max_steps=100"),
        (["data.validation_size=0"], "a search ranks trials on validation images"),
        (["search.when=[augment]"], "search.when: 'augment': expected FIELD=VALUE: FIELD=VALUES"),
        (["hydra.sweeper.n_trials=0"], "hydra.sweeper.n_trials=0: expected a whole number of trials"),
        (["hydra.sweeper.sampler=cmaes"], "could not be resumed exactly"),
    ],
)
def test_mistake_is_one_line_and_starts_nothing(arguments: list[str], line: str, tmp_path: Path) -> None:
    done = swath(tmp_path, *NAMED, "max_steps=100", *arguments)
    assert done.returncode == 2
    assert len(error_lines(done.stderr)) == 1
    assert line in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_names_of_other_sweepers_make_a_search(tmp_path: Path) -> None:
    done = swath(
        tmp_path,
        "-m",
        *DIGITS,
        "learning_rate=1e-7,1e-6,1e-5",
        "max_steps=20",
        "hydra.sweeper.n_trials=3",
        "hydra.sweeper.direction=minimize",
        "search.confirm=0",
    )
    assert done.returncode == 0, done.stderr
    assert len(trials_of(tmp_path)) == 3
    whys: list[Any] = [entry["swath.search.why"] for entry in trials_of(tmp_path).values()]
    assert sum("trained to its full length" in why for why in whys) == 1
