"""Cost of checkpoints in a long sweep. Runs in a separate process."""

import json
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.processes import measure

SWATH = Path(sys.executable).with_name("swath")

SWEEP = ["-m", "batch_size=100", "learning_rate=1e-7,2e-7,4e-7,8e-7,1e-6,2e-6,4e-6,8e-6", "max_steps=30000"]
"""Arguments of `swath` for eight lanes that train for about half a minute."""

THIN = ["tracking.every_steps=100", "data.validation_size=5000"]
"""Store every 100th step only, so that training dominates the measurement."""

SIDES = {"every second": "checkpoint.every_s=1", "none": "checkpoint.every_s=1e9"}
"""Thirty times as often as by default, because the cost at the default interval is below the noise."""


def main(data: str, repeats: int) -> None:
    """Print seconds of whole processes as JSON, with and without checkpoints, measured in turn."""
    seconds: dict[str, list[float]] = {side: [] for side in SIDES}
    for _ in range(repeats):
        for side, override in SIDES.items():
            with tempfile.TemporaryDirectory(prefix="swath-benchmark-") as folder:
                command = [str(SWATH), *SWEEP, *THIN, f"data.dir={data}", override]
                seconds[side].append(measure(command, Path(folder)).wall_s)
                print(f"{side}: {seconds[side][-1]:.1f} s", file=sys.stderr, flush=True)
    with_them, without = (statistics.median(seconds[side]) for side in SIDES)
    print(f"checkpoints cost {with_them / without - 1:.1%}", file=sys.stderr, flush=True)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
