"""Small changes to the store of a search that `swath-reproduce` must notice."""

import hashlib
import json
import random
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

Change = Callable[[random.Random, "SearchStore"], str]
"""(random generator, store) -> description of the change."""

OF_RUNGS = ("rung/accuracy", "rung/loss")
OF_END = ("validation/accuracy", "validation/loss")


class SearchStore:
    """The store of a search in a folder; every change can be undone.

    Args:
      folder: of the store.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._database = folder / "mlflow.db"
        self._content = self._database.read_bytes()
        (self.manifest,) = (folder / "mlruns").glob("*/*/artifacts/sweep-manifest.json")
        self._manifest = self.manifest.read_text(encoding="utf-8")
        self.trials = self._run_ids("trial")
        self.confirming = self._run_ids("confirm")
        ((self.sweep_id,),) = self.rows(
            "select distinct value from tags where key = 'swath.sweep_id' and run_uuid = ?", self.trials[0]
        )

    def _run_ids(self, stage: str) -> list[str]:
        query = "select run_uuid from tags where key = 'swath.search.stage' and value = ? order by run_uuid"
        return [run_id for (run_id,) in self.rows(query, stage)]

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        with closing(sqlite3.connect(self._database)) as database:
            return database.execute(query, values).fetchall()

    def change(self, statement: str, *values: object) -> None:
        """Change one row or more."""
        with closing(sqlite3.connect(self._database)) as database:
            assert database.execute(statement, values).rowcount >= 1, statement
            database.commit()

    def tag(self, run_id: str, name: str) -> str:
        """Value of a tag."""
        ((value,),) = self.rows("select value from tags where run_uuid = ? and key = ?", run_id, name)
        return str(value)

    def set_tag(self, run_id: str, name: str, value: str) -> None:
        """Change a tag."""
        self.change("update tags set value = ? where run_uuid = ? and key = ?", value, run_id, name)

    def write_manifest(self, values: dict[str, Any], *, repaired: bool) -> None:
        """Write the manifest; `repaired` also updates its digest, as a careful forger would."""
        text = json.dumps(values, indent=1) + "\n"
        self.manifest.write_text(text, encoding="utf-8")
        if repaired:
            digest = hashlib.sha256(text.encode()).hexdigest()
            run_id = self.manifest.parents[1].name
            self.set_tag(run_id, "mlflow.swath.files", json.dumps({"sweep-manifest.json": digest}))

    def undo(self) -> None:
        """Make the store as it was."""
        self._database.write_bytes(self._content)
        self.manifest.write_text(self._manifest, encoding="utf-8")


def _flipped(rng: random.Random, value: float) -> float:
    """A number with one of its low 30 bits changed."""
    (bits,) = struct.unpack("<q", struct.pack("<d", value))
    (other,) = struct.unpack("<d", struct.pack("<q", bits ^ (1 << rng.randrange(30))))
    return float(other)


def _change_value(rng: random.Random, store: SearchStore, run_id: str, names: tuple[str, ...]) -> str:
    """Change a value in the table of all values, in that of the latest ones, or in both."""
    query = "select key, step, value from metrics where run_uuid = ? and key in (?, ?)"
    name, step, value = rng.choice(store.rows(query, run_id, *names))
    other = rng.choice([_flipped(rng, value), value + 0.01, value - 0.01, value * 1.5, 0.0])
    other = other if other != value else value + 0.25
    where = "run_uuid = ? and key = ? and step = ?"
    is_latest = bool(store.rows(f"select 1 from latest_metrics where {where}", run_id, name, step))
    tables = rng.choice([["metrics"], ["metrics", "latest_metrics"], ["latest_metrics"]])
    tables = tables if is_latest else ["metrics"]
    for table in tables:
        store.change(f"update {table} set value = ? where {where}", other, run_id, name, step)
    return f"{name} of {run_id} at {step} in {' and '.join(tables)}: {value} -> {other}"


def rung_value(rng: random.Random, store: SearchStore) -> str:
    """Change the value of a trial at a rung."""
    return _change_value(rng, store, rng.choice(store.trials), OF_RUNGS)


def final_value(rng: random.Random, store: SearchStore) -> str:
    """Change the last validation value of a trial."""
    return _change_value(rng, store, rng.choice(store.trials), OF_END)


def confirming_value(rng: random.Random, store: SearchStore) -> str:
    """Change the validation value of a run that confirms a finalist."""
    return _change_value(rng, store, rng.choice(store.confirming), OF_END)


def moved_rung(rng: random.Random, store: SearchStore) -> str:
    """Delete the value of a trial at a rung, or move it to another step."""
    run_id, name = rng.choice(store.trials), rng.choice(OF_RUNGS)
    steps = store.rows("select step from metrics where run_uuid = ? and key = ?", run_id, name)
    (step,) = rng.choice(steps)
    where = "run_uuid = ? and key = ? and step = ?"
    if rng.random() < 0.5:
        store.change(f"delete from metrics where {where}", run_id, name, step)
        return f"{name} of {run_id} at {step} deleted"
    store.change(f"update metrics set step = step + 1 where {where}", run_id, name, step)
    return f"{name} of {run_id} at {step} moved"


PARAMS = {"learning_rate": "2.5e-06", "batch_size": "31", "seed": "9", "l2": "0.5", "preprocessing": "scale"}


def param(rng: random.Random, store: SearchStore) -> str:
    """Change a param of a trial."""
    run_id, name = rng.choice(store.trials), rng.choice(list(PARAMS))
    store.change("update params set value = ? where run_uuid = ? and key = ?", PARAMS[name], run_id, name)
    return f"{name} of {run_id}"


def length(rng: random.Random, store: SearchStore) -> str:
    """Change the steps at which a trial ended, to those of another rung or to others."""
    run_id = rng.choice(store.trials)
    query = "select value from params where run_uuid = ? and key = 'max_steps'"
    ((before,),) = store.rows(query, run_id)
    after = rng.choice([each for each in ("6", "24", "60", "25", "600") if each != before])
    store.change("update params set value = ? where run_uuid = ? and key = 'max_steps'", after, run_id)
    return f"max_steps of {run_id}: {before} -> {after}"


def point(rng: random.Random, store: SearchStore) -> str:
    """Change what was proposed."""
    run_id = rng.choice(store.trials)
    values = json.loads(store.tag(run_id, "swath.search.point"))
    if rng.random() < 0.5:
        del values[rng.choice(list(values))]
    else:
        values["learning_rate"] = "3.33e-07"
    store.set_tag(run_id, "swath.search.point", rng.choice([json.dumps(values), json.dumps(values), "{"]))
    return f"point of {run_id}"


def number(rng: random.Random, store: SearchStore) -> str:
    """Change the number of a trial."""
    run_id = rng.choice(store.trials)
    before = store.tag(run_id, "swath.search.trial")
    after = rng.choice([each for each in map(str, (*range(24), 24, 99, "none")) if each != before])
    store.set_tag(run_id, "swath.search.trial", after)
    return f"number of {run_id}: {before} -> {after}"


def round_number(rng: random.Random, store: SearchStore) -> str:
    """Change the round of a trial."""
    run_id = rng.choice(store.trials)
    before = store.tag(run_id, "swath.search.round")
    after = rng.choice([each for each in ("0", "1", "2", "3", "9") if each != before])
    store.set_tag(run_id, "swath.search.round", after)
    return f"round of {run_id}: {before} -> {after}"


def why(rng: random.Random, store: SearchStore) -> str:
    """Change why a trial ended."""
    run_id, other = rng.sample(store.trials, 2)
    before, others = (store.tag(each, "swath.search.why") for each in (run_id, other))
    store.set_tag(run_id, "swath.search.why", others if others != before else f"{before}0")
    return f"why of {run_id}"


def status(rng: random.Random, store: SearchStore) -> str:
    """Change the status of a run."""
    run_id = rng.choice([*store.trials, *store.confirming])
    after = rng.choice(["FAILED", "KILLED", "RUNNING"])
    store.change("update runs set status = ? where run_uuid = ?", after, run_id)
    return f"status of {run_id}: {after}"


def deleted(rng: random.Random, store: SearchStore) -> str:
    """Delete a run."""
    run_id = rng.choice([*store.trials, *store.confirming])
    store.change("update runs set lifecycle_stage = 'deleted' where run_uuid = ?", run_id)
    return f"{run_id} deleted"


def confirming_seed(rng: random.Random, store: SearchStore) -> str:
    """Change the seed of a run that confirms a finalist."""
    run_id = rng.choice(store.confirming)
    query = "select value from params where run_uuid = ? and key = 'seed'"
    ((before,),) = store.rows(query, run_id)
    after = rng.choice([each for each in ("0", "1", "2", "3") if each != before])
    store.change("update params set value = ? where run_uuid = ? and key = 'seed'", after, run_id)
    return f"seed of {run_id}: {before} -> {after}"


def confirmed_trial(rng: random.Random, store: SearchStore) -> str:
    """Change which finalist a run confirms."""
    run_id = rng.choice(store.confirming)
    before = store.tag(run_id, "swath.search.trial")
    after = rng.choice([each for each in map(str, range(25)) if each != before])
    store.set_tag(run_id, "swath.search.trial", after)
    return f"trial of {run_id}: {before} -> {after}"


def identity(rng: random.Random, store: SearchStore) -> str:
    """Change the stage, the fingerprint or the result digest of a run."""
    run_id = rng.choice([*store.trials, *store.confirming])
    name = rng.choice(["swath.search.stage", "swath.fingerprint", "swath.bits"])
    before = store.tag(run_id, name)
    other = {"trial": "confirm", "confirm": "trial"}.get(
        before, f"{before[:-1]}{'0' if before[-1] != '0' else '1'}"
    )
    store.set_tag(run_id, name, other)
    return f"{name} of {run_id}: {before} -> {other}"


def manifest(rng: random.Random, store: SearchStore) -> str:
    """Change what decides the search; half of them with the digest of the manifest repaired."""
    values = json.loads(store.manifest.read_text(encoding="utf-8"))
    search, name = values["search"], rng.choice(list(MANIFEST_VALUES))
    search[name] = rng.choice(MANIFEST_VALUES[name])
    repaired = rng.random() < 0.5
    store.write_manifest(values, repaired=repaired)
    return f"{name} in the manifest: {search[name]}{', repaired' if repaired else ''}"


def winner(rng: random.Random, store: SearchStore) -> str:
    """Change which run the sweep names as the best."""
    before = store.tag(store.manifest.parents[1].name, "swath.best_run_id")
    after = rng.choice([each for each in (*store.trials, *store.confirming) if each != before])
    store.set_tag(store.manifest.parents[1].name, "swath.best_run_id", after)
    return f"best run: {after}"


SPACE = "learning_rate=tag(log,interval(1e-8,1e-4))"
FIXED = [
    "data=digits",
    "model=softmax_regression",
    "optimizer=sgd",
    "max_steps=60",
    "data.validation_size=300",
]
MANIFEST_VALUES: dict[str, list[Any]] = {
    "space": [
        [SPACE],
        [SPACE, "batch_size=20,51"],
        ["learning_rate=interval(1e-8,1e-4)", "batch_size=20,50"],
    ],
    "when": [["batch_size=50: learning_rate=interval(1e-5,1e-4)"]],
    "fixed": [
        [*FIXED, "preprocessing=scale"],
        [*FIXED[:-1], "data.validation_size=200"],
        [*FIXED, "l2=0.25"],
    ],
    "sampler": ["random", "grid", "cmaes"],
    "seed": [1, 2, -1],
    "rungs": [[6, 24], [60], [6, 24, 61], []],
    "factor": [2, 3, 5, 0],
    "objective": ["validation/loss", "test/accuracy"],
    "test": ["all", "some"],
    "confirm": [0, 1, 3],
    "confirm_seeds": [1, 3],
    "round_size": [0, 12, 7],
    "trials": [23, 25, 16],
    "rounds": [[24], [8, 8], [8, 8, 7], [9, 8, 7], [8, 8, 8, 8]],
}
"""Other values of the record of `SEARCH`; each of them makes another search."""

CHANGES: tuple[Change, ...] = (
    rung_value,
    rung_value,
    final_value,
    confirming_value,
    moved_rung,
    param,
    length,
    point,
    number,
    round_number,
    why,
    status,
    deleted,
    confirming_seed,
    confirmed_trial,
    identity,
    manifest,
    manifest,
    winner,
)

SEARCH = (
    "-m",
    SPACE,
    "batch_size=20,50",
    "data=digits",
    "data.validation_size=300",
    "max_steps=60",
    "search.trials=24",
    "search.round=8",
    "search.confirm=2",
)
"""A search of three rounds, with rungs at 6, 24 and 60 steps: three finalists, two of them confirmed."""
