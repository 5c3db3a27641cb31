"""Makes a store with thousands of finished runs: rows and files of a real one, for each configuration."""

import hashlib
import json
import os
import sqlite3
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.processes import measure
from swath.cli.validation import check_command
from swath.config import TrainConfig, computed_values, fingerprint, register, run_name
from swath.tracking import schema
from swath.training import lane_key

SWATH = Path(sys.executable).with_name("swath")

SEEDS = 100

SHARED = ["data=digits", "data.validation_size=300", "max_steps=3"]

SPLITS = ("validation", "test")


def grid(count: int) -> list[str]:
    """Overrides of a grid of `count` configurations, a multiple of `SEEDS`."""
    rates = f"learning_rate=range(0.00001,{count // SEEDS / 100_000 + 0.000_005:.6f},0.00001)"
    return ["-m", *SHARED, rates, f"seed=range(0,{SEEDS})"]


@dataclass
class _Real:
    """A run that was trained, to be copied.

    Attributes:
      database: the store.
      run_id: its id.
      folder: of its files.
      predictions: arrays of its file of predictions.
    """

    database: sqlite3.Connection
    run_id: str
    folder: Path
    predictions: dict[str, Any]

    def rows(self, table: str) -> tuple[list[str], list[dict[str, Any]]]:
        """The columns of a table, and the rows of the run."""
        names = [row[1] for row in self.database.execute(f"pragma table_info({table})")]
        key = "destination_id" if table == "inputs" else "run_uuid"
        found = self.database.execute(f"select * from {table} where {key} = ?", (self.run_id,)).fetchall()
        return names, [dict(zip(names, row, strict=True)) for row in found]


def make_store(folder: Path, count: int, print_line: Callable[[str], None]) -> None:
    """Create the store of a sweep of `grid(count)` of which every configuration has finished."""
    folder.mkdir(parents=True, exist_ok=True)
    off = ["tracking.postprocess=off"]
    measure([str(SWATH), "-m", *SHARED, "learning_rate=0.00001", "seed=0,1", *off], folder)
    register()
    configs = check_command("config", grid(count)[1:], True, ()).configs
    assert len(configs) == count
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        found = database.execute(
            "select run_uuid, artifact_uri from runs where name like ? order by run_uuid",
            (f"%{configs[0].seed} (%",),
        ).fetchall()
        run_id, place = next(entry for entry in found if _is_of(database, entry[0], configs[0]))
        with np.load(Path(place) / schema.PREDICTIONS_FILE) as arrays:
            real = _Real(database, run_id, Path(place), dict(arrays))
        there = {row[0] for row in database.execute("select value from tags where key = 'swath.fingerprint'")}
        _copy(real, [config for config in configs if fingerprint(config) not in there])
        database.commit()
    print_line(f"a store of {count} finished runs")


def _is_of(database: sqlite3.Connection, run_id: str, config: TrainConfig) -> bool:
    row = database.execute(
        "select value from tags where key = 'swath.fingerprint' and run_uuid = ?", (run_id,)
    ).fetchone()
    return row is not None and bool(row[0] == fingerprint(config))


def _copy(real: _Real, configs: Sequence[TrainConfig]) -> None:
    """Add a finished run for each configuration, with predictions and scores of its own."""
    tables = {
        name: real.rows(name) for name in ("runs", "tags", "params", "metrics", "latest_metrics", "inputs")
    }
    added: dict[str, list[dict[str, Any]]] = {name: [] for name in tables}
    digest = next(row["value"] for row in tables["tags"][1] if row["key"] == schema.DATA_DIGEST)
    random = np.random.default_rng(0)
    began = int(time.time() * 1000)
    for number, config in enumerate(configs):
        run_id = uuid.UUID(bytes=random.bytes(16)).hex
        scores, files = _write_files(real, run_id, random)
        params = {name: str(value) for name, value in computed_values(config).items()}
        params["log10 learning_rate"] = f"{np.log10(config.learning_rate):.6g}"
        tags = {
            schema.FINGERPRINT: fingerprint(config),
            schema.LANE: lane_key(config, digest),
            schema.FILES: files,
            schema.BITS: hashlib.sha256(run_id.encode()).hexdigest(),
            "mlflow.runName": run_name(config, ("learning_rate", "seed")),
        }
        for name, (_, rows) in tables.items():
            for row in rows:
                copied = {column: run_id if value == real.run_id else value for column, value in row.items()}
                match name:
                    case "runs":
                        copied |= {"name": tags["mlflow.runName"], "start_time": began + number}
                        copied["artifact_uri"] = row["artifact_uri"].replace(real.run_id, run_id)
                    case "tags":
                        copied["value"] = tags.get(row["key"], row["value"])
                    case "params":
                        copied["value"] = params[row["key"]]
                    case "metrics" | "latest_metrics":
                        copied["value"] = scores.get(row["key"], row["value"])
                    case "inputs":
                        copied["input_uuid"] = uuid.UUID(bytes=random.bytes(16)).hex
                added[name].append(copied)
    for name, (columns, _) in tables.items():
        marks = ", ".join("?" * len(columns))
        rows = ([row[column] for column in columns] for row in added[name])
        real.database.executemany(f"insert into {name} values ({marks})", rows)


def _write_files(real: _Real, run_id: str, random: np.random.Generator) -> tuple[dict[str, float], str]:
    """The files of a copy; returns its scores, and the tag with the digests of its files."""
    folder = real.folder.parent.parent / run_id / real.folder.name
    folder.mkdir(parents=True)
    for path in real.folder.iterdir():
        if path.name != schema.PREDICTIONS_FILE:
            os.link(path, folder / path.name)
    predictions, scores = dict(real.predictions), {}
    for split in SPLITS:
        wrong = random.random(predictions[split].shape) < random.uniform(0, 0.2)
        predictions[split] = np.where(wrong, random.integers(0, 10, wrong.shape), predictions[split])
        predictions[split] = predictions[split].astype(np.uint8)
        scores[f"{split}/accuracy"] = float(np.mean(predictions[split] == predictions[f"{split}_labels"]))
        scores[f"{split}/loss"] = float(random.uniform(0.5, 2.5))
    file = folder / schema.PREDICTIONS_FILE
    np.savez_compressed(file, **predictions)
    (written,) = real.database.execute(
        "select value from tags where run_uuid = ? and key = ?", (real.run_id, schema.FILES)
    ).fetchone()
    digests = {**json.loads(written), schema.PREDICTIONS_FILE: hashlib.sha256(file.read_bytes()).hexdigest()}
    return scores, json.dumps(digests)
