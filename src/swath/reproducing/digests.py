"""What a run computed step by step, as one digest that can be published."""

import hashlib

import numpy as np

from swath.comparing.numbers import NOT_COMPUTED
from swath.reading.records import StoredRun
from swath.reading.store import Reader


def metrics_digest(reader: Reader, run: StoredRun) -> str:
    """SHA-256 of every metric that was computed: name, steps (int64), values (float64); by name."""
    names = [name for name in run.metrics if not name.startswith(NOT_COMPUTED)]
    digest = hashlib.sha256()
    for curve in sorted(reader.curves([run.run_id], names), key=lambda curve: curve.metric):
        digest.update(curve.metric.encode())
        digest.update(np.ascontiguousarray(curve.steps, "<i8").tobytes())
        digest.update(np.ascontiguousarray(curve.values, "<f8").tobytes())
    return digest.hexdigest()
