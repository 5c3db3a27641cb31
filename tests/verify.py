"""Compute the published digests of results and write them, or compare them with this machine's.

python -m verify [--write]   (from tests/; `make verify`)

The digests are written only if the kernels for AVX2 and for AVX-512 give the same, so this needs a processor
with both.
"""

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import archspec.cpu
import numpy as np
from support.command import swath

from swath.analysis import all_sweeps
from swath.tracking import Reader, StoredRun, open_reader, read_weights, schema

PUBLISHED = Path(__file__).resolve().parents[1] / "docs" / "digests.json"

REQUIRED_EQUAL = {
    "swath.arithmetic": "arithmetic",
    "swath.kernels": "kernels",
    "swath.tensorflow": "TensorFlow",
    "swath.onednn": "oneDNN",
}
"""Provenance that must be equal for results to be bit-identical: tags and their display names."""

SHOWN = {**REQUIRED_EQUAL, "swath.cpu": "processor", "swath.version": "swath"}

COMMANDS: dict[str, tuple[str, ...]] = {
    "quickstart": ("-cn", "quickstart"),
    "networks": (
        "-m",
        "data=digits",
        "data.validation_size=300",
        "model=mlp",
        "model.hidden_units=[30],[64,32]",
        "optimizer=sgd,momentum,nesterov,adam",
        "learning_rate=0.001",
        "l2=0.01",
        "schedule=cosine",
        "augment=mirror",
        "preprocessing=scale",
        "max_steps=200",
    ),
    "article": (),
}
"""Arguments of swath by the name of its command; only the last one needs CIFAR-10."""


def compute_digests(data_dir: str | None, **kernels: str) -> dict[str, Any]:
    """Digests of the results on this machine; the article's run only if CIFAR-10 is available.

    Args:
      data_dir: folder of CIFAR-10.
      **kernels: variables that choose oneDNN's kernels.
    """
    runs: dict[str, dict[str, str]] = {}
    environment: dict[str, str] = {}
    for name, arguments in COMMANDS.items():
        if name == "article" and data_dir is None:
            continue
        variables = kernels if data_dir is None else {"SWATH_DATA_DIR": data_dir, **kernels}
        with tempfile.TemporaryDirectory(prefix="swath-verify-") as folder:
            done = swath(Path(folder), *arguments, SWATH_POSTPROCESS="off", **variables)
            assert done.returncode == 0, done.stderr
            for key, digests, tags in _digests(folder):
                runs[f"{name}: {key}"] = digests
                environment = {shown: tags[tag] for tag, shown in SHOWN.items()}
    return {"made with": environment, "runs": runs}


def _digests(folder: str) -> Iterator[tuple[str, dict[str, str], dict[str, str]]]:
    reader = open_reader(f"sqlite:///{folder}/mlflow.db")
    (sweep,) = all_sweeps(reader)
    for run in sorted(sweep.runs, key=lambda run: run.named_by(sweep.swept)):
        learned = read_weights(run)
        weights = hashlib.sha256()
        for array in learned.arrays.values():
            weights.update(np.ascontiguousarray(array).tobytes())
        digests = {
            "data": run.tags["swath.data_digest"],
            "metrics": metrics_digest(reader, run),
            "weights": weights.hexdigest(),
        }
        yield run.named_by(sweep.swept), digests, run.tags


def metrics_digest(reader: Reader, run: StoredRun) -> str:
    """SHA-256 of every computed metric: name, steps (int64), values (float64); sorted by name."""
    names = [name for name in run.metrics if not schema.is_measured(name)]
    digest = hashlib.sha256()
    for curve in sorted(reader.curves([run.run_id], names), key=lambda curve: curve.metric):
        digest.update(curve.metric.encode())
        digest.update(np.ascontiguousarray(curve.steps, "<i8").tobytes())
        digest.update(np.ascontiguousarray(curve.values, "<f8").tobytes())
    return digest.hexdigest()


def environment_differences(published: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Environment differences that prevent a comparison of two sets of digests."""
    first, second = published["made with"], found["made with"]
    return [name for name in REQUIRED_EQUAL.values() if first[name] != second[name]]


def compare_digests(published: dict[str, Any], found: dict[str, Any]) -> dict[str, str]:
    """Outcome for each run: `same`, `differs: metrics, weights`, or why it was not compared."""
    outcomes = {}
    for key, digests in published["runs"].items():
        mine = found["runs"].get(key)
        if mine is None:
            outcomes[key] = "not computed: no CIFAR-10 at hand (SWATH_TEST_CIFAR10=FOLDER names it)"
        elif mine["data"] != digests["data"]:
            outcomes[key] = "not compared: other data"
        else:
            other = [name for name in digests if digests[name] != mine[name]]
            outcomes[key] = f"differs: {', '.join(other)}" if other else "same"
    return outcomes


def main(arguments: list[str]) -> int:
    """Write or compare the digests; return the exit status."""
    data_dir = os.environ.get("SWATH_TEST_CIFAR10")
    found = compute_digests(data_dir)
    if arguments == ["--write"]:
        if "avx512f" not in archspec.cpu.host().features:
            print("expected a processor with AVX-512, whose digests are compared with those of AVX2")
            return 1
        if compute_digests(data_dir, ONEDNN_MAX_CPU_ISA="AVX2")["runs"] != found["runs"]:
            print("the kernels for AVX2 and for AVX-512 give other digests; nothing was written")
            return 1
        found["made with"]["compared"] = "kernels for AVX2 and for AVX-512: the same digests"
        PUBLISHED.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        return 0
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    if others := environment_differences(published, found):
        print(f"the published digests do not hold here: another {', another '.join(others)}")
        return 0
    outcomes = compare_digests(published, found)
    for key, what in outcomes.items():
        print(f"{key}: {what}")
    return int(any(what.startswith("differs") for what in outcomes.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
