"""Reads a large store: lists, rankings, curves and plots. Runs in a separate process."""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from mlflow.tracking import MlflowClient

from benchmarks.processes import measure
from swath.tracking import open_reader

SWATH = Path(sys.executable).with_name("swath")
COMPARE = SWATH.with_name("swath-compare")

IMPORT = "python -c 'import mlflow'"
LIST = "swath-compare"
RANKING = "swath-compare SWEEP, of 72"
PLOTS = "swath-compare SWEEP --plots DIR, of 72"

CURVES = "swath.load_curves"
HISTORIES = "get_metric_history, a call per run"

METRIC = "train/accuracy"

RATES = ",".join(f"{10 ** (-8 + index / 10):.3g}" for index in range(40))
SWEEPS_OF_40 = 48
REST = 8
"""Runs of the smallest sweep. 48 sweeps of 40 runs, one of 72 and one of 8: 50 sweeps, 2,000 runs."""


def make_store(folder: Path, print_line: Callable[[str], None]) -> None:
    """Create a store of 50 sweeps and 2,000 runs of 200 steps; the last sweep has 72 runs."""
    common = ["-m", "data=digits", "data.validation_size=300", "max_steps=200"]
    for number in range(SWEEPS_OF_40):
        measure([str(SWATH), *common, "batch_size=50", f"learning_rate={RATES}", f"seed={number}"], folder)
        print_line(f"{number + 1} sweeps")
    rest = ",".join(RATES.split(",")[:REST])
    measure([str(SWATH), *common, "batch_size=50", f"learning_rate={rest}", "seed=1000"], folder)
    measure([str(SWATH), *common, *SIX_BY_TWELVE, "seed=2000"], folder)


SIX_BY_TWELVE = [
    "batch_size=16,32,50,64,100,128",
    "learning_rate=1e-8,3e-8,1e-7,3e-7,1e-6,3e-6,1e-5,3e-5,1e-4,3e-4,1e-3,3e-3",
]


def latest_sweep(folder: Path) -> str:
    """Id of the latest sweep of the store in `folder`."""
    listed = json.loads(measure([str(COMPARE), "--format", "json"], folder).output)
    return str(listed[-1]["sweep_id"])


def command_times(folder: Path, repeats: int) -> dict[str, list[float]]:
    """Seconds of whole processes that read the store in `folder`, measured in turn."""
    sweep = latest_sweep(folder)
    sides = {
        IMPORT: [sys.executable, "-c", "import mlflow"],
        LIST: [str(COMPARE)],
        RANKING: [str(COMPARE), sweep],
        PLOTS: [str(COMPARE), sweep, "--plots", str(folder / "plots")],
    }
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(repeats):
        for side, command in sides.items():
            seconds[side].append(measure(command, folder).wall_s)
    return seconds


def curve_times(folder: Path, repeats: int) -> dict[str, list[float]]:
    """Seconds to read the curves of 72 runs of 1,000 steps, measured in turn after a warm-up."""
    measure([str(SWATH), "-m", "data=digits", "max_steps=1000", *SIX_BY_TWELVE], folder)
    sweep = latest_sweep(folder)
    uri = f"sqlite:///{folder}/mlflow.db"
    run_ids = [run.run_id for run in open_reader(uri).runs({"swath.sweep_id": sweep, "swath.kind": "run"})]
    import swath

    client = MlflowClient(uri)
    sides: dict[str, Callable[[], object]] = {
        CURVES: partial(swath.load_curves, run_ids, [METRIC], uri),
        HISTORIES: lambda: [client.get_metric_history(run_id, METRIC) for run_id in run_ids],
    }
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(repeats + 1):
        for side, read in sides.items():
            started = time.perf_counter()
            read()
            seconds[side].append(time.perf_counter() - started)
    return {side: values[1:] for side, values in seconds.items()}


def imports_tensorflow(folder: Path) -> bool:
    """Whether a ranking imports TensorFlow."""
    listing = "import sys; sys.argv = ['swath-compare', sys.argv[1]]\n"
    listing += "from swath.cli.entry import swath_compare as main\ntry:\n  main()\nexcept SystemExit:\n"
    listing += "  print('tensorflow' in sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", listing, latest_sweep(folder)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr.splitlines()[-1] == "True"


def main(repeats: int) -> None:
    """Print all measurements as JSON."""
    print_line = partial(print, file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="swath-benchmark-") as name:
        folder = Path(name)
        make_store(folder, print_line)
        found = {
            "commands": command_times(folder, repeats),
            "curves": curve_times(folder, repeats),
            "tensorflow": imports_tensorflow(folder),
        }
    for part in (found["commands"], found["curves"]):
        assert isinstance(part, dict)
        for side, values in part.items():
            print_line(f"{side}: {statistics.median(values):.2f} s")
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]))
