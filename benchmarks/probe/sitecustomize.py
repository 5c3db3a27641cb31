"""Counts the processor seconds of a swath command by part; Python runs this file where it is in the path.

Each of the two processes writes `$SWATH_PARTS/PROCESS.json`. Time is that of the thread that runs a function,
so waiting costs nothing; a part that is called within another one is subtracted from it.
"""

import atexit
import functools
import importlib.abc
import json
import os
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

TRAINING = {
    "swath.cli.validation": (("check_command", "composing and checking"),),
    "swath.models.backend": (("_import_tensorflow", "importing TensorFlow"),),
    "swath.datasets.dataset": (("Dataset.is_intact", "checking the images"),),
    "hydra_plugins.swath_lanes._job": (("JobRunner.run", "Hydra's folders, files and logs"),),
    "swath.execution.runner": (
        ("Runner._start_run", "describing runs"),
        ("Runner._run_group", "training: Python"),
    ),
    "swath.execution.executor": (("GroupTrainer._evaluate", "evaluating: Python"),),
    "swath.tracking.rpc": (
        ("Worker.call", "sending to the tracking process"),
        ("Worker._read_replies", "replies"),
    ),
    "swath.sweeps.session": (("Session.close", "ranking and ending the sweep"),),
    "swath.cli.summary": (
        ("print_sweep", "printing"),
        ("print_answer", "printing"),
        ("print_single", "printing"),
    ),
}
"""Functions of the training process by module, and the part that each belongs to."""

TRACKING = {
    "swath.tracking.offline": (
        ("OfflineFallbackStore.open", "opening the store"),
        ("OfflineFallbackStore.start_run", "beginning runs"),
        ("OfflineFallbackStore.log_steps", "storing steps"),
        ("OfflineFallbackStore.log_steps_of_many", "storing steps"),
        ("OfflineFallbackStore.end_run", "ending runs"),
        ("OfflineFallbackStore.start_sweep", "the summary run"),
        ("OfflineFallbackStore.end_sweep", "the summary run"),
    ),
    "swath.tracking.artifacts": (("write_artifacts", "files of runs"),),
    "swath.sweeps.postprocess": (("postprocess_sweep", "report and colours"),),
    "swath.plotting.figures": (("draw_sweep", "pictures"),),
    "swath.tracking.logged_models": (("log_model", "the logged model"),),
    "swath.tracking.rpc": (("_received", "receiving"),),
}
"""The same of the tracking process."""

REST = "starting, importing swath and Hydra, the rest"

THREADS = "other threads, such as TensorFlow's"

_seconds: dict[str, float] = defaultdict(float)
_lock = threading.Lock()
_within = threading.local()


def _timed(function: Any, part: str) -> Any:
    @functools.wraps(function)
    def timed(*arguments: Any, **named: Any) -> Any:
        outer, _within.inner = getattr(_within, "inner", 0.0), 0.0
        started = time.thread_time()
        try:
            return function(*arguments, **named)
        finally:
            spent = time.thread_time() - started
            with _lock:
                _seconds[part] += spent - _within.inner
            _within.inner = outer + spent

    return timed


def _wrap(module: Any, functions: Any) -> None:
    for path, part in functions:
        owner = module
        *parents, name = path.split(".")
        for parent in parents:
            owner = getattr(owner, parent)
        setattr(owner, name, _timed(getattr(owner, name), part))


class _Wrapping(importlib.abc.MetaPathFinder):
    """Wraps the functions of a module once it has been loaded."""

    def __init__(self, functions: dict[str, Any]) -> None:
        self._functions = functions

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        functions = self._functions.pop(name, None)
        if functions is None:
            return None
        spec = importlib.util.find_spec(name)
        assert spec is not None and spec.loader is not None
        load = spec.loader.exec_module

        def load_and_wrap(module: Any) -> None:
            load(module)
            _wrap(module, functions)

        spec.loader.exec_module = load_and_wrap  # type: ignore[method-assign]
        return spec


def _write(process: str) -> None:
    """Write the parts; what Python's threads have not spent was spent by those of TensorFlow."""
    with _lock:
        found = dict(_seconds)
    found[REST] = max(0.0, time.thread_time() - _spent_here())
    found[THREADS] = max(0.0, time.process_time() - sum(found.values()))
    Path(os.environ["SWATH_PARTS"], f"{process}.json").write_text(json.dumps(found), encoding="utf-8")


def _spent_here() -> float:
    """Seconds of this thread that are counted among the parts."""
    return float(getattr(_within, "inner", 0.0))


def _begin() -> None:

    if "swath.sweeps.tracking_process" in sys.orig_argv:
        sys.meta_path.insert(0, _Wrapping(dict(TRACKING)))
        leave = os._exit

        def leave_tracking(status: int) -> None:
            _write("tracking")
            leave(status)

        os._exit = leave_tracking  # type: ignore[assignment]
        return
    if Path(sys.orig_argv[1] if len(sys.orig_argv) > 1 else "").name != "swath":
        return
    sys.meta_path.insert(0, _Wrapping(dict(TRAINING)))
    atexit.register(_write, "training")  # what has not loaded TensorFlow ends like any program
    leave = os._exit

    def leave_training(status: int) -> None:
        _write("training")
        leave(status)

    os._exit = leave_training  # type: ignore[assignment]


if "SWATH_PARTS" in os.environ:
    _begin()
