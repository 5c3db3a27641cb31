"""Commands that are still running, and waiting for what they do."""

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


def wait_for(what: Callable[[], bool], timeout_s: float = 90) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.1)


def ask(folder: Path, query: str) -> list[tuple[object, ...]]:
    """Rows of a store that others are writing; none where it is not there yet."""
    database = folder / "mlflow.db"
    if not database.exists():
        return []
    with contextlib.closing(sqlite3.connect(database, timeout=60)) as connection:
        try:
            return connection.execute(query).fetchall()
        except sqlite3.OperationalError:
            return []


def has_steps(folder: Path) -> bool:
    """Whether a store holds steps of a run that is being trained."""
    query = (
        "select 1 from latest_metrics join runs using (run_uuid) "
        "where key = 'train/loss' and status = 'RUNNING' limit 1"
    )
    return bool(ask(folder, query))


@contextlib.contextmanager
def running(folder: Path, *words: str, **environment: str) -> Iterator[ForkedCommand]:
    """Run `swath`, forked, in a process group of its own; it is killed at the end of the block."""
    process = ForkedCommand(training_server(), "swath.cli.entry:swath", folder, words, **environment)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@contextlib.contextmanager
def started(folder: Path, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """As `running`, but started as a user does."""
    process = subprocess.Popen(
        [str(SWATH), *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=_default_signals,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _default_signals() -> None:
    """`nohup` and shells make the tests ignore some signals, which a command would inherit."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
