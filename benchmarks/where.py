"""Profiles a command: `python -m benchmarks.where FILE -cn grid` runs `swath -cn grid` and writes FILE.

FILE contains the wall time of each part in seconds, summed over the threads and processes that run it.
Parts run at the same time, two groups train at a time, and time spent waiting for a core counts, so the sum
exceeds the total.
"""

import functools
import json
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import psutil

PARTS = {
    "checking": "starting Python and Hydra, composing and checking every job",
    "starting": "loading TensorFlow and MLflow, opening the store, reading and checking the images",
    "handing over": "converting the images to tensors, tracing the program",
    "probing": "probing widths (0 if cached)",
    "composing": "composing the config of every job in the launcher",
    "training": "training, including the compilation of the first call",
    "evaluating": "evaluating validation and test images",
    "sending": "sending metrics and artifacts to the tracking process",
    "Hydra's files": "writing Hydra's folder, files and logs of every job",
    "tracking": "creating, writing and ending runs in the tracking process",
    "waiting": "waiting for the tracking process at the end",
    "whole": "whole process",
}
"""Parts of a command, with their descriptions in docs/benchmarks.md."""


class Clock:
    """Sums the time spent in functions, by part."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._lock = threading.Lock()

    def add(self, part: str, seconds: float) -> None:
        """Add seconds to a part."""
        with self._lock:
            self.seconds[part] += seconds

    def wrap(self, owner: Any, name: str, part: str, less: str | None = None) -> None:
        """Time a method; its time is subtracted from the part `less`, whose function calls it."""
        function = getattr(owner, name)

        @functools.wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                spent = time.perf_counter() - started
                self.add(part, spent)
                if less is not None:
                    self.add(less, -spent)

        setattr(owner, name, timed)


def main() -> None:
    """Run the command that follows FILE."""
    result, sys.argv[1:] = Path(sys.argv[1]).resolve(), sys.argv[2:]
    clock = Clock()
    import swath.cli.entry as command
    import swath.cli.validation
    import swath.sweeps.session

    process_start = psutil.Process().create_time()
    clock.wrap(swath.sweeps.session.Session, "__init__", "starting")
    load = swath.sweeps.session.Session._load

    def load_and_wrap(session: Any, names: list[str]) -> None:
        load(session, names)
        _wrap_training(clock)  # after TensorFlow was loaded

    swath.sweeps.session.Session._load = load_and_wrap  # type: ignore[method-assign]
    clock.wrap(swath.sweeps.session.Session, "close", "waiting")
    check = swath.cli.validation.check_command

    def timed_check(*arguments: Any, **named: Any) -> Any:
        checked = check(*arguments, **named)
        clock.add("checking", time.time() - process_start)
        return checked

    swath.cli.validation.check_command = timed_check

    def leave(status: int) -> None:
        clock.add("whole", time.time() - process_start)
        result.write_text(json.dumps(clock.seconds), encoding="utf-8")
        sys.exit(status)

    command._exit = leave
    command.swath()


def _wrap_training(clock: Clock) -> None:
    import hydra_plugins.swath_lanes._job as job
    import hydra_plugins.swath_lanes.launcher as launcher
    import swath.cli.task
    import swath.execution.executor
    import swath.tracking.rpc
    import swath.tracking.tracker
    import swath.training

    clock.wrap(swath.training, "make_device_data", "handing over")
    clock.wrap(swath.training, "compile_program", "handing over")
    clock.wrap(swath.training, "is_bit_exact", "probing")
    clock.wrap(swath.training.LaneTraining, "advance", "training")
    clock.wrap(swath.execution.executor.GroupTrainer, "_evaluate", "evaluating")
    clock.wrap(swath.tracking.rpc.Worker, "call", "sending")
    clock.wrap(launcher.LanesLauncher, "_job_config", "composing", less="Hydra's files")
    clock.wrap(job.JobRunner, "run", "Hydra's files")
    clock.wrap(swath.cli.task, "_objective", "waiting for jobs", less="Hydra's files")
    flush = swath.tracking.tracker.MlflowRunLogger.flush

    def flushed(run: Any) -> Any:
        run_id, seconds = flush(run)
        clock.add("tracking", seconds)
        return run_id, seconds

    swath.tracking.tracker.MlflowRunLogger.flush = flushed  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
