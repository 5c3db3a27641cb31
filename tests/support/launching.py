"""Small shell tasks for launchers, and how every launcher must treat them."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from support.waiting import wait_for
from swath.execution.launchers import Launcher, Resources, States

PROLOGUE = """
    trace() { echo "$n $*" >> "$SWATH_TRACES/trace"; }
    n=$1
    starts=$(grep -c "^$n start" "$SWATH_TRACES/trace" 2>/dev/null)
    starts=${starts:-0}  # no trace yet
"""
"""`n` is the task's number, `starts` how often it was started before."""

PUTS_ITSELF_DOWN = """
    trap 'trace signal TERM; exit 75' TERM
    trap 'trace signal USR1; exit 75' USR1
"""

SLEEPS = """
    end=$(( SECONDS + 120 )); while [ $SECONDS -lt $end ]; do sleep 0.1; done
"""
"""In short sleeps: bash acts on a signal between two of them."""


@dataclass
class Launched:
    """Tasks that a launcher runs.

    Args:
      launcher: of the engine.
      ids: from `start`.
      folder: of the trace.
    """

    launcher: Launcher
    ids: str
    folder: Path

    def trace(self) -> list[list[str]]:
        """What the tasks have written: number, and words."""
        file = self.folder / "trace"
        return [line.split() for line in file.read_text().splitlines()] if file.exists() else []

    def starts(self) -> Counter[int]:
        """How often each task was started."""
        return Counter(int(words[0]) for words in self.trace() if words[1] == "start")

    def pid(self, number: int) -> int:
        """Process of the latest start of a task."""
        return [int(words[2]) for words in self.trace() if words[:2] == [str(number), "start"]][-1]

    def signals(self) -> list[str]:
        """Signals that tasks have received."""
        return [words[2] for words in self.trace() if words[1] == "signal"]

    def state(self) -> States:
        """Where the tasks stand."""
        return self.launcher.state(self.ids)

    def wait_until_over(self, timeout_s: float = 90) -> States:
        """Wait until the engine runs nothing more."""
        wait_for(lambda: self.state().is_over, timeout_s)
        return self.state()

    def wait_for_start(self, number: int, times: int = 1, timeout_s: float = 90) -> None:
        """Wait until a task was started so often."""
        wait_for(lambda: self.starts()[number] >= times, timeout_s)


def shell_task(script: str) -> list[str]:
    """An argv that runs a bash script, with the task's number in $n.

    A script that puts itself down does so from the moment at which its start is in the trace.
    """
    traps = PUTS_ITSELF_DOWN if PUTS_ITSELF_DOWN in script else ""
    return ["bash", "-c", f"{PROLOGUE}{traps}\ntrace start $$\n{script}", "task"]


def launch(
    launcher: Launcher, folder: Path, script: str, count: int = 1, resources: Resources | None = None
) -> Launched:
    """Start shell tasks, which leave a trace in the folder."""
    os.environ["SWATH_TRACES"] = str(folder)  # travels with the environment; tests run one at a time
    ids = launcher.start(shell_task(script), count, resources or Resources(logs=str(folder / "logs")))
    return Launched(launcher, ids, folder)


def launch_by_a_process_that_dies(
    kind: str, folder: Path, script: str, count: int, resources: Resources, python: str = sys.executable
) -> str:
    """Start shell tasks from another process, which is killed as soon as it knows the ids."""
    code = (
        "import os, signal, sys; from swath.execution import launchers as l\n"
        f"print(l.{kind}().start({shell_task(script)!r}, {count}, l.{resources!r}), flush=True)\n"
        "os.killpg(0, signal.SIGKILL)"
    )
    done = subprocess.run(
        [python, "-c", code],
        env={**os.environ, "SWATH_TRACES": str(folder)},
        capture_output=True,
        text=True,
        start_new_session=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    return done.stdout.strip()


def check_ends(launcher: Launcher, folder: Path, resources: Resources) -> None:
    """Statuses decide: 0 is done, 75 and signals start again, others are for good."""
    tasks = launch(
        launcher,
        folder,
        """
        case $n-$starts in
            0-*) exit 0;;
            1-*) exit 3;;
            2-0) exit 75;;
            3-0) kill -9 $$;;
        esac
        """,
        count=4,
        resources=resources,
    )
    states = tasks.wait_until_over(180)
    assert tasks.starts() == {0: 1, 1: 1, 2: 2, 3: 2}
    assert [(task.kind, task.status) for task in states.tasks] == [
        ("ended", 0),
        ("ended", 3),
        ("ended", 0),
        ("ended", 0),
    ]
    assert states.failed == (1,)
    assert [task.restarts for task in states.tasks] == [0, 0, 1, 1]


def check_cancelled(launcher: Launcher, folder: Path, resources: Resources) -> None:
    """Running tasks get SIGTERM once, and the others are never started."""
    tasks = launch(launcher, folder, PUTS_ITSELF_DOWN + SLEEPS, count=4, resources=resources)
    tasks.wait_for_start(0)
    tasks.wait_for_start(1)

    def are_counted() -> bool:
        states = tasks.state()
        return (states.count("running"), states.count("waiting")) == (2, 2)

    wait_for(are_counted)  # the engine may hear of a start after the trace
    launcher.cancel(tasks.ids)
    tasks.wait_until_over()
    assert tasks.signals() == ["TERM", "TERM"]
    time.sleep(2)
    assert tasks.starts() == {0: 1, 1: 1}
    launcher.cancel(tasks.ids)  # over already: no error
