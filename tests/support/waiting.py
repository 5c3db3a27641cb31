"""Run commands in the background and wait for their effects."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from support.command import SWATH
from support.forks import ForkedCommand, training_server

SLOW_TO_END = """
import time
from swath.tracking.store import RunStore
end_run = RunStore.end_run
def slow(*arguments):
    time.sleep(1)
    return end_run(*arguments)
RunStore.end_run = slow
"""
"""For `TRACKING_PATCH`: a run ends a second later, so that a test meets a sweep that has not ended."""


def wait_for(condition: Callable[[], bool], timeout_s: float = 90) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true in time"
        time.sleep(0.1)


def query_store(folder: Path, query: str) -> list[tuple[object, ...]]:
    """Query a store that another process may be writing; no rows if it does not exist yet."""
    database = folder / "mlflow.db"
    if not database.exists():
        return []
    with contextlib.closing(sqlite3.connect(database, timeout=60)) as connection:
        try:
            return connection.execute(query).fetchall()
        except sqlite3.OperationalError:
            return []


def has_steps(folder: Path) -> bool:
    """Whether a store contains steps of a run that is being trained."""
    query = (
        "select 1 from latest_metrics join runs using (run_uuid) "
        "where key = 'train/loss' and status = 'RUNNING' limit 1"
    )
    return bool(query_store(folder, query))


@contextlib.contextmanager
def running(folder: Path, *arguments: str, **environment: str) -> Iterator[ForkedCommand]:
    """Run `swath`, forked, in a process group of its own; kill it at the end of the block."""
    process = ForkedCommand(training_server(), "swath.cli.entry:swath", folder, arguments, **environment)
    with _killed_at_the_end(process):
        yield process


@contextlib.contextmanager
def started(folder: Path, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """As `running`, but started like a user starts it."""
    process = subprocess.Popen(
        [str(SWATH), *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=_restore_signal_handlers,
    )
    with _killed_at_the_end(process):
        yield process


@contextlib.contextmanager
def _killed_at_the_end(process: "ForkedCommand | subprocess.Popen[str]") -> Iterator[None]:
    """Kill the process group of a command at the end of the block, if it is still running."""
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _restore_signal_handlers() -> None:
    """Restore default handlers: if the tests run under `nohup`, the command would inherit ignored signals."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
