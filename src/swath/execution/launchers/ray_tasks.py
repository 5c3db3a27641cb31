"""What runs on a cluster of Ray: an actor that keeps tasks going, and the function that carries one out.

Ray must find this module on its nodes: what travels is the module's name, texts and numbers.
"""

import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import ray

from swath.system import cache_folder

from .child import exit_status, kill_task, start_task
from .folders import remove_old_folders
from .launcher import MAX_RESTARTS, TaskState, is_begun_again

POLL_S = 0.5
"""Seconds between two looks at a process, in which Ray can interrupt."""

PATIENCE_S = 120
"""Seconds that a cancelled task gets to put itself down, before it is killed."""

LONGEST_PAUSE_S = 60
"""Seconds that a task waits at most before it is started again; the n-th time it is n seconds."""

KEPT_S = 600
"""Seconds for which the actor answers after the last task has ended."""


def carry_out(
    number: int, start: int, actor: Any, argv: list[str], variables: dict[str, str], folder: str, logs: str
) -> int:
    """Run a task as a process of this node; SIGTERM goes to it when Ray cancels, or when the worker dies.

    Args:
      number: of the task.
      start: how often the actor has started it, this time included.
      actor: is told that the task runs.
      argv: program and arguments.
      variables: environment of the task, beside that of the node.
      folder: working folder, if the node has it.
      logs: folder of the output; a relative one is in the cache folder.

    Returns:
      the exit status, negative after a signal.
    """
    actor.began.remote(number, start, ray.util.get_node_ip_address())
    os.environ.update(variables)  # the cache folder may be among them
    remove_old_folders()
    place = cache_folder() / logs
    place.mkdir(parents=True, exist_ok=True)
    folder = folder if Path(folder).is_dir() else str(place)
    process = start_task(argv, number, place / f"{number}.log", os.environ, folder=folder)
    try:
        while True:
            try:
                return process.wait(POLL_S)
            except subprocess.TimeoutExpired:
                continue
    except KeyboardInterrupt:  # cancelled
        process.terminate()
        try:
            return process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            kill_task(process)
            return process.wait()


class Tasks:
    """The actor: starts tasks, some at a time, and those again that were put down or killed.

    Workers and nodes that die are Ray's: it runs their tasks again, up to `MAX_RESTARTS` times. The actor
    itself is begun again with all its tasks if its node dies.

    Args:
      argv: program and arguments of a task.
      count: of tasks.
      workers: tasks that run at a time.
      options: resources of a task, as Ray calls them.
      variables: environment of the tasks.
      folder: working folder.
      logs: folder of the tasks' output.
    """

    def __init__(
        self,
        argv: list[str],
        count: int,
        workers: int,
        options: dict[str, float | None],
        variables: dict[str, str],
        folder: str,
        logs: str,
    ) -> None:
        self._workers = workers
        self._arguments = (argv, variables, folder, logs)
        self._function = ray.remote(carry_out).options(max_retries=MAX_RESTARTS, **options)
        self._states = [TaskState("waiting")] * count
        self._starts = [0] * count
        self._due = [(0.0, number) for number in range(count)]
        self._running: dict[Any, int] = {}
        self._cancelled = False
        self._me = ray.get_runtime_context().current_actor
        threading.Thread(target=self._run, daemon=True).start()

    def states(self) -> list[tuple[str, int | None, int, str]]:
        """Where the tasks stand: the values of a `TaskState` for each."""
        return [(state.kind, state.status, state.restarts, state.note) for state in self._states]

    def began(self, number: int, start: int, node: str) -> None:
        """A task runs on a node; not for the first time since its start, if Ray runs it again."""
        state = self._states[number]
        if start == self._starts[number] and number in self._running.values():  # else it has ended already
            again = state.restarts + (state.kind == "running")
            self._states[number] = TaskState("running", None, again, node)

    def cancel(self) -> None:
        """Interrupt the running tasks and start no others."""
        self._cancelled = True
        for reference in list(self._running):
            ray.cancel(reference)

    def _run(self) -> None:
        """Until all tasks have ended, and for a while more."""
        while self._running or (self._due and not self._cancelled):
            self._start()
            if not self._running:
                time.sleep(POLL_S)
                continue
            ended, _ = ray.wait(list(self._running), timeout=POLL_S)
            for reference in ended:
                self._end(self._running.pop(reference), reference)
        for _, number in self._due:
            self._states[number] = TaskState("gone", None, self._states[number].restarts, "cancelled")
        time.sleep(KEPT_S)
        ray.kill(self._me, no_restart=True)

    def _start(self) -> None:
        """Hand tasks that are due to Ray."""
        self._due.sort()
        while (
            self._due
            and not self._cancelled
            and len(self._running) < self._workers
            and self._due[0][0] <= time.monotonic()
        ):
            _, number = self._due.pop(0)
            self._starts[number] += 1
            task = self._function.remote(number, self._starts[number], self._me, *self._arguments)
            self._running[task] = number

    def _end(self, number: int, reference: Any) -> None:
        """Decide what follows the end of a task."""
        restarts = self._states[number].restarts
        try:
            returncode = ray.get(reference)
        except ray.exceptions.TaskCancelledError:
            self._states[number] = TaskState("gone", None, restarts, "cancelled")
            return
        except ray.exceptions.RayError as error:
            self._states[number] = TaskState("ended", None, restarts, str(error).strip().splitlines()[-1])
            return
        if is_begun_again(returncode, restarts):
            if self._cancelled:
                self._states[number] = TaskState("gone", None, restarts, "cancelled")
            else:
                self._states[number] = TaskState("waiting", None, restarts + 1)
                self._due.append((time.monotonic() + min(restarts + 1, LONGEST_PAUSE_S), number))
        else:
            self._states[number] = TaskState(
                "ended", exit_status(returncode), restarts, self._states[number].note
            )
