"""Progress of a sweep, counted from its events; `screens` displays it."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from swath.analysis import LINE_LENGTH, MAX_FAILURES, failure_line, ranking_metric, values_alone
from swath.cli.tables import counted
from swath.config import FIELDS, computed_values, named_values, readable_name
from swath.execution import (
    Event,
    GroupEnded,
    Planned,
    RunEnded,
    RunResult,
    SearchStanding,
    SegmentDone,
    StepsDone,
)
from swath.planning import Images, LaneGroup, step_s, training_s

MAX_SAME_REASON = 3
"""Failures with the same reason that are printed when they happen."""


@dataclass
class GroupProgress:
    """Progress of one lane group that is being trained.

    Attributes:
      group: the lane group.
      steps: number of finished steps.
      lanes: number of lanes in training.
      estimated_s: estimated time of the finished steps, in seconds.
    """

    group: LaneGroup
    steps: int = 0
    lanes: int = 0
    estimated_s: float = 0.0


@dataclass
class Progress:
    """Counts of a sweep.

    Attributes:
      count: number of configurations; None if a sweeper chooses them during the sweep.
      swept: the fields that vary.
      expected_s: estimated training time, in seconds; None if unknown.
      clock: returns seconds since an arbitrary point in time.
      groups: number of planned lane groups.
      groups_ended: number of lane groups that have ended.
      running: progress of the lane groups in training, by the `id` of the group.
      ended: number of runs that have ended.
      failed: number of runs that ended without finishing.
      reasons: number of runs that did not finish, by reason.
      best: objective, its value, and configuration of the best run so far.
      search: how far a search has come; None for other sweeps.
      is_chosen: whether another sweeper chooses configurations during the sweep, `count` of them.
    """

    count: int | None
    swept: tuple[str, ...]
    expected_s: float | None = None
    clock: Callable[[], float] = time.perf_counter
    groups: int = 0
    groups_ended: int = 0
    running: dict[int, GroupProgress] = field(default_factory=dict)
    ended: int = 0
    failed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    best: tuple[str, float, str] | None = None
    search: SearchStanding | None = None
    is_chosen: bool = False
    _planned_s: float = 0.0
    _planned_runs: int = 0
    _ended_s: float = 0.0
    _images: Images | None = None
    _steps: int = 0
    _steps_left: int = 0
    _steps_then: int = 0
    _began: float | None = None

    def update(self, event: Event) -> None:
        """Count an event."""
        match event:
            case Planned(groups, images):
                self.groups += len(groups)
                if images is not None:
                    self._images = images
                self._planned_s += sum(training_s(group, self._images) for group in groups)
                self._planned_runs += sum(len(group.runs) for group in groups)
                if self._began is None:
                    self._began = self.clock()
            case SegmentDone(group, segment, lanes):
                entry = self.running.setdefault(id(group), GroupProgress(group))
                entry.steps, entry.lanes = segment.end, lanes
                sizes = None if self._images is None else self._images[group.shared.data.key]
                spent_s = step_s(group.shared, lanes, sizes) * (segment.end - segment.first)
                entry.estimated_s = min(entry.estimated_s + spent_s, training_s(group, self._images))
            case StepsDone(_, _, accuracies):
                self._steps += len(accuracies)
            case GroupEnded(group):
                self.running.pop(id(group), None)
                self.groups_ended += 1
                # The whole estimate, even if the group ended early.
                self._ended_s += training_s(group, self._images)
            case RunEnded(result):
                self._count(result)
            case SearchStanding():
                self.search, self._steps_left, self._steps_then = event, event.steps_left, self._steps
                self.best = event.best

    @property
    def fraction_done(self) -> float:
        """Finished fraction of the planned work, 0..1, by estimated time; of a search, by steps."""
        if self.search is not None:
            left = max(self._steps_left - (self._steps - self._steps_then), 0)
            return self._steps / (self._steps + left) if self._steps else 0.0
        done = self._ended_s + sum(entry.estimated_s for entry in self.running.values())
        planned = self._planned_s
        if self.is_chosen and self.count is not None and self._planned_runs:
            # As if those that are not chosen yet took as long as the others.
            planned *= max(self.count / self._planned_runs, 1.0)
        return min(done / planned, 1.0) if planned else 0.0

    @property
    def elapsed_s(self) -> float:
        """Seconds since the first group was planned."""
        return 0.0 if self._began is None else self.clock() - self._began

    @property
    def remaining_s(self) -> float | None:
        """Estimated remaining seconds, from the speed so far; None if nothing is done yet, or at a search."""
        if self.count is None and self.search is None:
            return None
        return self.elapsed_s * (1 - self.fraction_done) / self.fraction_done if self.fraction_done else None

    @property
    def steps_per_s(self) -> float:
        """Steps per second so far, over all configurations."""
        return self._steps / self.elapsed_s if self._steps else 0.0

    def failure_line(self, result: RunResult) -> str | None:
        """A line on a run that has just ended without finishing; None if enough such lines were printed."""
        if result.error is None or result.status == "KILLED" or self.failed > MAX_FAILURES:
            return None
        times = self.reasons[result.error]
        if times > MAX_SAME_REASON:
            return None
        more = "; further failures with this reason are not shown" if times == MAX_SAME_REASON else ""
        return failure_line(result.status, self.configuration(result), result.error) + more

    def configuration(self, result: RunResult) -> str:
        """The swept fields of a configuration: `learning_rate=1e-06 max_steps=500`."""
        return readable_name(result.config, self.swept)

    def group_name(self, group: LaneGroup) -> str:
        """The swept fields that the lanes of a group share: `batch_size=100`."""
        shared = [name for name in self.swept if FIELDS[name].shared_by in ("program", "group")]
        return named_values(computed_values(group.shared), shared) or f"{len(group.runs)} configurations"

    def starting(self, loads: str) -> str:
        """What happens before the training, and how long that will take."""
        most = "at most " if self.is_chosen else ""
        of = "" if self.count is None else f"{most}{counted(self.count, 'configuration')}; "
        expected = "" if self.expected_s is None else f"; training takes about {duration(self.expected_s)}"
        return f"{of}loading {loads}{expected} ..."

    def summary(self) -> str:
        """The progress in a few words."""
        if self.search is not None:
            return self._search_summary(self.search)
        of = "" if self.count is None else f" of {self.count}"
        parts = [f"{self.ended}{of} done"]
        if self.failed:
            parts.append(f"{self.failed} not finished")
        if self.remaining_s is not None and self.ended != self.count:
            parts.append(f"{duration(self.remaining_s)} left")
        return ", ".join(parts)

    def _search_summary(self, search: SearchStanding) -> str:
        """How far a search has come, in a few words."""
        if search.confirming:
            parts = ["confirming the finalists"]
        else:
            more = f" of {search.most_trials}" if search.left_s is None else ""
            parts = [f"{search.trials}{more} trials", f"{search.stopped} stopped"]
        if search.left_s is not None:
            parts.append(f"{duration(search.left_s)} left")
        elif self.remaining_s is not None:
            parts.append(f"at most {duration(self.remaining_s)} left")
        return ", ".join(parts)

    def rungs(self) -> str:
        """How many trials of a search have come to each rung: `500 steps: 72, 2,000: 18, 5,000: 5`."""
        if self.search is None:
            return ""
        parts = [f"{steps:,}: {came}" for steps, came in self.search.at_rungs]
        return f"trials at each rung: {', '.join(parts)}"

    def best_so_far(self, room: int = LINE_LENGTH) -> str:
        """The best run so far: `best so far: validation 0.3640, learning_rate=1e-06`; empty if none ended.

        Args:
          room: characters that there are; the values stand alone if their names do not fit.
        """
        if self.best is None:
            return ""
        metric, value, configuration = self.best
        beginning = f"best so far: {metric.removesuffix('/accuracy')} {value:.4f}"
        if len(f"{beginning}, {configuration}") <= room:
            return f"{beginning}, {configuration}"
        values = values_alone(configuration).split()
        for count in range(len(values), 0, -1):
            line = f"{beginning}, {' '.join(values[:count])}{' ...' if count < len(values) else ''}"
            if len(line) <= room:
                return line
        return beginning

    def lines(self) -> list[str]:
        """The progress and the best run so far in one line or, where that is too long, in two."""
        summary = self.summary()
        if self.search is not None:
            return [summary, *filter(None, [self.rungs(), self.best_so_far()])]
        if self.best is None:
            return [summary]
        for best in (self.best_so_far(), values_alone(self.best_so_far())):
            if len(f"{summary}; {best}") <= LINE_LENGTH:
                return [f"{summary}; {best}"]
        return [summary, self.best_so_far()]

    def _count(self, result: RunResult) -> None:
        self.ended += 1
        if result.status != "FINISHED":
            self.failed += 1
            self.reasons[result.error or ""] += 1
            return
        if self.search is not None:
            return  # the search says which is the best
        metric = ranking_metric([result.metrics])
        accuracy = result.metrics[metric]
        # Not comparable across splits: any validation accuracy beats a test accuracy, by its name.
        if self.best is None or (metric, accuracy) > self.best[:2]:
            self.best = (metric, accuracy, self.configuration(result))


def duration(seconds: float) -> str:
    """A duration for people: `8 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
