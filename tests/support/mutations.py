"""Small changes to a store, each of which has to be found."""

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
"""Files of a run that carry its numbers or say where they came from."""

TELLING_TAGS = (
    "swath.fingerprint",
    "swath.data_digest",
    "swath.bits",
    "swath.kind",
    "swath.config_schema",
    "swath.files",
)

Mutation = Callable[[random.Random, Path, str], str]
"""(random numbers, folder of the store, run id) -> what was changed."""


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


def flip_bit_of_array(chosen: random.Random, folder: Path, run_id: str) -> str:
    """One bit of one weight, bias, statistic or predicted class; the file is a whole one again."""
    name = chosen.choice(["weights.npz", "predictions.npz"])
    path = _artifacts(folder, run_id) / name
    with np.load(path) as stored:
        arrays = {key: array.copy() for key, array in stored.items() if array.size}
        empty = {key: array for key, array in stored.items() if not array.size}
    key = chosen.choice(sorted(arrays))
    raw = bytearray(arrays[key].tobytes())
    place = chosen.randrange(8 * len(raw))
    raw[place // 8] ^= 1 << place % 8
    arrays[key] = np.frombuffer(bytes(raw), arrays[key].dtype).reshape(arrays[key].shape)
    np.savez(path, **arrays, **empty)
    return f"bit {place} of {key} in {name}"


def flip_bit_of_file(chosen: random.Random, folder: Path, run_id: str) -> str:
    """One bit of a file as it lies there."""
    name = chosen.choice(FILES)
    path = _artifacts(folder, run_id) / name
    raw = bytearray(path.read_bytes())
    place = chosen.randrange(8 * len(raw))
    raw[place // 8] ^= 1 << place % 8
    path.write_bytes(bytes(raw))
    return f"bit {place} of {name}"


def delete_file(chosen: random.Random, folder: Path, run_id: str) -> str:
    """One file."""
    name = chosen.choice(FILES)
    (_artifacts(folder, run_id) / name).unlink()
    return f"{name} deleted"


def change_value(chosen: random.Random, folder: Path, run_id: str) -> str:
    """The last bits of one value of one metric at one step, or of its last value."""
    table = chosen.choice(["metrics", "metrics", "metrics", "latest_metrics"])
    rows = _rows(
        folder,
        f"select rowid, key, step, value from {table} where run_uuid = ? and key not like 'runtime/%'",
        run_id,
    )
    rowid, key, step, value = chosen.choice(rows)
    (bits,) = struct.unpack("<q", struct.pack("<d", float(str(value))))
    (other,) = struct.unpack("<d", struct.pack("<q", bits ^ (1 << chosen.randrange(30))))
    _change(folder, f"update {table} set value = ? where rowid = ?", other, rowid)
    return f"{key} at step {step} in {table}"


def move_step(chosen: random.Random, folder: Path, run_id: str) -> str:
    """A step that is gone, or stands at another step."""
    rows = _rows(
        folder, "select rowid, key, step from metrics where run_uuid = ? and key like 'train/%'", run_id
    )
    rowid, key, step = chosen.choice(rows)
    if chosen.random() < 0.5:
        _change(folder, "delete from metrics where rowid = ?", rowid)
        return f"{key} at step {step} deleted"
    _change(folder, "update metrics set step = step + 100000 where rowid = ?", rowid)
    return f"{key} at step {step} moved"


def edit_hyperparameter(chosen: random.Random, folder: Path, run_id: str) -> str:
    """A value of the configuration, in the file or among the params."""
    field, other = chosen.choice(
        [("learning_rate", "2.0e-06"), ("batch_size", "21"), ("max_steps", "31"), ("seed", "7")]
    )
    if chosen.random() < 0.5:
        _change(folder, "update params set value = ? where run_uuid = ? and key = ?", other, run_id, field)
        return f"param {field}"
    path = _artifacts(folder, run_id) / "config.yaml"
    lines = [
        f"{field}: {other}" if line.startswith(f"{field}:") else line
        for line in path.read_text().splitlines()
    ]
    path.write_text("\n".join(lines) + "\n")
    return f"{field} in config.yaml"


def edit_tag(chosen: random.Random, folder: Path, run_id: str) -> str:
    """What says which run this is, and of which data."""
    name = chosen.choice(
        ["swath.fingerprint", "swath.data_digest", "swath.bits", "swath.kind", "swath.config_schema"]
    )
    _change(folder, "update tags set value = value || '0' where run_uuid = ? and key = ?", run_id, name)
    return f"tag {name}"


def repair_digests(folder: Path, run_id: str) -> None:
    """Make the digests of a run's files those of what they are now, as somebody who knows of them would."""
    place = _artifacts(folder, run_id)
    ((written,),) = _rows(folder, "select value from tags where run_uuid = ? and key = 'swath.files'", run_id)
    names = [name for name in json.loads(str(written)) if (place / name).exists()]
    digests = {name: hashlib.sha256((place / name).read_bytes()).hexdigest() for name in names}
    _change(
        folder,
        "update tags set value = ? where run_uuid = ? and key = 'swath.files'",
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
    """Copy a store; its files are few and small."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("multirun", "outputs"))
