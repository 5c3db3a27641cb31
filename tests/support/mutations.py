"""Small changes to a store that `swath-reproduce` must detect."""

import hashlib
import json
import random
import shutil
import sqlite3
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

FILES = (
    "config.yaml",
    "confusion.json",
    "environment.txt",
    "overrides.yaml",
    "predictions.npz",
    "weights.npz",
)
"""Artifacts of a run that contain its results or provenance."""

Mutation = Callable[[random.Random, Path, str], str]
"""(random generator, folder of the store, run id) -> description of the change."""


def _artifacts(folder: Path, run_id: str) -> Path:
    (place,) = (folder / "mlruns").glob(f"*/{run_id}/artifacts")
    return place


def _change(folder: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(folder / "mlflow.db") as database:
        assert database.execute(statement, values).rowcount == 1
    database.close()


def _rows(folder: Path, query: str, *values: object) -> list[tuple[object, ...]]:
    with sqlite3.connect(folder / "mlflow.db") as database:
        found = database.execute(query, values).fetchall()
    database.close()
    return found


def flip_bit_of_array(rng: random.Random, folder: Path, run_id: str) -> str:
    """Flip one bit of an array in a `.npz` file. The file remains readable."""
    name = rng.choice(["weights.npz", "predictions.npz"])
    path = _artifacts(folder, run_id) / name
    with np.load(path) as stored:
        arrays = {key: array.copy() for key, array in stored.items() if array.size}
        empty = {key: array for key, array in stored.items() if not array.size}
    key = rng.choice(sorted(arrays))
    raw = bytearray(arrays[key].tobytes())
    place = rng.randrange(8 * len(raw))
    raw[place // 8] ^= 1 << place % 8
    arrays[key] = np.frombuffer(bytes(raw), arrays[key].dtype).reshape(arrays[key].shape)
    np.savez(path, **arrays, **empty)
    return f"bit {place} of {key} in {name}"


def flip_bit_of_file(rng: random.Random, folder: Path, run_id: str) -> str:
    """Flip one bit of a file."""
    name = rng.choice(FILES)
    path = _artifacts(folder, run_id) / name
    raw = bytearray(path.read_bytes())
    place = rng.randrange(8 * len(raw))
    raw[place // 8] ^= 1 << place % 8
    path.write_bytes(bytes(raw))
    return f"bit {place} of {name}"


def delete_file(rng: random.Random, folder: Path, run_id: str) -> str:
    """Delete one file."""
    name = rng.choice(FILES)
    (_artifacts(folder, run_id) / name).unlink()
    return f"{name} deleted"


def change_value(rng: random.Random, folder: Path, run_id: str) -> str:
    """Change the low bits of one metric value, in `metrics` or `latest_metrics`."""
    table = rng.choice(["metrics", "metrics", "metrics", "latest_metrics"])
    rows = _rows(
        folder,
        f"select rowid, key, step, value from {table} where run_uuid = ? and key not like 'runtime/%'",
        run_id,
    )
    rowid, key, step, value = rng.choice(rows)
    (bits,) = struct.unpack("<q", struct.pack("<d", float(str(value))))
    (other,) = struct.unpack("<d", struct.pack("<q", bits ^ (1 << rng.randrange(30))))
    _change(folder, f"update {table} set value = ? where rowid = ?", other, rowid)
    return f"{key} at step {step} in {table}"


def move_step(rng: random.Random, folder: Path, run_id: str) -> str:
    """Delete a step of a metric, or move it to another step."""
    rows = _rows(
        folder, "select rowid, key, step from metrics where run_uuid = ? and key like 'train/%'", run_id
    )
    rowid, key, step = rng.choice(rows)
    if rng.random() < 0.5:
        _change(folder, "delete from metrics where rowid = ?", rowid)
        return f"{key} at step {step} deleted"
    _change(folder, "update metrics set step = step + 100000 where rowid = ?", rowid)
    return f"{key} at step {step} moved"


def edit_hyperparameter(rng: random.Random, folder: Path, run_id: str) -> str:
    """Change a hyperparameter, in `config.yaml` or in the params."""
    field, other = rng.choice(
        [("learning_rate", "2.0e-06"), ("batch_size", "21"), ("max_steps", "31"), ("seed", "7")]
    )
    if rng.random() < 0.5:
        _change(folder, "update params set value = ? where run_uuid = ? and key = ?", other, run_id, field)
        return f"param {field}"
    path = _artifacts(folder, run_id) / "config.yaml"
    lines = [
        f"{field}: {other}" if line.startswith(f"{field}:") else line
        for line in path.read_text().splitlines()
    ]
    path.write_text("\n".join(lines) + "\n")
    return f"{field} in config.yaml"


def edit_tag(rng: random.Random, folder: Path, run_id: str) -> str:
    """Change a tag that identifies the run or its data."""
    name = rng.choice(
        [
            "swath.fingerprint",
            "swath.data_digest",
            "swath.bits",
            "swath.kind",
            "mlflow.swath.config_schema",
        ]
    )
    _change(folder, "update tags set value = value || '0' where run_uuid = ? and key = ?", run_id, name)
    return f"tag {name}"


def repair_digests(folder: Path, run_id: str) -> None:
    """Update the stored digests of a run's files to their present content, as a careful forger would."""
    place = _artifacts(folder, run_id)
    ((written,),) = _rows(
        folder, "select value from tags where run_uuid = ? and key = 'mlflow.swath.files'", run_id
    )
    names = [name for name in json.loads(str(written)) if (place / name).exists()]
    digests = {name: hashlib.sha256((place / name).read_bytes()).hexdigest() for name in names}
    _change(
        folder,
        "update tags set value = ? where run_uuid = ? and key = 'mlflow.swath.files'",
        json.dumps(digests),
        run_id,
    )


MUTATIONS: tuple[Mutation, ...] = (
    flip_bit_of_array,
    flip_bit_of_file,
    delete_file,
    change_value,
    move_step,
    edit_hyperparameter,
    edit_tag,
)


def copy_store(source: Path, target: Path) -> None:
    """Copy a store without Hydra's folders."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("multirun", "outputs"))
