"""Read a whole store into plain values, to compare stores."""

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np

from swath.tracking import open_reader, schema

DETERMINISTIC_FILES = ("config.yaml", "weights.npz", "predictions.npz", "confusion.json")


def open_read_only(folder: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{folder}/mlflow.db?mode=ro", uri=True, timeout=60)


def whole_store(folder: Path) -> dict[str, Any]:
    """All content of a store that must be equal however often its sweep was interrupted.

    Ids, times and the values of runtime metrics are left out. That each run occurs once is asserted.
    """
    with open_read_only(folder) as database:
        runs = database.execute(
            "select run_uuid, status, artifact_uri from runs where lifecycle_stage = 'active'"
        ).fetchall()
        found = {}
        for run_id, status, artifacts in runs:
            tags = dict(database.execute("select key, value from tags where run_uuid = ?", (run_id,)))
            place = Path(artifacts.removeprefix("file://"))
            files = {path.name: path for path in place.iterdir()} if place.is_dir() else {}
            if tags["swath.kind"] == "sweep":
                key = f"sweep {tags['swath.sweep']}"
                assert key not in found, f"two of {key}"
                counts = [tags.get(f"swath.{name}") for name in ("asked_for", "finished", "failed", "killed")]
                found[key] = {"status": status, "counts": counts, "files": sorted(files)}
                continue
            key = f"run {tags['swath.fingerprint']}"
            assert key not in found, f"two runs of {key}"
            found[key] = {
                "status": status,
                "bits": tags.get("swath.bits"),
                "train_accuracy": tags.get("swath.train_accuracy"),
                "error": tags.get("swath.error"),
                "search": {name: text for name, text in tags.items() if name.startswith("swath.search.")},
                "params": dict(
                    database.execute("select key, value from params where run_uuid = ?", (run_id,))
                ),
                "inputs": database.execute(
                    "select count(*) from inputs where destination_id = ?", (run_id,)
                ).fetchone(),
                "metrics": _metrics(database, run_id, "metrics"),
                "latest": _metrics(database, run_id, "latest_metrics"),
                "files": {name: _content(path) for name, path in sorted(files.items())},
                "curves": _curves_in_files(folder, run_id, tags, place),
            }
    return found


def _curves_in_files(folder: Path, run_id: str, tags: dict[str, str], place: Path) -> list[Any] | None:
    """Steps and a digest of their values, if a run that has ended keeps them in files.

    A process that is killed once it has merged its files may leave those that it has merged.
    """
    if "swath.curves" not in tags:
        return None
    files = list((place / "curves").rglob("*.parquet"))
    curves = open_reader(folder / "mlflow.db").curves([run_id], schema.PER_STEP)
    for curve in curves:
        assert curve.steps.tolist() == list(range(len(curve.steps))), f"{run_id}: each step once"
    whole = _digest(*(f"{curve.metric} {curve.values.tobytes()!r}" for curve in curves))
    return [bool(files), [len(curve.steps) for curve in curves], whole]


def curves_by_configuration(uri: str) -> dict[str, list[tuple[str, int, str]]]:
    """Of each configuration: name, number of steps and digest of each curve, as swath reads them."""
    reader = open_reader(uri)
    runs = reader.runs({schema.KIND: "run"})
    found: dict[str, list[tuple[str, int, str]]] = {run.tags[schema.FINGERPRINT]: [] for run in runs}
    for run in runs:
        for curve in reader.curves([run.run_id], schema.PER_STEP):
            assert curve.steps.tolist() == list(range(len(curve.steps))), "each step once"
            values = _digest(repr(curve.values.tobytes()))
            found[run.tags[schema.FINGERPRINT]].append((curve.metric, len(curve.steps), values))
    return found


def curves_of(folder: Path) -> dict[str, list[float]]:
    """The losses of each run of a store, as swath reads them."""
    with open_read_only(folder) as database:
        ids = [row[0] for row in database.execute("select run_uuid from runs")]
    found = open_reader(folder / "mlflow.db").curves(ids, [schema.TRAIN_LOSS])
    return {curve.run_id: curve.values.tolist() for curve in found}


def _metrics(database: sqlite3.Connection, run_id: str, table: str) -> dict[str, Any]:
    rows = database.execute(
        f"select key, step, value, is_nan from {table} where run_uuid = ? order by key, step", (run_id,)
    )
    found: dict[str, list[Any]] = {}
    for key, step, value, is_nan in rows:
        found.setdefault(key, []).append((step, None if key.startswith("runtime/") else value, is_nan))
    return {key: _digest(json.dumps(values)) if len(values) > 20 else values for key, values in found.items()}


def _content(path: Path) -> str | None:
    """Digest of a file's content, or None if the content may differ between sweeps."""
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return _digest(
                *(f"{name} {array.dtype} {array.shape} {array.tobytes()!r}" for name, array in arrays.items())
            )
    return _digest(path.read_text(encoding="utf-8")) if path.name in DETERMINISTIC_FILES else None


def _digest(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def orphans(folder: Path) -> list[str]:
    """Files that belong to no run, and temporary files that remain."""
    with open_read_only(folder) as database:
        known = {row[0] for row in database.execute("select run_uuid from runs")}
    left = [str(path) for path in folder.glob("mlflow.db*") if path.name != "mlflow.db"]
    for path in (folder / "mlruns").glob("*/*"):
        if path.name not in known:
            left.append(str(path))
    left += [str(path) for path in (folder / "mlruns").rglob("*.part")]
    return left


OLDER_REVISION = "400f98739977"
"""Version of the tables of MLflow 3.0."""


def make_older_store(folder: Path) -> None:
    """Make a store as an older version of MLflow made it, with an experiment and a finished run."""
    import alembic.command
    import sqlalchemy
    from mlflow.store.db.utils import _get_alembic_config
    from mlflow.store.tracking.dbmodels.initial_models import Base

    uri = f"sqlite:///{folder}/mlflow.db"
    engine = sqlalchemy.create_engine(uri)
    Base.metadata.create_all(engine)
    alembic.command.upgrade(_get_alembic_config(uri), OLDER_REVISION)
    run_id, files = "a" * 32, folder / "mlruns"
    rows: dict[str, list[dict[str, object]]] = {
        "experiments": [
            {"experiment_id": 1, "name": "swath", "artifact_location": str(files / "1")},
        ],
        "runs": [
            {
                "run_uuid": run_id,
                "name": "a run",
                "experiment_id": 1,
                "artifact_uri": str(files / "1" / run_id / "artifacts"),
                "status": "FINISHED",
                "start_time": 1,
                "end_time": 2,
            }
        ],
        "tags": [
            {"run_uuid": run_id, "key": f"swath.{name}", "value": value}
            for name, value in (("kind", "run"), ("sweep", "old"), ("sweep_id", "0123456789ab"))
        ],
        "params": [
            {"run_uuid": run_id, "key": name, "value": value}
            for name, value in (("learning_rate", "1e-06"), ("data.name", "digits"))
        ],
        "metrics": [
            {"run_uuid": run_id, "key": name, "value": value, "timestamp": 1, "step": step, "is_nan": False}
            for name, value, step in (
                ("train/loss", 2.0, 0),
                ("train/loss", 1.0, 1),
                ("test/accuracy", 0.5, 0),
            )
        ],
    }
    rows["latest_metrics"] = rows["metrics"][1:]
    tables = sqlalchemy.MetaData()
    tables.reflect(engine)
    active = {"lifecycle_stage": "active"}
    with engine.begin() as connection:
        for name, values in rows.items():
            more = active if "lifecycle_stage" in tables.tables[name].columns else {}
            connection.execute(tables.tables[name].insert(), [{**row, **more} for row in values])
    engine.dispose()
