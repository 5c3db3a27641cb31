"""Tasks as processes of this machine, kept going by a small supervisor that outlives its terminal."""

import contextlib
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from swath.errors import SwathError

from .folders import is_locked, launched_folder, this_host
from .launcher import Resources, States, TaskState, all_of, join_ids, split_ids
from .supervisor import Plan


class ProcessLauncher:
    """Runs tasks as processes of this machine.

    A supervisor, which belongs to no terminal, runs them and starts them again. Is it killed, its tasks get
    SIGTERM (on Linux), and the state of those that had not ended is "gone". A restart of the machine does the
    same. No task is kept to its memory: whoever plans the tasks has to.
    """

    understands = frozenset({"workers", "cpus", "logs", "memory_mb"})

    def check(self, resources: Resources) -> None:
        """See `Launcher.check`."""
        try:
            launched_folder().mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=launched_folder()):
                pass
        except OSError as error:
            raise SwathError(_no_supervisor(f"{type(error).__name__}: {error.strerror}")) from None

    def named(self, name: str, count: int, resources: Resources) -> str:
        """See `Launcher.named`."""
        return join_ids(f"{this_host()}-{name}", count)

    def start(self, argv: Sequence[str], count: int, resources: Resources, name: str = "") -> str:
        """See `Launcher.start`."""
        logs = str(Path(resources.logs).resolve()) if resources.logs else ""
        if logs:
            Path(logs).mkdir(parents=True, exist_ok=True)
        plan = Plan(list(argv), count, resources.workers, resources.cpus, logs, name)
        started = subprocess.run(
            [sys.executable, "-P", "-m", "swath.execution.launchers.supervisor"],
            input=json.dumps(asdict(plan)).encode(),
            capture_output=True,
        )
        folder = started.stdout.decode()
        if not folder:
            reason = (started.stderr.decode().strip().splitlines() or ["it said nothing"])[-1]
            raise SwathError(_no_supervisor(reason))
        return join_ids(folder, count)

    def state(self, ids: str) -> States:
        """See `Launcher.state`."""
        name, count = split_ids(ids)
        folder = _folder(name)
        try:
            tasks = [TaskState(*values) for values in json.loads((folder / "state.json").read_text())]
        except (OSError, ValueError):
            note = f"{folder} is not there"
            return all_of("gone" if _is_of_this_machine(name) else "unknown", count, note)
        if is_locked(folder):
            return States(tuple(tasks))
        if not _is_of_this_machine(name):
            note = f"runs on {_host(name)}"
            return States(tuple(t if t.kind == "ended" else TaskState("unknown", note=note) for t in tasks))
        tasks = [TaskState(*values) for values in json.loads((folder / "state.json").read_text())]
        note = "its supervisor has ended"
        return States(
            tuple(
                t if t.kind in ("ended", "gone") else TaskState("gone", None, t.restarts, note) for t in tasks
            )
        )

    def cancel(self, ids: str) -> None:
        """See `Launcher.cancel`."""
        name, _ = split_ids(ids)
        if not _is_of_this_machine(name):
            here = platform.node()
            raise SwathError(f"the processes run on {_host(name)}, and this is {here}; type the same there")
        folder = _folder(name)
        if is_locked(folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int((folder / "pid").read_text()), signal.SIGTERM)


def _no_supervisor(reason: str) -> str:
    return (
        f"the supervisor of the processes did not start: {reason}; it keeps its files in"
        f" {launched_folder()}, and SWATH_CACHE_DIR=FOLDER names another folder"
    )


def _folder(name: str) -> Path:
    if not re.fullmatch(r"\w[\w.-]*-\d+-\w+", name):
        raise SwathError(
            f"found {name!r}, expected the name of a supervisor such as HOST-4242-20260131T120000"
        )
    return launched_folder() / name


def _host(name: str) -> str:
    return name.rsplit("-", 2)[0]


def _is_of_this_machine(name: str) -> bool:
    return _host(name) == this_host()
