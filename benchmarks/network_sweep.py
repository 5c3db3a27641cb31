"""A sweep of 24 multilayer perceptrons, everything tracked: swath, and Keras `fit` with MLflow's callback."""

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.processes import CONTENDERS, Measured, measure

CONFIGURATIONS = 24

STEPS = 500

SAMPLE = 3
"""Configurations that Keras trains; the time of one more is that of three less one, halved."""

KERAS = "Keras `fit` with MLflow's callback per batch"
SWATH = "swath"

RATES = tuple(f"{1e-5 * 1.2**power:.3g}" for power in range(CONFIGURATIONS))

FIELDS = ("batch_size=100", f"max_steps={STEPS}", "l2=0.1")


def network_sweep_times(
    data: Path, repeats: int, print_line: Callable[[str], None]
) -> dict[str, list[float]]:
    """Seconds of the sweep by side, and `GB` of swath with its tracking process, measured in turn.

    Args:
      data: the folder that contains `cifar-10-batches-py/`.
      repeats: number of measurements.
      print_line: prints a line of progress.
    """
    found: dict[str, list[float]] = {KERAS: [], SWATH: [], "GB": []}
    with tempfile.TemporaryDirectory(prefix="swath-benchmark-") as name:
        folder = Path(name)
        swath = [str(Path(sys.executable).parent / "swath"), "-m", f"data.dir={data}", "model=mlp", *FIELDS]
        rates = f"learning_rate={','.join(RATES)}"
        _in(folder, [*swath, rates, "max_steps=1"])  # the store, the cache of the images, the probes
        for _ in range(repeats):
            one, few = (_keras(folder, data, count) for count in (1, SAMPLE))
            each = (few - one) / (SAMPLE - 1)
            found[KERAS].append(one + each * (CONFIGURATIONS - 1))
            run = _in(folder, [*swath, rates])
            found[SWATH].append(run.wall_s)
            found["GB"].append(run.family_peak_bytes / 1e9)
            print_line(f"  Keras {found[KERAS][-1]:.0f} s, swath {run.wall_s:.1f} s")
    return found


def _keras(folder: Path, data: Path, count: int) -> float:
    script = [sys.executable, str(CONTENDERS / "keras_fit.py"), "-m", f"data={data}/cifar-10-batches-py"]
    rates = f"learning_rate={','.join(RATES[:count])}"
    return _in(folder, [*script, *FIELDS, "hidden_units=120", rates]).wall_s


def _in(folder: Path, command: list[str]) -> Measured:
    return measure(command, folder, {"SWATH_POSTPROCESS": "off"})
