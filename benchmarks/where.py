"""Where the time of a command goes: `python -m benchmarks.where FILE -cn grid` runs it and writes FILE.

Seconds of wall time of each part, summed over the threads and processes it runs in. Parts run beside each
other, two groups train at a time, and whoever waits for a core is still counted; so the sum is more than the
whole.
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
    "checking": "Python, Hydra; every job composed and checked",
    "starting": "TensorFlow and MLflow loaded, the store opened, the images read and checked",
    "handing over": "the images handed to TensorFlow, the program traced",
    "probing": "widths probed (0 if cached)",
    "composing": "the launcher: every job's config composed",
    "training": "training, and the first call's compilation",
    "evaluating": "evaluating on validation and test images",
    "sending": "metrics and artifacts sent to the tracking process",
    "Hydra's files": "Hydra's folder, files and logs of every job",
    "tracking": "the tracking process: runs begun, filled, ended",
    "waiting": "waiting for the tracking process at the end",
    "whole": "the whole process",
}


class Clock:
    """Adds up the time spent in functions, by part."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._lock = threading.Lock()

    def add(self, part: str, seconds: float) -> None:
        """Add to a part."""
        with self._lock:
            self.seconds[part] += seconds

    def wrap(self, owner: Any, name: str, part: str, less: str | None = None) -> None:
        """Time a function; what it adds is taken from another part, in which it is called."""
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

    began = psutil.Process().create_time()
    clock.wrap(swath.sweeps.session.Session, "__init__", "starting")
    load = swath.sweeps.session.Session._load

    def load_and_wrap(session: Any, names: list[str]) -> None:
        load(session, names)
        _wrap_training(clock)  # TensorFlow is loaded now

    swath.sweeps.session.Session._load = load_and_wrap  # type: ignore[method-assign]
    clock.wrap(swath.sweeps.session.Session, "close", "waiting")
    check = swath.cli.validation.check_command

    def timed_check(*arguments: Any, **named: Any) -> Any:
        checked = check(*arguments, **named)
        clock.add("checking", time.time() - began)
        return checked

    swath.cli.validation.check_command = timed_check

    def leave(status: int) -> None:
        clock.add("whole", time.time() - began)
        result.write_text(json.dumps(clock.seconds), encoding="utf-8")
        sys.exit(status)

    command._exit = leave
    command.swath()


def _wrap_training(clock: Clock) -> None:
    import hydra_plugins.swath_lanes._job as job
    import hydra_plugins.swath_lanes.launcher as launcher
    import swath.cli.command
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
    clock.wrap(swath.cli.command, "_objective", "waiting for jobs", less="Hydra's files")
    flush = swath.tracking.tracker.MlflowRunLogger.flush

    def flushed(run: Any) -> Any:
        run_id, seconds = flush(run)
        clock.add("tracking", seconds)
        return run_id, seconds

    swath.tracking.tracker.MlflowRunLogger.flush = flushed  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
