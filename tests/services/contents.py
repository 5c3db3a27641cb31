"""What a store holds of each configuration, read row by row from MLflow's tables of any database."""

import hashlib
from typing import Any

import sqlalchemy


def contents(uri: str) -> dict[str, dict[str, Any]]:
    """Status, digest and metrics of each configuration, by fingerprint; each must have one run.

    The digest covers every row of every metric but the runtimes, so a row that is there twice changes it.
    """
    engine = sqlalchemy.create_engine(uri, poolclass=sqlalchemy.NullPool)
    found: dict[str, dict[str, Any]] = {}
    with engine.connect() as connection:
        runs = connection.exec_driver_sql(
            "select run_uuid, status from runs where lifecycle_stage = 'active'"
        ).fetchall()
        for run_id, status in runs:
            tags = dict(
                connection.exec_driver_sql(f"select key, value from tags where run_uuid = '{run_id}'").all()
            )
            rows = connection.exec_driver_sql(
                f"select key, step, value, is_nan from metrics where run_uuid = '{run_id}' order by key, step"
            ).all()
            kept = [
                (key, step, value, bool(nan))
                for key, step, value, nan in rows
                if not key.startswith("runtime/")
            ]
            if tags["swath.kind"] == "sweep":
                found[f"sweep {tags['swath.sweep']}"] = {"status": status}
                continue
            key = tags["swath.fingerprint"]
            assert key not in found, f"two runs of {key}"
            steps = [step for name, step, *_ in kept if name == "train/loss"]
            assert len(steps) == len(set(steps)), f"{len(steps)} rows of {len(set(steps))} steps"
            found[key] = {
                "status": status,
                "bits": tags.get("swath.bits"),
                "steps": len(steps),
                "metrics": hashlib.sha256(repr(kept).encode()).hexdigest(),
            }
    return found
