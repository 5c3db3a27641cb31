"""Where the processor's time of a whole command goes, by part and by the number of configurations."""

import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.processes import measure

PROBE = Path(__file__).with_name("probe")

COUNTS: Mapping[str, tuple[str, ...]] = {
    "1": (),
    "12": ("-m", "batch_size=50,100", "learning_rate=1e-8,3e-8,1e-7,3e-7,1e-6,3e-6", "max_steps=1000"),
    "72": ("-cn", "grid"),
    "1,000": ("-m", f"learning_rate={','.join(f'{1e-8 * 1.01**power:.5g}' for power in range(1_000))}"),
}
"""Arguments by number of configurations: the article's run, a small grid, `grid`, and a thousand rates."""

MANY = ("max_steps=100",)
"""Of the last: more arguments."""

PROCESSES = ("training", "tracking")

Parts = dict[str, dict[str, dict[str, float]]]
"""Processor seconds by number of configurations, process and part."""


def where_times(data: Path, repeats: int, print_line: Callable[[str], None]) -> Parts:
    """Medians of the processor seconds of each part, in a folder with a store.

    Args:
      data: the folder that contains `cifar-10-batches-py/`.
      repeats: number of measurements.
      print_line: prints a line of progress.
    """
    command = [str(Path(sys.executable).parent / "swath"), f"data.dir={data}", "tracking.postprocess=wait"]
    found: dict[str, list[dict[str, dict[str, float]]]] = {}
    with tempfile.TemporaryDirectory(prefix="swath-benchmark-") as name:
        folder = Path(name)
        for arguments in COUNTS.values():  # makes the store and the caches
            measure([*command, *arguments, "max_steps=1"], folder)
        for repeat in range(repeats):
            for count, arguments in COUNTS.items():
                more = MANY if count == "1,000" else ()
                found.setdefault(count, []).append(parts_of([*command, *arguments, *more], folder))
                print_line(f"  {repeat + 1}: {count} configurations")
    return {
        count: {process: _median([run[process] for run in runs]) for process in PROCESSES}
        for count, runs in found.items()
    }


def parts_of(command: list[str], folder: Path) -> dict[str, dict[str, float]]:
    """Processor seconds of one command by process and part."""
    with tempfile.TemporaryDirectory(prefix="swath-parts-") as name:
        places = os.pathsep.join(filter(None, [str(PROBE), os.environ.get("PYTHONPATH")]))
        measure(command, folder, {"SWATH_PARTS": name, "PYTHONPATH": places})
        return {
            process: json.loads(path.read_text(encoding="utf-8"))
            for process in PROCESSES
            if (path := Path(name, f"{process}.json")).exists()  # a plan has no tracking process
        }


def _median(runs: list[dict[str, float]]) -> dict[str, float]:
    parts = dict.fromkeys(part for run in runs for part in run)
    return {part: statistics.median(run.get(part, 0.0) for run in runs) for part in parts}
