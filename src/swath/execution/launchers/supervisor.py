"""A small process that keeps the tasks of one sweep going on this machine. `ProcessLauncher` starts it.

It reads a plan from standard input, writes the name of its folder to standard output, and goes on without
terminal and parent. In the folder: `lock`, held while it lives; `pid`; `state.json`; `supervisor.log`; the
tasks' logs.
"""

import fcntl
import heapq
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from swath.execution.launchers.child import CPUS, exit_status, kill_task, start_task
from swath.execution.launchers.folders import make_folder
from swath.execution.launchers.launcher import TaskState, is_begun_again
from swath.system import atomic_write

POLL_S = 0.1
"""Seconds between two looks at the tasks."""

LONGEST_PAUSE_S = 60
"""Seconds that a task waits at most before it is started again; the n-th time it is n seconds."""

PATIENCE_S = 120
"""Seconds that cancelled tasks get to put themselves down, before they are killed."""


@dataclass(frozen=True)
class Plan:
    """What a supervisor is told.

    Attributes:
      argv: program and arguments of a task, without its number.
      count: of tasks.
      workers: tasks that run at a time.
      cpus: processors of a task.
      logs: folder of the tasks' output; empty for the supervisor's own.
      name: end of the folder's name; empty for one of its own.
    """

    argv: list[str]
    count: int
    workers: int
    cpus: int
    logs: str
    name: str = ""


@dataclass
class Supervisor:
    """Runs tasks, some at a time, and starts those again that signals have ended or that put themselves down.

    Args:
      plan: what to run.
      folder: where `state.json` is kept.
    """

    plan: Plan
    folder: Path
    _states: list[TaskState] = field(init=False)
    _due: list[tuple[float, int]] = field(init=False)
    _running: dict[int, "subprocess.Popen[bytes]"] = field(init=False, default_factory=dict)
    _cancelled_s: float | None = field(init=False, default=None)
    _told: set[int] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self._states = [TaskState("waiting")] * self.plan.count
        self._due = [(0.0, number) for number in range(self.plan.count)]
        self._logs = Path(self.plan.logs) if self.plan.logs else self.folder
        self._environment = {**os.environ, CPUS: str(self.plan.cpus)}
        self.write()

    def cancel(self) -> None:
        """Start nothing more, and pass SIGTERM on to the running tasks; a handler of a signal calls this."""
        if self._cancelled_s is None:
            self._cancelled_s = time.monotonic()
        self._told = set()  # a second request ends a task at once

    def run(self) -> None:
        """Return once every task has ended for good or, after `cancel`, once none runs."""
        while self._running or (self._due and self._cancelled_s is None):
            changed = self._collect()
            changed |= self._start()
            if self._cancelled_s is not None:
                self._end_running(self._cancelled_s)
            if changed:
                self.write()
            time.sleep(POLL_S)
        for _, number in self._due:
            self._states[number] = TaskState("gone", None, self._states[number].restarts, "cancelled")
        self.write()

    def write(self) -> None:
        """Write where the tasks stand into `state.json`."""
        tasks = [[task.kind, task.status, task.restarts, task.note] for task in self._states]
        atomic_write(self.folder / "state.json", json.dumps(tasks))

    def _end_running(self, cancelled_s: float) -> None:
        """Tell each running task to end, also one that was being started; kill it once patience ends."""
        for number, process in self._running.items():
            if number not in self._told:
                self._told.add(number)
                process.terminate()
            if time.monotonic() > cancelled_s + PATIENCE_S:
                kill_task(process)

    def _start(self) -> bool:
        """Start tasks that are due; tell whether any was."""
        changed = False
        while (
            self._cancelled_s is None
            and len(self._running) < self.plan.workers
            and self._due
            and self._due[0][0] <= time.monotonic()
        ):
            _, number = heapq.heappop(self._due)
            changed = True
            restarts = self._states[number].restarts
            try:
                process = start_task(self.plan.argv, number, self._logs / f"{number}.log", self._environment)
            except OSError as error:  # a full disk: it may pass
                print(f"task {number}: {error}", flush=True)
                heapq.heappush(self._due, (time.monotonic() + LONGEST_PAUSE_S, number))
                self._states[number] = TaskState("waiting", None, restarts, str(error))
                continue
            self._running[number] = process
            self._states[number] = TaskState("running", None, restarts, f"process {process.pid}")
        return changed

    def _collect(self) -> bool:
        """Look which tasks have ended, and decide what follows; tell whether any had."""
        ended = [(number, process) for number, process in self._running.items() if process.poll() is not None]
        for number, process in ended:
            del self._running[number]
            self._states[number] = self._next_state(self._states[number], process.returncode)
            print(f"task {number}: status {exit_status(process.returncode)}", flush=True)
            if self._states[number].kind == "waiting":
                pause_s = min(self._states[number].restarts, LONGEST_PAUSE_S)
                heapq.heappush(self._due, (time.monotonic() + pause_s, number))
        return bool(ended)

    def _next_state(self, state: TaskState, returncode: int) -> TaskState:
        """What follows the end of a task."""
        if is_begun_again(returncode, state.restarts):
            if self._cancelled_s is None:
                return TaskState("waiting", None, state.restarts + 1)
            return TaskState("gone", None, state.restarts, "cancelled")
        return TaskState("ended", exit_status(returncode), state.restarts)


def main() -> None:
    """Read a plan, leave the parent, and carry it out."""
    plan = Plan(**json.loads(sys.stdin.buffer.read()))
    if os.fork():
        os._exit(0)  # whoever started this need not wait for the supervisor
    os.setsid()
    folder = make_folder(plan.name)
    lock = (folder / "lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    (folder / "pid").write_text(str(os.getpid()))
    (folder / "plan.json").write_text(json.dumps(asdict(plan)))
    supervisor = Supervisor(plan, folder)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: supervisor.cancel())
    log = os.open(folder / "supervisor.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(1, folder.name.encode())
    for output in (1, 2):
        os.dup2(log, output)
    supervisor.run()


if __name__ == "__main__":
    main()
