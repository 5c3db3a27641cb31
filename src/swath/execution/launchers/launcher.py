"""The seam to an engine: numbered tasks are handed over, and looked at or cancelled later, by any process."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from swath.errors import SwathError

PUT_DOWN = os.EX_TEMPFAIL
"""Exit status 75 of a task that was put down cleanly, and wants to be started again."""

MAX_RESTARTS = 20
"""A task that signals have ended this many times and once more is failed for good."""

MAX_PUT_DOWNS = 500
"""A task that was put down this many times and once more has failed: eight hours by pauses of 60 s."""


def is_begun_again(returncode: int, restarts: int) -> bool:
    """Whether a task is started again.

    Args:
      returncode: how it ended; negative after a signal.
      restarts: how often it was started again before.
    """
    limit = MAX_PUT_DOWNS if returncode == PUT_DOWN else MAX_RESTARTS if returncode < 0 else 0
    return restarts < limit


Kind = Literal["waiting", "running", "ended", "gone", "unknown"]
"""Where a task stands.

gone: the engine is there, and knows nothing of the task, so it will not run it.
unknown: the engine cannot be asked.
"""


@dataclass(frozen=True)
class Resources:
    """What tasks get. A launcher ignores what it does not understand (`Launcher.understands`).

    Attributes:
      workers: tasks that run at a time.
      cpus: processors of a task, told to it as $SWATH_CPUS.
      memory_mb: memory of a task, in MiB; 0 for what the engine gives by itself.
      time_min: minutes that a task may take; 0 for what the engine gives by itself.
      partition: of Slurm; empty for its default.
      constraint: features that a node of Slurm must have.
      account: of Slurm, which is charged.
      extra: further options of `sbatch`, such as "--gres=gpu:1". They win over those made from the others.
      address: of Ray, such as "10.0.0.1:6379" or "ray://10.0.0.1:10001"; empty for $RAY_ADDRESS, else the
        cluster of this machine.
      logs: folder of the tasks' output; empty for one in the cache folder.
    """

    workers: int = 1
    cpus: int = 1
    memory_mb: int = 0
    time_min: int = 0
    partition: str = ""
    constraint: str = ""
    account: str = ""
    extra: tuple[str, ...] = ()
    address: str = ""
    logs: str = ""


@dataclass(frozen=True)
class TaskState:
    """Where one task stands.

    Attributes:
      kind: see `Kind`.
      status: exit status of a task that has ended for good, 128 + N after signal N; None for one whose status
        the engine does not tell.
      restarts: how often the task was started again.
      note: words of the engine, such as why the task waits or where it runs.
    """

    kind: Kind
    status: int | None = None
    restarts: int = 0
    note: str = ""


@dataclass(frozen=True)
class States:
    """Where the tasks of one `start` stand, by their numbers."""

    tasks: tuple[TaskState, ...]

    def count(self, kind: Kind) -> int:
        """Number of tasks of one kind."""
        return sum(task.kind == kind for task in self.tasks)

    @property
    def failed(self) -> tuple[int, ...]:
        """Numbers of the tasks that ended for good with a status other than 0."""
        return tuple(n for n, task in enumerate(self.tasks) if task.kind == "ended" and task.status != 0)

    @property
    def restarts(self) -> int:
        """How often tasks were started again, all together."""
        return sum(task.restarts for task in self.tasks)

    @property
    def is_over(self) -> bool:
        """Whether the engine will run nothing more. False while it cannot be asked."""
        return all(task.kind in ("ended", "gone") for task in self.tasks)


class Launcher(Protocol):
    """An engine that runs independent numbered tasks: it schedules them, starts them again and reports.

    How a task ends says what follows. Status 0: it is done. Status 75 (`PUT_DOWN`): it was put down cleanly,
    and is started again, up to `MAX_PUT_DOWNS` times. Ended by a signal, or its machine is lost: it is
    started again, up to `MAX_RESTARTS` times. Any other status: it has failed for good.

    A task is told to put itself down by SIGTERM (it is cancelled, or makes room) or by SIGUSR1 (its time is
    nearly over). A task may be started again while an earlier start of it still runs somewhere, unseen: the
    tasks themselves must bear that.
    """

    understands: frozenset[str]
    """Names of the resources that this launcher passes on."""

    def check(self, resources: Resources) -> None:
        """Check within some ten seconds that the engine is there and accepts such tasks. Starts nothing.

        Raises:
          UsageError: it is not there, or refuses what is asked for.
          SwathError: it does not answer.
        """
        ...

    def named(self, name: str, count: int, resources: Resources) -> str:
        """The ids of tasks by the name with which they will be started: enough for `state` and `cancel`.

        Args:
          name: NUMBER-WORD, which no others have.
          count: of tasks.
          resources: what they will get.
        """
        ...

    def start(self, argv: Sequence[str], count: int, resources: Resources, name: str = "") -> str:
        """Hand over tasks, each `argv` with its number behind it. The caller may end at once.

        Only `argv`, the working folder and the environment travel. No password may stand in `argv`.

        Args:
          argv: program and arguments.
          count: of tasks, numbered from 0.
          resources: what they get.
          name: under which the engine knows them, see `named`; empty for one of its own.

        Returns:
          the ids: a short text with which any process can ask for the tasks or cancel them, later too.

        Raises:
          UsageError: the engine is not there, or refuses what was asked for. Nothing was started.
          SwathError: the engine does not answer.
        """
        ...

    def state(self, ids: str) -> States:
        """Where the tasks stand. An engine that cannot be asked gives `unknown`, not an error."""
        ...

    def cancel(self, ids: str) -> None:
        """Tell running tasks to put themselves down, and start no others. Returns before they have ended.

        Tasks that are over already are no error.

        Raises:
          SwathError: the engine does not answer, so tasks may go on.
        """
        ...


def join_ids(handle: str, count: int) -> str:
    """The ids of `count` tasks that the engine knows by a handle, such as "4711/830"."""
    return f"{handle}/{count}"


def split_ids(ids: str) -> tuple[str, int]:
    """The handle and the count of ids.

    Raises:
      SwathError: the text is none that `join_ids` has made.
    """
    handle, slash, count = ids.rpartition("/")
    if not slash or not handle or not count.isdecimal():
        raise SwathError(f"found {ids!r}, expected ids of tasks such as 4711/830")
    return handle, int(count)


def all_of(kind: Kind, count: int, note: str = "") -> States:
    """States of tasks that stand equally."""
    return States((TaskState(kind, note=note),) * count)
