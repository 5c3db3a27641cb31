"""What a job costs besides its training: composed, checked, its files written.

`python -m benchmarks.jobs COUNT` prints milliseconds per job as JSON, with Hydra's own launcher beside it.
"""

import contextlib
import io
import json
import sys
import tempfile
import time
from typing import Any

import hydra

from swath.cli.validation import check_command
from swath.config import register, train_config_of

CHECK = "composed and checked before anything starts"
COMPOSE = "composed by the lanes launcher, for the task"
FILES = "folder, files, logs and callbacks, by the lanes launcher"
BASIC = "all of it, by Hydra's basic sweeper and launcher"

BASIC_JOBS = 50
"""Hydra's own are slow enough to be measured on a few."""


def times_ms(count: int) -> dict[str, float]:
    """Milliseconds per job of each part, for jobs whose task does nothing."""
    register()
    rates = ",".join(f"{1e-8 * 1.01**number:.6g}" for number in range(count))
    found = {CHECK: _timed(lambda: check_command("config", [f"learning_rate={rates}"], True, ())) / count}

    def fuse(configs: Any, overrides: Any) -> Any:
        started = time.perf_counter()
        for config in configs:
            train_config_of(config)
        found[COMPOSE] = (time.perf_counter() - started) * 1000 / count
        return [lambda: 0.0] * count

    def task(config: Any) -> float:
        return 0.0

    task.fuse = fuse  # type: ignore[attr-defined]
    whole = _timed(lambda: _run(task, ["-m", f"learning_rate={rates}"])) / count
    found[FILES] = whole - found[COMPOSE]
    few = ",".join(rates.split(",")[:BASIC_JOBS])
    basic = ["-m", f"learning_rate={few}", "hydra/launcher=basic", "hydra/sweeper=basic"]
    found[BASIC] = _timed(lambda: _run(task, basic)) / BASIC_JOBS
    return found


def _run(task: Any, words: list[str]) -> None:
    sys.argv[1:] = words
    with tempfile.TemporaryDirectory(prefix="swath-benchmark-") as folder, contextlib.chdir(folder):
        hydra.main(version_base="1.3", config_path=None, config_name="config")(task)()


def _timed(function: Any) -> float:
    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        function()
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    print(json.dumps(times_ms(int(sys.argv[1]))))
