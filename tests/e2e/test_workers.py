"""Sweeps whose lots are trained by worker processes: the same bits, each run once, whatever dies."""

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support.command import SWATH, error_lines, swath
from support.stores import curves_by_configuration
from support.waiting import has_steps, query_store, wait_for

GRID = ("-m", "data=digits", "learning_rate=1e-6,1e-5", "batch_size=50,100", "tracking.curves=file")
OFTEN = "checkpoint.every_s=0.5"
LENGTH = "max_steps=60000"
LONG = (*GRID, OFTEN, LENGTH)

ENDLESS = "max_steps=5000000"
"""For tests that stop the sweep."""

ENDED = "select status from runs join tags using (run_uuid) where key = 'swath.kind' and value = 'sweep'"


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the long sweep, trained by threads; do not change it."""
    folder = tmp_path_factory.mktemp("threads")
    assert swath(folder, *LONG).returncode == 0
    return folder


def command(folder: Path, name: str, *arguments: str) -> "tuple[int, str, str]":
    done = subprocess.run(
        [str(SWATH.with_name(name)), *arguments], cwd=folder, capture_output=True, text=True, timeout=300
    )
    return done.returncode, done.stdout, done.stderr


def bits(folder: Path) -> dict[object, object]:
    query = (
        "select f.value, b.value from tags f join tags b using (run_uuid) join runs using (run_uuid) "
        "where f.key = 'swath.fingerprint' and b.key = 'swath.bits' and status = 'FINISHED'"
    )
    found = query_store(folder, query)
    assert len(found) == len(dict(found))  # no configuration twice
    return dict(found)


def steps(folder: Path) -> list[tuple[object, ...]]:
    """Steps of each run, and how many of them differ."""
    query = "select count(*), count(distinct step) from metrics where key = 'train/loss' group by run_uuid"
    return query_store(folder, query)


def start(folder: Path, *more: str, length: str = LENGTH) -> str:
    """Start the long sweep with two workers; returns its id once both have stored steps."""
    done = swath(folder, *GRID, OFTEN, length, "executor=processes", "executor.wait=false", *more)
    assert done.returncode == 0, done.stderr
    assert "Closing this window stops nothing." in done.stderr
    query = "select count(distinct run_uuid) from latest_metrics where key = 'train/loss'"
    wait_for(lambda: has_steps(folder) and query_store(folder, query) == [(4,)])
    return done.stderr.partition("swath-watch ")[2].split(";")[0]


def worker_of(sweep_id: str, lot: int) -> psutil.Process:
    """The process that trains a lot."""
    for process in psutil.process_iter(["cmdline"]):
        if (process.info["cmdline"] or [])[-2:] == [sweep_id, str(lot)]:
            return process
    raise AssertionError(f"no worker of lot {lot}")


def has_ended(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    return True


def freeze(folder: Path, family: list[psutil.Process]) -> None:
    """Suspend processes at a moment when none of them holds the lock of the SQLite file."""
    while True:
        for process in family:
            process.suspend()
        with contextlib.closing(sqlite3.connect(folder / "mlflow.db", timeout=1)) as database:
            try:
                database.execute("begin immediate")
            except sqlite3.OperationalError:
                for process in family:
                    process.resume()
                continue
            database.rollback()
            return


def wait_until_ended(folder: Path) -> None:
    wait_for(lambda: query_store(folder, ENDED) == [("FINISHED",)], timeout_s=180)


def assert_as_by_threads(folder: Path, reference: Path) -> None:
    assert bits(folder) == bits(reference)
    assert steps(folder) == steps(reference)
    curves = [curves_by_configuration(f"sqlite:///{each}/mlflow.db") for each in (folder, reference)]
    assert curves[0] == curves[1]
    assert query_store(folder, "select status, count(*) from runs group by status") == [("FINISHED", 5)]


@pytest.fixture
def stopped_at_the_end(tmp_path: Path) -> Iterator[None]:
    """Leave no worker behind, whatever a test finds."""
    yield
    for (sweep_id,) in query_store(
        tmp_path,
        "select t.value from tags t join tags k using (run_uuid) "
        "where t.key = 'swath.sweep_id' and k.key = 'swath.kind' and k.value = 'sweep'",
    ):
        command(tmp_path, "swath-stop", str(sweep_id))


pytestmark = pytest.mark.usefixtures("stopped_at_the_end")


def test_workers_train_the_bits_of_one_process(reference: Path, tmp_path: Path) -> None:
    done = swath(tmp_path, *LONG, "executor=processes")
    assert done.returncode == 0, done.stderr
    assert "4 configurations in 2 lots, at most 2 workers at a time (processes " in done.stderr
    assert "lots: 2 of 2 done\nruns: 4 of 4 finished\nbest so far: test/accuracy" in done.stdout
    assert_as_by_threads(tmp_path, reference)
    (best,), (expected,) = (
        query_store(folder, "select value from latest_metrics where key = 'best/test/accuracy'")
        for folder in (tmp_path, reference)
    )
    assert best == expected
    assert "Nothing to do: all 4 runs have finished before." in (
        swath(tmp_path, *LONG, "executor=processes", "resume=yes").stderr
    )


def test_worker_that_is_killed_is_begun_again_and_no_step_is_stored_twice(
    reference: Path, tmp_path: Path
) -> None:
    sweep_id = start(tmp_path)
    worker_of(sweep_id, 0).kill()
    wait_until_ended(tmp_path)
    assert_as_by_threads(tmp_path, reference)
    (lot,) = query_store(tmp_path, "select value from tags where key = 'swath.lot.0'")
    assert json.loads(str(lot[0]))["epoch"] == 2
    status, shown, _ = command(tmp_path, "swath-watch", sweep_id)
    assert status == 0
    assert "lots: 2 of 2 done, 1 begun again\nruns: 4 of 4 finished" in shown


def test_checkpoints_may_lie_in_a_folder_that_workers_share(reference: Path, tmp_path: Path) -> None:
    sweep_id = start(tmp_path, "checkpoint.dir=shared")
    lot = tmp_path / "shared" / sweep_id / "lot-0"
    (lot.parent / "lot-17").mkdir(parents=True, exist_ok=True)
    wait_for(lambda: any(lot.glob("*.checkpoint")))
    worker_of(sweep_id, 0).kill()
    wait_until_ended(tmp_path)
    assert_as_by_threads(tmp_path, reference)
    resumed = query_store(tmp_path, "select count(*) from tags where key = 'swath.resumed'")
    assert resumed[0][0] == 2  # both runs of the lot went on
    wait_for(lambda: not lot.parent.exists())  # with what other divisions into lots have left there


def test_worker_whose_processor_computes_other_bits_takes_nothing(tmp_path: Path) -> None:
    sweep_id = start(tmp_path, length=ENDLESS)
    command(tmp_path, "swath-stop", sweep_id)
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as database, database:
        database.execute("update tags set value = 'other' where key like 'swath.canary.%'")
        database.execute("delete from tags where key = 'swath.stopping'")
        database.execute(
            "update runs set status = 'RUNNING' where run_uuid in "
            "(select run_uuid from tags where key = 'swath.lot.0')"
        )
    status, _, errors = command(tmp_path, "swath-worker", "-", sweep_id, "0")
    assert status == os.EX_TEMPFAIL
    (line,) = error_lines(errors, "swath-worker")
    assert "the bits of 8 steps differ from those of this sweep" in line
    assert "takes nothing. executor.arithmetic=any mixes, and each run says which" in line
    (lot,) = query_store(tmp_path, "select value from tags where key = 'swath.lot.0'")
    assert json.loads(str(lot[0]))["worker"] == "swath-stop"  # it has not begun the lot


def test_worker_of_another_version_takes_nothing(tmp_path: Path) -> None:
    sweep_id = start(tmp_path, length=ENDLESS)
    command(tmp_path, "swath-stop", sweep_id)
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as database, database:
        database.execute("delete from tags where key = 'swath.stopping'")
        database.execute(
            "update runs set status = 'RUNNING' where run_uuid in "
            "(select run_uuid from tags where key = 'swath.lot.0')"
        )
    (file,) = tmp_path.glob("mlruns/**/sweep-lots/0.json")
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "version": "9.9"}))
    status, _, errors = command(tmp_path, "swath-worker", "-", sweep_id, "0")
    assert status == 1
    (line,) = error_lines(errors, "swath-worker")
    assert "the sweep was started by swath 9.9, this worker has" in line


def test_frozen_worker_changes_nothing_once_its_lot_is_begun_again(reference: Path, tmp_path: Path) -> None:
    sweep_id = start(tmp_path)
    frozen = worker_of(sweep_id, 0)
    family = [frozen, *frozen.children(recursive=True)]
    freeze(tmp_path, family)
    status, shown, errors = command(tmp_path, "swath-worker", "-", sweep_id, "0")
    assert status == 0, shown + errors
    wait_until_ended(tmp_path)
    before = query_store(tmp_path, "select * from metrics order by run_uuid, key, step")
    for process in family:
        process.resume()
    wait_for(lambda: has_ended(frozen))
    assert_as_by_threads(tmp_path, reference)
    assert query_store(tmp_path, "select * from metrics order by run_uuid, key, step") == before
    logs = Path(os.environ["SWATH_CACHE_DIR"]).rglob("0.log")
    refused = f"has been begun again by {os.uname().nodename}"
    assert any(refused in log.read_text() and "Traceback" not in log.read_text() for log in logs)


def test_stopped_sweep_goes_on_with_its_command(reference: Path, tmp_path: Path) -> None:
    sweep_id = start(tmp_path)
    status, said, _ = command(tmp_path, "swath-stop", sweep_id)
    assert status == 0
    assert re.search("[12] of 2 lots are left; its command with resume=yes goes on.", said)
    assert set(query_store(tmp_path, "select status from runs")) <= {("KILLED",), ("FINISHED",)}
    assert query_store(tmp_path, ENDED) == [("KILLED",)]
    assert command(tmp_path, "swath-watch", sweep_id, "--once")[0] == 0
    again = command(tmp_path, "swath-worker", "-", sweep_id, "0")
    assert again[0] == 2
    assert "type its command again with resume=yes" in again[2]
    none_failed = swath(tmp_path, *LONG, "executor=processes", "resume=failed")
    assert none_failed.returncode == 1
    assert re.search(r"Nothing to do\. Resume: .*[1-4] skipped\.", none_failed.stderr)
    assert swath(tmp_path, *LONG, "resume=yes").returncode == 0  # by threads: any executor goes on
    assert_as_by_threads(tmp_path, reference)


def test_death_of_the_supervisor_ends_its_workers_and_resume_goes_on(reference: Path, tmp_path: Path) -> None:
    sweep_id = start(tmp_path)
    workers = [worker_of(sweep_id, lot) for lot in (0, 1)]
    workers[0].parent().send_signal(signal.SIGKILL)
    wait_for(lambda: all(has_ended(worker) for worker in workers))
    status, _, errors = command(tmp_path, "swath-watch", sweep_id)
    assert status == 1
    assert "no worker is left and 2 lots are not done; its command with resume=yes trains them" in errors
    done = swath(tmp_path, *LONG, "executor=processes", "resume=yes")
    assert done.returncode == 0, done.stderr
    assert_as_by_threads(tmp_path, reference)


def test_reading_as_json(tmp_path: Path) -> None:
    done = swath(tmp_path, *GRID, "max_steps=100", "executor=processes", "executor.workers=1")
    assert done.returncode == 0, done.stderr
    _, shown, _ = command(tmp_path, "swath-watch", "ad-hoc", "--format", "json")
    (line,) = shown.splitlines()
    found = json.loads(line)
    assert (found["status"], found["lots"], found["lots_done"], found["runs"]) == (
        "FINISHED",
        1,
        1,
        {"FINISHED": 4},
    )
    assert found["best"]["metric"] == "test/accuracy"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ("data=digits", "executor=processes"),
            "executor=processes: expected a sweep; a single run is trained",
        ),
        (
            (*GRID, "executor=slurm"),
            "which several machines cannot write safely; name a server or a database",
        ),
        ((*GRID, "executor=ray"), "which several machines cannot write safely; name a server or a database"),
        ((*GRID, "executor=processes", "seed=1,1"), "expected each configuration once; 4 are given again"),
        ((*GRID, "executor=processes", "lanes.verify=1"), "expected lanes.verify=0; verify later"),
        ((*GRID, "executor=processes", "on_failure=stop"), "expected on_failure=continue; workers do not"),
        ((*GRID, "executor=processes,slurm"), "expected one value for the whole sweep"),
        (
            (*GRID, "executor=prozesses"),
            "expected one of processes, ray, slurm, threads; did you mean processes?",
        ),
        ((*GRID, "executor=processes", "executor.workers=0"), "executor.workers=0: expected a whole number"),
    ],
)
def test_mistake_is_one_line_and_starts_nothing(
    arguments: tuple[str, ...], line: str, tmp_path: Path
) -> None:
    done = swath(tmp_path, *arguments)
    assert done.returncode == 2
    (found,) = error_lines(done.stderr)
    assert line in found
    assert not (tmp_path / "mlflow.db").exists()


def test_mistakes_of_a_worker_are_one_line(tmp_path: Path) -> None:
    swath(tmp_path, *GRID, "max_steps=20", "executor=processes")
    swath(tmp_path, *GRID, "max_steps=20", "learning_rate=1e-4,1e-3")
    cases = {
        ("-", "ad-hoc"): "the following arguments are required: LOT",
        ("-", "0123456789ab", "0"): "0123456789ab: the store has no such sweep",
        ("-", "ad-hoc", "0"): "was trained by its own command and has no workers",
        ("-", "ad-hoc", "-1"): "expected the number of a lot, 0 or more",
    }
    for arguments, line in cases.items():
        status, _, errors = command(tmp_path, "swath-worker", *arguments)
        assert status == 2, arguments
        assert line in errors.splitlines()[0]
        assert len(errors.splitlines()) == 1


def test_runs_of_another_sweep_are_no_part_of_one_that_workers_train(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("defaults: [config, _self_]\ndata: {name: digits}\n")
    grid = (*GRID, "max_steps=20")
    other = ("--config-dir", ".", "-cn", "other")
    assert swath(tmp_path, *other, *(each for each in grid if each != "data=digits")).returncode == 0
    done = swath(tmp_path, *grid, "executor=processes", "resume=yes")
    assert done.returncode == 0, done.stderr
    assert "runs: 4 of 4 finished" in done.stdout
    assert query_store(tmp_path, "select count(*) from runs where status = 'FINISHED'") == [(10,)]
    timed = "select count(*) from tags where key = 'swath.wall_s' and value > 0"
    assert query_store(tmp_path, timed) == [(2,)]
