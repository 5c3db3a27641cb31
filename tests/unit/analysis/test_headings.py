"""What names a sweep, and the lines around a ranking."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from swath.analysis import Sweep
from swath.analysis.importance import Effect, Effects, importance_lines
from swath.analysis.ranking import failure_line, ranked_by
from swath.cli.compare_notes import state_lines
from swath.tracking import StoredRun

LINE_LENGTH = 100
START_MS = 1_767_323_045_000
STORE = "sqlite:///mlflow.db"


def run(number: int, status: str = "FINISHED", **tags: str) -> StoredRun:
    named = {"mlflow.user" if name == "user" else f"swath.{name}": value for name, value in tags.items()}
    return StoredRun(f"{number:032x}", "1", "a run", status, START_MS + number, None, "", {}, {}, named)


@pytest.fixture(autouse=True)
def in_paris() -> Iterator[None]:
    """Dates are local."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Europe/Paris")
        time.tzset()
        yield
    time.tzset()


def test_heading_has_name_id_local_date_owner_and_store() -> None:
    sweep = Sweep("grid", "0123456789ab", (run(1, user="bob"),), run(0, user="ada"))
    assert sweep.heading(STORE) == f"Sweep grid 0123456789ab of 2026-01-02 04:04 by ada, in {STORE}"


def test_heading_without_a_summary_run_takes_the_owner_of_the_first_run() -> None:
    sweep = Sweep("grid", "0123456789ab", (run(1, user="bob"),), None)
    assert sweep.heading(STORE) == f"Sweep grid 0123456789ab of 2026-01-02 04:04 by bob, in {STORE}"


def test_heading_of_runs_without_an_owner_names_none() -> None:
    sweep = Sweep("grid", "0123456789ab", (run(1),), None)
    assert sweep.heading(STORE) == f"Sweep grid 0123456789ab of 2026-01-02 04:04, in {STORE}"


def test_date_of_a_sweep_is_its_earliest_start() -> None:
    late = replace(run(0, user="ada"), start_ms=START_MS + 3_600_000)
    assert " of 2026-01-02 04:04 " in Sweep("grid", "ab", (run(1),), late).heading(STORE)


def test_summary_run_without_runs_has_a_heading() -> None:
    assert Sweep("grid", "ab", (), run(0, user="ada")).heading(STORE).startswith("Sweep grid ab of ")


def test_several_sweeps_as_one_have_their_number_dates_and_owners() -> None:
    runs = (run(1, user="bob"), run(7_200_000, user="ada"), run(3, user="bob"))
    sweep = Sweep("grid", "0123456789ab", runs, None, 2)
    assert sweep.heading(STORE) == (
        f"All 2 sweeps grid of 2026-01-02 04:04 to 2026-01-02 06:04 by bob, ada, in {STORE}"
    )
    many = Sweep("grid", "ab", tuple(run(number, user=f"user{number}") for number in range(9)), None, 9)
    assert " by user0, user1, user2 and 6 others, in " in many.heading(STORE)
    assert len(many.heading(STORE).removesuffix(f", in {STORE}")) <= LINE_LENGTH
    nobody = Sweep("grid", "ab", (run(1),), None, 2)
    assert nobody.heading(STORE).endswith(f" 04:04, in {STORE}")


def test_ranking_by_the_test_images_has_a_caveat() -> None:
    assert ranked_by("test/accuracy", False, False) == (
        "Ranked by test/accuracy; no images held back, so the best score is optimistic."
    )
    assert ranked_by("test/accuracy", True, True) == "Ranked by test/accuracy (mean over seeds)."


def test_failure_names_the_beginning_of_the_run_id() -> None:
    assert failure_line("FAILED", "seed=1", "diverged", "0123456789abcdef") == (
        "FAILED seed=1: diverged (run 01234567)"
    )
    assert failure_line("KILLED", "seed=1", None) == "KILLED seed=1: no reason was stored"


def effects_of(*fields: str) -> Effects:
    means = {"100": 0.1, "1000000": 0.5}
    return Effects(tuple(Effect(field, 0.25, means) for field in fields), 0.25, 0.25)


@pytest.mark.parametrize("over_seeds", [False, True])
def test_line_of_the_ranking_is_short(over_seeds: bool) -> None:
    assert len(ranked_by("test/accuracy", over_seeds, False)) <= LINE_LENGTH


@pytest.mark.parametrize(
    "fields",
    [
        ("learning_rate",),
        ("learning_rate", "batch_size"),
        ("learning_rate", "batch_size", "max_steps"),
        ("learning_rate", "batch_size", "max_steps", "preprocessing"),
    ],
    ids=len,
)
def test_lines_of_importance_are_short(fields: tuple[str, ...]) -> None:
    lines = importance_lines(effects_of(*fields), "validation/accuracy", "seed")
    assert [line for line in lines if len(line) > LINE_LENGTH] == []


def test_lines_of_a_running_sweep_are_short() -> None:
    sweep = Sweep("grid", "0123456789ab", (run(1, "RUNNING"),), run(0, "RUNNING", asked_for="24"))
    assert [line for line in state_lines(sweep) if len(line) > LINE_LENGTH] == []
