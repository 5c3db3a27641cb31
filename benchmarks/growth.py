"""What a configuration costs by their number: time, memory and bytes, for swath and for other ways.

Each has ten steps, so that nearly all of it is bookkeeping. The others are measured up to 100 configurations;
those that are not installed are left out. `$SWATH_PEERS` names a Python in which they are.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.processes import CONTENDERS, measure

COUNTS = (1, 10, 100, 1_000, 10_000)

MOST_OF_OTHERS = 100

STEPS = 10

SWATH = "swath"
HYDRA = "Hydra + MLflow"
HYDRAFLOW = "hydraflow"
OPTUNA = "Optuna + its callback"
RAY = "Ray Tune + its callback"

Growth = dict[str, dict[str, dict[str, float]]]
"""`seconds`, `cpu`, `bytes` of memory and `stored` bytes by side and number of configurations."""


def growth(data: Path, print_line: Callable[[str], None]) -> Growth:
    """Measure every side at every number, each in a folder of its own.

    Args:
      data: the folder that contains `cifar-10-batches-py/`.
      print_line: prints a line of progress.
    """
    batches, peers = str(data / "cifar-10-batches-py"), os.environ.get("SWATH_PEERS", sys.executable)
    swath = [str(Path(sys.executable).parent / "swath"), "-m", f"data.dir={data}", f"max_steps={STEPS}"]

    def scripted(name: str, *arguments: str) -> list[str]:
        return [peers, str(CONTENDERS / name), *arguments]

    sides: dict[str, Callable[[int], list[str]]] = {
        SWATH: lambda count: [*swath, "tracking.postprocess=wait", f"learning_rate={rates(count)}"],
        HYDRA: lambda count: scripted(
            "idiomatic.py", "-m", f"data={batches}", f"max_steps={STEPS}", f"learning_rate={rates(count)}"
        ),
        HYDRAFLOW: lambda count: scripted(
            "hydraflow_runs.py", "-m", f"data={batches}", f"steps={STEPS}", f"learning_rate={rates(count)}"
        ),
        OPTUNA: lambda count: scripted("tuned.py", "optuna", batches, str(count), str(STEPS)),
        RAY: lambda count: scripted("tuned.py", "ray", batches, str(count), str(STEPS)),
    }
    found: Growth = {}
    for count in COUNTS:
        for side, command in sides.items():
            if side == SWATH or (count <= MOST_OF_OTHERS and (count == COUNTS[0] or side in found)):
                entry = _measured(command(count), print_line, f"{side}, {count}")
                if entry:
                    found.setdefault(side, {})[str(count)] = entry
    return found


def rates(count: int) -> str:
    """Learning rates, one for each configuration."""
    return ",".join(f"{1e-8 * 1.001**power:.7g}" for power in range(count))


def _measured(command: list[str], print_line: Callable[[str], None], what: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="swath-benchmark-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        try:
            run = measure(command, folder)
        except Exception as error:  # it is not installed, or fails
            print_line(
                f"  {what}: left out ({str(getattr(error, 'output', error)).strip().splitlines()[-1:]})"
            )
            return {}
        stored = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        shutil.rmtree(folder, ignore_errors=True)
    print_line(f"  {what}: {run.wall_s:.1f} s, {run.cpu_s:.1f} s of a processor")
    return {"seconds": run.wall_s, "cpu": run.cpu_s, "bytes": run.family_peak_bytes, "stored": stored}
