"""This version on a store, a sweep and a checkpoint of version 0.1.0, and on tables of other MLflow versions.

tests/fixtures/store-0.1.0.tar.xz was made by a pre-release of version 0.1.0 with these commands:

    swath -m data=digits data.validation_size=300 max_steps=20,40 learning_rate=1e-6,1e-5
    swath -m data=digits data.validation_size=300 seed=1 max_steps=20000 batch_size=16 \
        learning_rate=1e-6,1e-5 tracking.every_steps=500        # stopped with SIGTERM after a few seconds

It contains the database, the artifacts and, in checkpoints/, the checkpoint of the second sweep. The location
of the artifacts, the host and the user were replaced.
"""

import contextlib
import socket
import sqlite3
import tarfile
from pathlib import Path

import mlflow
import numpy as np
import pytest
from support.command import error_lines, swath, swath_compare, swath_reproduce
from support.stores import OLDER_REVISION, make_older_store
from support.waiting import query_store

from swath.models import ARITHMETIC
from swath.tracking import open_reader, schema

STORE = Path(__file__).resolve().parents[1] / "fixtures" / "store-0.1.0.tar.xz"
DIGITS = ("-m", "data=digits", "data.validation_size=300")
FINISHED = (*DIGITS, "max_steps=20,40", "learning_rate=1e-6,1e-5")
INTERRUPTED = (*DIGITS, "seed=1", "max_steps=20000", "batch_size=16", "learning_rate=1e-6,1e-5")
THINNED = "tracking.every_steps=500"
RESUME = ("resume=yes", "force_resume=true")  # this machine may have another processor or other libraries
STEPS = (
    "select m.step, m.value from metrics m join params p using (run_uuid) where m.key = 'train/loss' "
    "and p.key = 'learning_rate' and p.value = '1e-05' and run_uuid in (select run_uuid from params "
    "where key = 'seed' and value = '1') "
    "and run_uuid in (select run_uuid from runs where status = '{status}') order by m.step"
)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A folder with the unpacked store, whose artifact locations point to that folder."""
    workdir = tmp_path / "store"
    with tarfile.open(STORE) as archive:
        archive.extractall(workdir, filter="data")
    moved = swath_compare(workdir, "--relocate", "--yes")
    assert moved.returncode == 0, moved.stderr
    return workdir


def test_earlier_runs_can_be_compared(store: Path) -> None:
    done = swath_compare(store, "--all-of", "ad-hoc", "--where", "seed == 0", "--format", "csv")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1 + 4


def test_earlier_runs_can_be_reproduced(store: Path) -> None:
    finished = "select run_uuid from tags where key = 'swath.bits'"
    run_ids = [str(run_id) for (run_id,) in query_store(store, finished)]
    verdicts = [line.split("  ")[1] for line in swath_reproduce(store, *run_ids).stdout.splitlines()]
    reason = "because it was made with arithmetic 1, now 2, which rounds differently"
    assert [verdict.startswith("differs") and verdict.endswith(reason) for verdict in verdicts] == [True] * 4
    within = swath_reproduce(store, *run_ids, "--rtol", "1e-4")
    assert within.returncode == 0, within.stdout
    assert within.stdout.count("equal within tolerance") == 4


def test_resume_of_a_finished_earlier_sweep_has_nothing_to_do(store: Path) -> None:
    no_tensorflow = "sys.modules['tensorflow'] = None"  # its import would fail, and take seconds
    done = swath(store, *FINISHED, *RESUME, patch=no_tensorflow, real=True)
    assert done.returncode == 0, done.stderr
    assert "Nothing to do: 4 of 4 runs have already finished" in done.stderr


def test_runs_of_another_arithmetic_are_named_and_trained_again(store: Path) -> None:
    done = swath(store, *FINISHED, "resume=yes")
    assert done.returncode == 0, done.stderr
    line = (
        "made with arithmetic 1, not 2: 4 earlier runs; trained again (force_resume=true keeps finished ones)"
    )
    assert line in done.stderr.splitlines()
    assert "Resume: 4 new." in done.stderr.splitlines()
    arithmetic = "select value, count(*) from tags where key = 'swath.arithmetic' group by value"
    assert query_store(store, arithmetic) == [("2", 5)], "four runs and their sweep"
    again = swath(store, *FINISHED, "resume=yes")
    assert "Nothing to do: 4 of 4 runs have already finished" in again.stderr
    assert "arithmetic" not in again.stderr


def test_earlier_sweep_can_be_extended(store: Path) -> None:
    done = swath(store, *DIGITS, "max_steps=20,40,60", "learning_rate=1e-6,1e-5", *RESUME)
    assert done.returncode == 0, done.stderr
    assert "Resume: 4 already done, 2 new." in done.stderr.splitlines()
    assert (
        "made with arithmetic 1, not 2: 4 earlier runs; finished ones are kept, none is continued"
        in done.stderr.splitlines()
    )
    whole = "select count(*), count(distinct step) from metrics where key = 'train/loss' group by run_uuid"
    assert (
        sorted(query_store(store, whole)) == [(6, 6)] * 2 + [(20, 20)] * 2 + [(40, 40)] * 2 + [(60, 60)] * 2
    )


def test_earlier_run_of_a_dead_process_is_closed(store: Path) -> None:
    """Its process and its machine are in tags of version 0.1."""
    killed = "select run_uuid from runs join tags using (run_uuid) where key = 'swath.kind' and value = 'run'"
    ((run_id,), _) = query_store(store, f"{killed} and status = 'KILLED'")
    with contextlib.closing(sqlite3.connect(store / "mlflow.db")) as database, database:
        database.execute("update runs set status = 'RUNNING' where run_uuid = ?", (run_id,))
        database.execute("update tags set value = ? where key = 'swath.host'", (socket.gethostname(),))
        dead = "update tags set value = '4194305' where key in ('swath.pid', 'swath.tracker_pid')"
        assert database.execute(dead).rowcount > 0
    done = swath_compare(store, "--close-stale")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith(f"{run_id}  closed as KILLED: ")
    status = f"select status from runs where run_uuid = '{run_id}'"
    assert query_store(store, status) == [("KILLED",)]


def test_earlier_checkpoint_is_set_aside_and_a_new_run_starts(store: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    (cache / "checkpoints").parent.mkdir()
    (store / "checkpoints").rename(cache / "checkpoints")
    (checkpoint,) = (cache / "checkpoints").glob("*/*.checkpoint")
    before = query_store(store, STEPS.format(status="KILLED"))
    assert 0 < len(before) < 40
    done = swath(store, *INTERRUPTED, THINNED, *RESUME, SWATH_CACHE_DIR=str(cache))
    assert done.returncode == 0, done.stderr
    assert "Resume: 2 new." in done.stderr.splitlines()
    (line,) = [line for line in done.stderr.splitlines() if "set aside" in line]
    assert f"{checkpoint}.unusable" in line
    assert line.endswith("the checkpoint has the format of an earlier version of swath")
    runs = open_reader(f"sqlite:///{store}/mlflow.db").runs({schema.PID: None, schema.KIND: "run"})
    assert len(runs) == 8, "found by the former name or the present one"
    of_sweep = [run for run in runs if run.params.get("seed") == "1"]
    assert sorted(run.status for run in of_sweep) == ["FINISHED", "FINISHED", "KILLED", "KILLED"]
    assert len({run.tags[schema.SWEEP_ID] for run in of_sweep}) == 1
    for run in of_sweep:
        assert (run.status == "FINISHED") == (schema.arithmetic_of(run.tags) == ARITHMETIC)
    stored = query_store(store, STEPS.format(status="FINISHED"))
    assert [step for step, _ in stored] == [*range(0, 20_000, 500), 19_999]
    losses = [[value for _, value in found[: len(before)]] for found in (stored, before)]
    np.testing.assert_allclose(*losses, rtol=1e-3)  # 3,000 steps; arithmetic 1 rounds differently
    assert query_store(store, STEPS.format(status="KILLED")) == before


def test_tables_of_an_older_mlflow_are_upgraded_with_a_note(tmp_path: Path) -> None:
    make_older_store(tmp_path)
    refused = swath_compare(tmp_path)
    assert refused.returncode == 1
    assert "made by an older version of MLflow" in refused.stderr
    done = swath(tmp_path, *DIGITS, "max_steps=2", "learning_rate=1e-6,1e-5")
    assert done.returncode == 0, done.stderr
    copy = f"mlflow.db.before-mlflow-{mlflow.__version__}"
    note = f"upgraded the tables of mlflow.db for MLflow {mlflow.__version__}; older versions of MLflow can "
    assert done.stderr.splitlines().count(f"{note}only read the copy {copy}") == 1
    with contextlib.closing(sqlite3.connect(tmp_path / copy)) as kept:
        assert kept.execute("select name from runs").fetchall() == [("a run",)]
        assert kept.execute("select version_num from alembic_version").fetchall() == [(OLDER_REVISION,)]
    listed = swath_compare(tmp_path, "--format", "csv")
    assert [line.split(",")[0] for line in listed.stdout.splitlines()] == ["sweep", "old", "ad-hoc"]
    assert "upgraded" not in swath(tmp_path, "data=digits", "max_steps=2").stderr


def test_tables_of_a_newer_mlflow_are_refused_and_unchanged(tmp_path: Path) -> None:
    make_older_store(tmp_path)
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as database, database:
        database.execute("update alembic_version set version_num = 'ffffffffffff'")
    before = (tmp_path / "mlflow.db").read_bytes()
    done = swath(tmp_path, *DIGITS, "max_steps=2", "learning_rate=1e-6,1e-5")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = error_lines(done.stderr)
    assert "made by a newer version of MLflow than the installed" in line
    assert (tmp_path / "mlflow.db").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]
