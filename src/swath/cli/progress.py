"""How far along a sweep is: counted from its events, without a word on how that is shown."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from swath.analysis import failure_line, ranking_metric
from swath.config import FIELDS, computed_values, named_values, readable_name
from swath.execution import Event, GroupEnded, Planned, RunEnded, RunResult, SegmentDone, StepsDone
from swath.planning import LaneGroup, step_s, training_s

MOST_FAILURES = 20
"""Failures that are shown when they happen; all of them are counted, and told at the end."""


SAME_REASONS = 3
"""Failures for one reason that are shown."""


@dataclass
class GroupProgress:
    """One lane group that is being trained.

    Attributes:
      group: which.
      steps: how many of its steps are done.
      lanes: how many lanes are being trained.
      estimated_s: what it has cost so far, as estimated beforehand.
    """

    group: LaneGroup
    steps: int = 0
    lanes: int = 0
    estimated_s: float = 0.0


@dataclass
class Progress:
    """A sweep's counts.

    Attributes:
      jobs: how many configurations there will be; None where a sweeper goes on choosing.
      swept: the fields that vary.
      clock: seconds, from any start.
      groups: how many there are, as far as is known.
      groups_ended: how many of them are over.
      running: those that have begun, by the identity of the group.
      ended: configurations that are over.
      failed: those of them that did not finish.
      reasons: how many have not finished for each reason.
      best: the accuracy of the best, by the metric that ranks it.
    """

    jobs: int | None
    swept: tuple[str, ...]
    clock: Callable[[], float] = time.perf_counter
    groups: int = 0
    groups_ended: int = 0
    running: dict[int, GroupProgress] = field(default_factory=dict)
    ended: int = 0
    failed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    best: tuple[str, float, str] | None = None
    _planned_s: float = 0.0
    _ended_s: float = 0.0
    _steps: int = 0
    _began: float | None = None

    def see(self, event: Event) -> None:
        """Count an event."""
        match event:
            case Planned(groups):
                self.groups += len(groups)
                self._planned_s += sum(training_s(group) for group in groups)
                if self._began is None:
                    self._began = self.clock()
            case SegmentDone(group, span, lanes):
                entry = self.running.setdefault(id(group), GroupProgress(group))
                entry.steps, entry.lanes = span.end, lanes
                spent_s = step_s(group.shared.batch_size, lanes) * (span.end - span.first)
                entry.estimated_s = min(entry.estimated_s + spent_s, training_s(group))
            case StepsDone(_, _, accuracies):
                self._steps += len(accuracies)
            case GroupEnded(group):
                self.running.pop(id(group), None)
                self.groups_ended += 1
                self._ended_s += training_s(group)  # all of it, should it have ended early
            case RunEnded(result):
                self._count(result)

    @property
    def part_done(self) -> float:
        """How much of what has been planned is done, 0..1."""
        done = self._ended_s + sum(entry.estimated_s for entry in self.running.values())
        return min(done / self._planned_s, 1.0) if self._planned_s else 0.0

    @property
    def elapsed_s(self) -> float:
        """Seconds since the first group was planned."""
        return 0.0 if self._began is None else self.clock() - self._began

    @property
    def left_s(self) -> float | None:
        """Seconds until what has been planned will be done, at the pace so far; None before any is."""
        return self.elapsed_s * (1 - self.part_done) / self.part_done if self.part_done else None

    @property
    def steps_per_s(self) -> float:
        """Steps of all configurations in a second, so far."""
        return self._steps / self.elapsed_s if self._steps else 0.0

    def failure_line(self, result: RunResult) -> str | None:
        """A configuration that has just ended without finishing, and why; None where that is known by now."""
        if result.error is None or self.failed > MOST_FAILURES:
            return None
        times = self.reasons[result.error]
        if times > SAME_REASONS:
            return None
        more = "; others for the same reason are not shown" if times == SAME_REASONS else ""
        return failure_line(result.status, self.configuration(result), result.error) + more

    def configuration(self, result: RunResult) -> str:
        """A configuration by what is swept: `learning_rate=1e-06 max_steps=500`."""
        return readable_name(result.config, self.swept)

    def group_name(self, group: LaneGroup) -> str:
        """A group by what is swept and its lanes share: `batch_size=100`."""
        shared = [name for name in self.swept if FIELDS[name].shared_by in ("program", "group")]
        return named_values(computed_values(group.shared), shared) or "lanes"

    def summary(self) -> str:
        """All of it in one line."""
        of = "" if self.jobs is None else f"/{self.jobs}"
        parts = [f"{self.ended}{of} configurations", f"{self.groups_ended}/{self.groups} groups"]
        if self.failed:
            parts.insert(1, f"{self.failed} not finished")
        if self._steps:
            parts.append(f"{self.steps_per_s:,.0f} steps/s")
        if self.best is not None:
            parts.append(f"best {self.best[1]:.4f}")
        if self.left_s is not None and self.ended != self.jobs:
            parts.append(f"{duration(self.left_s)} left")
        return ", ".join(parts)

    def _count(self, result: RunResult) -> None:
        self.ended += 1
        if result.status != "FINISHED":
            self.failed += 1
            self.reasons[result.error or ""] += 1
            return
        metric = ranking_metric([result.metrics])
        accuracy = result.metrics[metric]
        # A test accuracy says nothing against one on validation images, which sorts behind it.
        if self.best is None or (metric, accuracy) > self.best[:2]:
            self.best = (metric, accuracy, self.configuration(result))


def duration(seconds: float) -> str:
    """Seconds as a person says them: `8 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
