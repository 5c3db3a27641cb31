"""Measures whole processes: the tutorial's configuration, trained by swath and by the tutorial's script."""

import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import psutil

TUTORIAL = "the tutorial's way"
WITH_STORE = "swath, in a folder with a store"
EMPTY = "swath, in an empty folder"

CONTENDERS = Path(__file__).parent / "contenders"

SAMPLES_PER_S = 20


@dataclass(frozen=True)
class Measured:
    """One process, from its start to its end.

    Attributes:
      wall_s: duration in seconds.
      peak_bytes: peak resident memory of the process, from samples.
      family_peak_bytes: peak resident memory including all children; shared memory is counted repeatedly.
      output: standard output and standard error.
      cpu_s: processor time of the process and of the children that it has waited for, in seconds.
    """

    wall_s: float
    peak_bytes: int
    family_peak_bytes: int
    output: str
    cpu_s: float = 0.0


def measure(
    command: Sequence[str],
    folder: Path,
    variables: Mapping[str, str] = MappingProxyType({}),
    *,
    may_fail: bool = False,
) -> Measured:
    """Run a command in `folder` with additional environment variables, and measure it.

    Raises:
      subprocess.CalledProcessError: the command failed, and may not.
    """
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    process = psutil.Popen(
        list(command),
        cwd=folder,
        env={**_environment(), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    peak = _Peak(process)
    peak.start()
    output, _ = process.communicate()
    wall_s = time.perf_counter() - started
    peak.join()
    if process.returncode and not may_fail:
        raise subprocess.CalledProcessError(process.returncode, command, output)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Measured(wall_s, peak.bytes, peak.family_bytes, output, cpu_s)


def process_times(data: Path, repeats: int) -> dict[str, list[Measured]]:
    """Measure each side `repeats` times, in turn.

    Args:
      data: the folder that contains `cifar-10-batches-py/`.
      repeats: number of measurements.
    """
    swath = [str(Path(sys.executable).parent / "swath"), f"data.dir={data}"]
    tutorial = [sys.executable, str(CONTENDERS / "tutorial.py"), str(data / "cifar-10-batches-py")]
    measured: dict[str, list[Measured]] = {TUTORIAL: [], WITH_STORE: [], EMPTY: []}
    with tempfile.TemporaryDirectory(prefix="swath-benchmark-") as with_store:
        measure(swath, Path(with_store))  # creates the store and the image cache
        for _ in range(repeats):
            measured[TUTORIAL].append(measure(tutorial, Path(with_store)))
            measured[WITH_STORE].append(measure(swath, Path(with_store)))
            with tempfile.TemporaryDirectory(prefix="swath-benchmark-") as empty:
                measured[EMPTY].append(measure(swath, Path(empty)))
    return measured


class _Peak(threading.Thread):
    def __init__(self, process: psutil.Process) -> None:
        super().__init__(daemon=True)
        self._process = process
        self.bytes = 0
        self.family_bytes = 0

    def run(self) -> None:
        while True:
            try:
                own = self._process.memory_info().rss
                children = sum(child.memory_info().rss for child in self._process.children(recursive=True))
                self.bytes = max(self.bytes, own)
                self.family_bytes = max(self.family_bytes, own + children)
                if self._process.status() == psutil.STATUS_ZOMBIE:
                    return
            except psutil.NoSuchProcess:
                if not self._process.is_running():
                    return
            time.sleep(1 / SAMPLES_PER_S)


def _environment() -> dict[str, str]:
    """The user's environment without variables that affect only one of the sides.

    Postprocessing is off, because its background process would slow down the next measurement.
    """
    chosen = {"MLFLOW_TRACKING_URI", "SWATH_DATA_DIR", "TF_ENABLE_ONEDNN_OPTS", "PYTHONDONTWRITEBYTECODE"}
    kept = {name: value for name, value in os.environ.items() if name not in chosen}
    return {**kept, "SWATH_POSTPROCESS": "off"}
