"""Whole processes that train a grid: swath, and common ways to train and track one without it."""

import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.processes import CONTENDERS, Measured, measure

GRID_CONFIGURATIONS = 72
GRID_STEPS = 1_000
"""The sweep `grid` has 72 configurations of 1,000 steps each on average."""

SAMPLE_BATCH_SIZES = (16, 100, 150)
"""Batch sizes that slow contenders train: 89 images on average, against 91 in `grid`."""

SAMPLE_STEPS = 501
START_UP_STEPS = 1

TUTORIAL = "1. the tutorial's script, one process per configuration"
LOG_METRIC = "2. TensorFlow 2, Hydra, `mlflow.log_metric` per step"
LOG_BATCH = "2b. the same, `log_batch` at the end of a run"
KERAS = "3. Keras `fit` with MLflow's callback per batch"
BASIC = "4. swath, `hydra/launcher=basic`"
UNTRACKED = "5. swath, untracked"
SWATH = "6. swath"
TUTORIAL_24 = "the tutorial's script, 24 configurations of 1,000 steps"
SWATH_24 = "swath in an empty folder, 24 configurations of 1,000 steps"

Grid = dict[str, list[float]]
"""Seconds by contender, one per repeat; those of slow contenders are scaled up from a sample."""


def grid_times(data: Path, repeats: int, print_line: Callable[[str], None]) -> tuple[Grid, dict[str, float]]:
    """Measure each contender `repeats` times, in turn.

    Args:
      data: the folder that contains `cifar-10-batches-py/`.
      repeats: number of measurements.
      print_line: prints a line of progress.

    Returns:
      Seconds, and peak resident bytes of swath: `process` alone, `family` with its tracking process.
    """
    times: Grid = {}
    peak = {"process": 0.0, "family": 0.0}
    batches = data / "cifar-10-batches-py"
    swath, untracked = (
        [str(Path(sys.executable).parent / "swath")],
        [sys.executable, "-m", "benchmarks.untracked"],
    )
    named = ["-cn", "grid", f"data.dir={data}"]
    rates = ",".join(f"{1e-8 * 1.5**power:.3g}" for power in range(24))
    two_dozen = ["-m", f"data.dir={data}", "max_steps=1000", f"learning_rate={rates}"]

    def record(side: str, seconds: float) -> None:
        times.setdefault(side, []).append(seconds)
        print_line(f"  {side}: {seconds:.1f} s")

    with tempfile.TemporaryDirectory(prefix="swath-benchmark-") as name:
        folder = Path(name)
        # Create the store and the image cache, and probe the widths.
        _in(folder, [*swath, *named, "max_steps=1"])
        for _ in range(repeats):
            alone = [_tutorial(folder, batches, size) for size in SAMPLE_BATCH_SIZES]
            record(TUTORIAL, sum(alone) / len(alone) * GRID_CONFIGURATIONS)
            record(TUTORIAL_24, _tutorial(folder, batches, 100) * 24)
            record(LOG_METRIC, _scaled(folder, batches, "idiomatic.py"))
            record(LOG_BATCH, _scaled(folder, batches, "idiomatic.py", "log_at_end=true"))
            record(KERAS, _scaled(folder, batches, "keras_fit.py"))
            record(BASIC, _in(folder, [*swath, *named, "hydra/launcher=basic"]).wall_s)
            record(UNTRACKED, _in(folder, [*untracked, *named]).wall_s)
            tracked = _in(folder, [*swath, *named])
            record(SWATH, tracked.wall_s)
            peak["process"] = max(peak["process"], tracked.peak_bytes)
            peak["family"] = max(peak["family"], tracked.family_peak_bytes)
            with tempfile.TemporaryDirectory(prefix="swath-benchmark-") as empty:
                record(SWATH_24, _in(Path(empty), [*swath, *two_dozen]).wall_s)
    return times, peak


def count_times(
    data: Path, counts: Sequence[int], print_line: Callable[[str], None]
) -> dict[str, dict[str, float]]:
    """Seconds, peak bytes and stored bytes of whole processes, by number of configurations of 100 steps."""
    swath = [str(Path(sys.executable).parent / "swath")]
    found = {}
    for count in counts:
        per_seed = min(count, 100)
        rates = ",".join(f"{1e-8 * 1.15**power:.4g}" for power in range(per_seed))
        seeds = f"range({-(-count // per_seed)})"
        arguments = ["-m", f"data.dir={data}", "max_steps=100", f"seed={seeds}", f"learning_rate={rates}"]
        with tempfile.TemporaryDirectory(prefix="swath-benchmark-") as name:
            run = _in(Path(name), [*swath, *arguments])
            store = [Path(name) / "mlflow.db", *(Path(name) / "mlruns").rglob("*")]
            stored = sum(path.stat().st_size for path in store if path.is_file())
        found[str(count)] = {
            "seconds": run.wall_s,
            "process_bytes": run.peak_bytes,
            "family_bytes": run.family_peak_bytes,
            "stored_bytes": stored,
        }
        print_line(f"  {count} configurations: {run.wall_s:.1f} s, {run.family_peak_bytes / 1e9:.2f} GB")
    return found


def _tutorial(folder: Path, batches: Path, batch_size: int) -> float:
    arguments = [str(batch_size), "1e-6", str(GRID_STEPS)]
    return _in(folder, [sys.executable, str(CONTENDERS / "tutorial.py"), str(batches), *arguments]).wall_s


def _scaled(folder: Path, batches: Path, script: str, *overrides: str) -> float:
    """Seconds for the whole grid, extrapolated from three configurations, each with many steps and with one.

    The cost of a run besides its steps is counted for three runs only, in the contender's favour.
    """
    sizes = ",".join(map(str, SAMPLE_BATCH_SIZES))
    command = [
        sys.executable,
        str(CONTENDERS / script),
        "-m",
        f"data={batches}",
        f"batch_size={sizes}",
        *overrides,
    ]
    common = [*command, "learning_rate=1e-6"]
    start_up = _in(folder, [*common, f"max_steps={START_UP_STEPS}"]).wall_s
    sample = _in(folder, [*common, f"max_steps={SAMPLE_STEPS}"]).wall_s
    per_step = (sample - start_up) / len(SAMPLE_BATCH_SIZES) / (SAMPLE_STEPS - START_UP_STEPS)
    return start_up + per_step * GRID_STEPS * GRID_CONFIGURATIONS


def _in(folder: Path, command: Sequence[str]) -> Measured:
    root = str(Path(__file__).resolve().parents[1])
    return measure(command, folder, {"PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])})
