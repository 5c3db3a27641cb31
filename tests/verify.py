"""The published digests: made anew, or compared with what this machine computes.

python -m verify [--write]   (from tests/; `make verify`)
"""

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from support.command import swath

from swath.analysis import all_sweeps
from swath.tracking import Reader, StoredRun, open_reader, read_weights, schema

PUBLISHED = Path(__file__).resolve().parents[1] / "docs" / "digests.json"

HOLDS_FOR = {
    "swath.tensorflow": "TensorFlow",
    "swath.numpy": "NumPy",
    "swath.cpu_instruction_sets": "instruction sets",
    "swath.onednn": "oneDNN",
}
"""What has to be the same for the bits to be: tags, and what people call them."""

SHOWN = {**HOLDS_FOR, "swath.cpu": "processor", "swath.version": "swath"}

COMMANDS = {"quickstart": ("-cn", "quickstart"), "article": ()}


def computed(data_dir: str | None) -> dict[str, Any]:
    """Digests of what this machine computes; the article's run only where there is CIFAR-10."""
    runs: dict[str, dict[str, str]] = {}
    facts: dict[str, str] = {}
    for name, words in COMMANDS.items():
        if name == "article" and data_dir is None:
            continue
        given = {} if data_dir is None else {"SWATH_DATA_DIR": data_dir}
        with tempfile.TemporaryDirectory(prefix="swath-verify-") as folder:
            done = swath(Path(folder), *words, SWATH_POSTPROCESS="off", **given)
            assert done.returncode == 0, done.stderr
            for key, digests, tags in _digests(folder):
                runs[f"{name}: {key}"] = digests
                facts = {shown: tags[tag] for tag, shown in SHOWN.items()}
    return {"made with": facts, "runs": runs}


def _digests(folder: str) -> Iterator[tuple[str, dict[str, str], dict[str, str]]]:
    reader = open_reader(f"sqlite:///{folder}/mlflow.db")
    (sweep,) = all_sweeps(reader)
    for run in sorted(sweep.runs, key=lambda run: run.name):
        learned = read_weights(run)
        weights = hashlib.sha256(np.ascontiguousarray(learned.weights).tobytes() + learned.biases.tobytes())
        digests = {
            "data": run.tags["swath.data_digest"],
            "metrics": metrics_digest(reader, run),
            "weights": weights.hexdigest(),
        }
        yield run.name, digests, run.tags


def metrics_digest(reader: Reader, run: StoredRun) -> str:
    """SHA-256 of every computed metric: name, steps (int64), values (float64); sorted by name."""
    names = [name for name in run.metrics if not schema.is_measured(name)]
    digest = hashlib.sha256()
    for curve in sorted(reader.curves([run.run_id], names), key=lambda curve: curve.metric):
        digest.update(curve.metric.encode())
        digest.update(np.ascontiguousarray(curve.steps, "<i8").tobytes())
        digest.update(np.ascontiguousarray(curve.values, "<f8").tobytes())
    return digest.hexdigest()


def comparable(published: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """What keeps two sets of digests from being compared; empty where nothing does."""
    first, second = published["made with"], found["made with"]
    return [name for name in HOLDS_FOR.values() if first[name] != second[name]]


def compared(published: dict[str, Any], found: dict[str, Any]) -> dict[str, str]:
    """Of each run whether it is the same: `same`, `differs: metrics, weights`, or why it was not compared."""
    said = {}
    for key, digests in published["runs"].items():
        mine = found["runs"].get(key)
        if mine is None:
            said[key] = "not computed: no CIFAR-10 at hand (SWATH_TEST_CIFAR10=FOLDER names it)"
        elif mine["data"] != digests["data"]:
            said[key] = "not compared: other data"
        else:
            other = [name for name in digests if digests[name] != mine[name]]
            said[key] = f"differs: {', '.join(other)}" if other else "same"
    return said


def main(words: list[str]) -> int:
    """Write the digests, or compare; returns the exit status."""
    found = computed(os.environ.get("SWATH_TEST_CIFAR10"))
    if words == ["--write"]:
        PUBLISHED.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        return 0
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    if others := comparable(published, found):
        print(f"the published digests do not hold here: another {', another '.join(others)}")
        return 0
    said = compared(published, found)
    for key, what in said.items():
        print(f"{key}: {what}")
    return int(any(what.startswith("differs") for what in said.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
