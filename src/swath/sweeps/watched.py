"""How far a sweep has come that workers train: read from the store and asked of the engine."""

import time
from collections import Counter
from dataclasses import dataclass, field

from swath.analysis import ranking_metric
from swath.config import named_values
from swath.errors import SwathError
from swath.execution.launchers import TaskState, launcher_of
from swath.sweeps.joining import AT_A_RUNG
from swath.sweeps.launched import LaunchedSweep, find_launched
from swath.tracking import Reader, StoredRun, schema


@dataclass(frozen=True)
class Standing:
    """How far a sweep has come.

    Attributes:
      sweep: the sweep, with its lots.
      runs: number of runs by MLflow's status.
      asked_for: number of configurations; of a search, of its trials.
      steps: steps that are stored, of all runs.
      max_steps: steps of all configurations whose runs have begun, and as many for each of the others.
      best: metric, value and configuration of the best run; None before one finishes.
      tasks: number of the engine's tasks by kind; see `launchers.TaskState`.
      at_s: when this was read, on the clock of `time.monotonic`.
      at_a_rung: trials of a search among them that wait for the others at a rung; MLflow says KILLED.
      waiting_for: number of the waiting tasks by the engine's words for why they wait, if it has any.
    """

    sweep: LaunchedSweep
    runs: Counter[str]
    asked_for: int
    steps: int
    max_steps: int
    best: tuple[str, float, str] | None
    tasks: Counter[str]
    at_s: float
    at_a_rung: int = 0
    waiting_for: Counter[str] = field(default_factory=Counter)

    @property
    def lots_done(self) -> int:
        """Lots whose runs have all ended."""
        return sum(lot.state == "done" for lot in self.sweep.lots)

    @property
    def begun_again(self) -> int:
        """How often a lot was begun after its first time."""
        return sum(lot.begun_again for lot in self.sweep.lots if lot.state != "stopped")

    def steps_per_s(self, before: "Standing | None") -> float | None:
        """Steps stored per second since an earlier standing; None without one."""
        if before is None or self.at_s <= before.at_s:
            return None
        return (self.steps - before.steps) / (self.at_s - before.at_s)

    @property
    def is_starting(self) -> bool:
        """Whether its workers may not have been started yet."""
        return bool(self.sweep.launcher) or not self.sweep.engine[0] or self.sweep.is_going_on

    @property
    def needs_help(self) -> str:
        """Why the sweep will not end by itself; empty if it may."""
        if self.sweep.has_ended or self.tasks["waiting"] or self.tasks["running"] or self.tasks["unknown"]:
            return ""
        left = len(self.sweep.lots) - self.lots_done
        if not self.sweep.engine[0]:
            return "no engine was given its lots; its command with resume=yes gives them"
        if self.sweep.launcher:
            return f"{self.sweep.launcher} has not started its workers; swath-stop stops the sweep"
        if not left:
            return "no worker is left, and none has ended the sweep; its command with resume=yes does"
        return f"no worker is left and {left} lots are not done; its command with resume=yes trains them"


def standing_of(reader: Reader, which: str) -> Standing:
    """How far a sweep has come.

    Args:
      reader: reader of the store.
      which: id of the sweep, or its name for the latest of this name.

    Raises:
      UsageError: there is no such sweep.
    """
    sweep = find_launched(None, which, reader)
    found = reader.runs({schema.SWEEP_ID: sweep.sweep_id})
    runs = [run for run in found if run.tags.get(schema.KIND) == "run"]
    steps = [run.last_steps.get(schema.TRAIN_LOSS, -1) + 1 for run in runs]
    longest = [int(run.params.get(schema.MAX_STEPS, "0")) for run in runs]
    tasks = _tasks(sweep)
    asked_for = max(int(sweep.summary.tags.get(schema.ASKED_FOR, "0")), len(runs))
    mean = sum(longest) / len(longest) if longest else 0.0
    return Standing(
        sweep,
        Counter(run.status for run in runs),
        asked_for,
        sum(steps),
        round(sum(longest) + mean * (asked_for - len(runs))),
        _best(runs, tuple(sweep.summary.tags.get(schema.SWEPT, "").split())),
        Counter(task.kind for task in tasks),
        time.monotonic(),
        sum(run.status == "KILLED" and run.tags.get(schema.ERROR) == AT_A_RUNG for run in runs),
        Counter(task.note for task in tasks if task.kind == "waiting" and task.note),
    )


def _tasks(sweep: LaunchedSweep) -> tuple[TaskState, ...]:
    name, ids = sweep.engine
    if not name:
        return ()
    try:
        return launcher_of(name).state(ids).tasks
    except SwathError:  # asked where the engine is not
        return (TaskState("unknown"),) * len(sweep.lots)


def _best(runs: list[StoredRun], swept: tuple[str, ...]) -> tuple[str, float, str] | None:
    finished = [run for run in runs if run.status == "FINISHED"]
    if not finished:
        return None
    metric = ranking_metric([run.metrics for run in finished])
    best = max(finished, key=lambda run: run.metrics.get(metric, float("-inf")))
    return metric, best.metrics.get(metric, float("nan")), named_values(best.params, swept)
