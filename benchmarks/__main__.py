"""`python -m benchmarks`: measure everything, print it, and write docs/benchmarks.md.

CIFAR-10 is taken from $SWATH_DATA_DIR, a folder that holds `cifar-10-batches-py/`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.processes import process_times
from benchmarks.report import report

ROOT = Path(__file__).resolve().parents[1]
STEP_REPEATS = 25
PROCESS_REPEATS = 7


def main() -> int:
    """Measure, print, write; returns the exit status."""
    data = os.environ.get("SWATH_DATA_DIR")
    if data is None or not (Path(data) / "cifar-10-batches-py").is_dir():
        print("set SWATH_DATA_DIR to the folder that holds cifar-10-batches-py", file=sys.stderr)
        return 2
    print(f"Timing {STEP_REPEATS} repeats of a training step and its limit ...", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.steps", str(STEP_REPEATS)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    steps: dict[str, list[float]] = json.loads(done.stdout)
    print(f"Timing {PROCESS_REPEATS} repeats of whole processes, half a minute each ...", flush=True)
    processes = process_times(Path(data), PROCESS_REPEATS)
    text = report(steps, processes)
    (ROOT / "docs" / "benchmarks.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
