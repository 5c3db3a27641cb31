"""Searches whose trials are trained by worker processes: the decisions, bits and rows of one process."""

import json
import subprocess
from pathlib import Path

import pytest
from support.command import SWATH, error_lines, swath, swath_reproduce
from support.searches import DIGITS, decided, trials_of
from support.waiting import query_store, wait_for

SPACE = ("-m", "learning_rate=tag(log,interval(1e-8,1e-4))", "batch_size=20,50")
SEARCH = (
    *SPACE,
    *DIGITS,
    "max_steps=90",
    "search.trials=6",
    "search.round=3",
    "search.first_steps=30",
    "search.confirm=1",
    "tracking.every_steps=7",
)

DIE_ONCE = """
import os, pathlib, signal
import swath.searching.stages as stages
given = stages.{name}
def die_once(*arguments):
    died = pathlib.Path("died")
    found = given(*arguments) if {later} else None
    if not died.exists():
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return found if {later} else given(*arguments)
stages.{name} = die_once
"""


def die_once(name: str, *, later: bool = False) -> str:
    """A patch of a worker that dies when it calls a function the first time, or once that has returned."""
    return DIE_ONCE.format(name=name, later=later)


DIE_IN_A_LOT = """
import os, pathlib, signal
from swath.execution.trial_run import TrialRun
given = TrialRun.finish
def die_once(self, *arguments):
    died = pathlib.Path("died")
    if self.config.max_steps == 30 and not died.exists():
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return given(self, *arguments)
TrialRun.finish = die_once
"""

FAIL = """
from swath.execution.trial_run import TrialRun
given = TrialRun.finish
def fail(self, *arguments):
    if self.config.batch_size == 20:
        raise RuntimeError("a fault of the program")
    return given(self, *arguments)
TrialRun.finish = fail
"""


def patched(folder: Path, patch: str) -> dict[str, str]:
    """Environment in which workers, and no other process, run a patch first."""
    place = folder / "patch"
    place.mkdir()
    lines = [f"    {line}" for line in patch.splitlines()]
    content = ["import sys", "if 'swath.cli.worker' in sys.orig_argv:", "    pass", *lines]
    (place / "sitecustomize.py").write_text("\n".join(content))
    return {"PYTHONPATH": str(place)}


@pytest.fixture(scope="module")
def by_threads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the search, trained by threads; do not change it."""
    folder = tmp_path_factory.mktemp("threads")
    done = swath(folder, *SEARCH)
    assert done.returncode == 0, done.stderr
    return folder


def confirmed(folder: Path) -> list[tuple[object, ...]]:
    """Fingerprint and bits of each run that confirms a finalist."""
    return query_store(
        folder,
        "select f.value, b.value from tags f join tags b using (run_uuid) join tags s using (run_uuid) "
        "where f.key = 'swath.fingerprint' and b.key = 'swath.bits' "
        "and s.key = 'swath.search.stage' and s.value = 'confirm' order by 1",
    )


def rows(folder: Path) -> list[tuple[object, ...]]:
    """Every metric of every step, by fingerprint and stage; not those that tell of the machine."""
    return query_store(
        folder,
        "select f.value, s.value, m.key, m.step, m.value from metrics m join tags f using (run_uuid) "
        "join tags s using (run_uuid) where f.key = 'swath.fingerprint' and s.key = 'swath.search.stage' "
        "and m.key not like '%\\_s' escape '\\' and m.key not like 'system/%' "
        "and m.key not like 'runtime/%' order by 1, 2, 3, 4",
    )


def assert_as_by_threads(folder: Path, by_threads: Path) -> None:
    assert decided(folder) == decided(by_threads)
    assert confirmed(folder) == confirmed(by_threads)
    assert rows(folder) == rows(by_threads)
    assert query_store(folder, "select distinct status from runs") == [("FINISHED",)]


@pytest.mark.parametrize(
    "patch",
    [
        pytest.param("", id="undisturbed"),
        pytest.param(DIE_IN_A_LOT, id="a worker dies in the middle of a lot"),
        pytest.param(die_once("_stage_of_worker"), id="before it has decided"),
        pytest.param(die_once("start_workers"), id="before it has started the next stage"),
        pytest.param(die_once("start_workers", later=True), id="after it has started the next stage"),
    ],
)
def test_workers_search_as_one_process_does(patch: str, by_threads: Path, tmp_path: Path) -> None:
    done = swath(
        tmp_path, *SEARCH, "executor=processes", "checkpoint.every_s=0.1", **patched(tmp_path, patch)
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "died").exists() == bool(patch)
    assert "6 first trials" not in done.stderr
    assert "3 first trials in" in done.stderr
    assert_as_by_threads(tmp_path, by_threads)
    if patch:
        return
    best = "select value from tags where key = 'swath.best_run_id'"
    of_best = "select value from tags where key = 'swath.bits' and run_uuid in (" + best + ")"
    assert query_store(tmp_path, of_best) == query_store(by_threads, of_best)
    (sweep_id,) = {str(each["swath.sweep_id"]) for each in trials_of(tmp_path).values()}
    verdict = swath_reproduce(tmp_path, "--sweep", sweep_id)
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr
    assert "identical, bit for bit" in verdict.stdout
    again = swath(tmp_path, *SEARCH, "executor=processes", "resume=yes")
    assert "Nothing to do: the search has finished before." in again.stderr


def test_search_of_workers_goes_on_in_one_process(by_threads: Path, tmp_path: Path) -> None:
    patch = die_once("_start").replace("if not died.exists()", "if True")
    done = swath(tmp_path, *SEARCH, "executor=processes", "executor.wait=false", **patched(tmp_path, patch))
    assert done.returncode == 0, done.stderr
    sweep_id = done.stderr.partition("swath-watch ")[2].split(";")[0]
    wait_for((tmp_path / "died").exists, timeout_s=120)
    stopped = subprocess.run(
        [str(SWATH.with_name("swath-stop")), sweep_id], cwd=tmp_path, capture_output=True, text=True
    )
    assert "its command with resume=yes goes on." in stopped.stdout
    resumed = swath(tmp_path, *SEARCH, "resume=yes")
    assert resumed.returncode == 0, resumed.stderr
    assert_as_by_threads(tmp_path, by_threads)


def test_trials_that_fail_are_not_trained_for_ever(tmp_path: Path) -> None:
    done = swath(tmp_path, *SEARCH, "executor=processes", **patched(tmp_path, FAIL))
    assert done.returncode == 1
    failed = "select count(*) from runs where status = 'FAILED'"
    points = (json.loads(str(each["swath.search.point"])) for each in trials_of(tmp_path).values())
    small = [each for each in points if each["batch_size"] == "20"]
    assert query_store(tmp_path, failed) == [(len(small),)]
    assert len(small) > 1
    ended = "select status from runs join tags using (run_uuid) where key = 'swath.kind' and value = 'sweep'"
    assert query_store(tmp_path, ended) == [("FINISHED",)]


@pytest.mark.parametrize("limit", ["search.within_s=60", "search.patience=2"])
def test_limit_that_workers_do_not_know_is_one_line(limit: str, tmp_path: Path) -> None:
    done = swath(tmp_path, *SEARCH, "executor=processes", limit)
    assert done.returncode == 2
    (line,) = error_lines(done.stderr)
    name = limit.partition("=")[0]
    assert f"executor=processes: {name} is known with executor=threads only; search.trials or" in line
    assert not (tmp_path / "mlflow.db").exists()


def test_workers_know_the_folder_of_the_users_configs(tmp_path: Path) -> None:
    (tmp_path / "mine" / "optimizer").mkdir(parents=True)
    (tmp_path / "mine" / "optimizer" / "slow.yaml").write_text("name: momentum\nmomentum: 0.5\n")
    space = ("-m", "learning_rate=1e-6,1e-5", "optimizer=sgd,slow", *DIGITS, "max_steps=20")
    search = ("search.sampler=random", "search.trials=3", "search.round=1", "search.halving=false")
    done = swath(tmp_path, "--config-dir", "mine", *space, *search, "search.confirm=0", "executor=processes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(decided(tmp_path)) == 3
