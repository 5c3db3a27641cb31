"""Cost of a job besides its training: composing and checking its config, and writing its files.

`python -m benchmarks.jobs COUNT` prints milliseconds per job as JSON, for swath's launcher and for Hydra's.
"""

import contextlib
import io
import json
import sys
import tempfile
import time
from typing import Any

import hydra

from swath.cli.validation import CheckedCommand, check_command
from swath.config import register

CHECK = "composed and checked before anything starts"
FILES = "folder, files, logs and callbacks, by the lanes launcher"
BASIC = "all of it, by Hydra's basic sweeper and launcher"
RATIO = "the lanes launcher's part of Hydra's time"

BASIC_JOBS = 50
"""Number of jobs with Hydra's launcher, which is slow enough to be measured on a few."""


def times_ms(count: int) -> dict[str, float]:
    """Milliseconds per job of each part, for jobs with an empty task; `RATIO` is a fraction."""
    register()
    rates = [f"{1e-8 * 1.01**number:.6g}" for number in range(count)]
    typed = [f"learning_rate={','.join(rates)}"]
    checked: list[CheckedCommand] = []
    found = {CHECK: _timed(lambda: checked.append(check_command("config", typed, True, ()))) / count}

    def task(config: Any) -> float:
        return 0.0

    basic = [f"learning_rate={','.join(rates[:BASIC_JOBS])}", "hydra/launcher=basic", "hydra/sweeper=basic"]
    one = _timed(lambda: _run(task, ["-m", "learning_rate=1", *basic[1:]]))
    few = len(rates[:BASIC_JOBS])
    found[BASIC] = (_timed(lambda: _run(task, ["-m", *basic])) - one) / (few - 1)
    task.start_jobs = lambda overrides, compose: [lambda: 0.0] * len(overrides)  # type: ignore[attr-defined]
    task.compose_job = checked[0].composer.composed  # type: ignore[attr-defined]
    one = _timed(lambda: _run(task, ["-m", "learning_rate=1"]))
    found[FILES] = (_timed(lambda: _run(task, ["-m", *typed])) - one) / (count - 1)
    found[RATIO] = found[FILES] / found[BASIC]
    return found


def _run(task: Any, arguments: list[str]) -> None:
    sys.argv[1:] = arguments
    with tempfile.TemporaryDirectory(prefix="swath-benchmark-") as folder, contextlib.chdir(folder):
        hydra.main(version_base="1.3", config_path=None, config_name="config")(task)()


def _timed(function: Any) -> float:
    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        function()
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    print(json.dumps(times_ms(int(sys.argv[1]))))
