"""Consumes the events of one lane group: feeds its runs, saves checkpoints, isolates failures."""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from swath.config import readable_name
from swath.datasets import Dataset
from swath.errors import SwathError, failure_reason
from swath.execution.events import (
    GroupEnded,
    GroupEvent,
    GroupStopped,
    Observer,
    SegmentDone,
    SegmentTrained,
)
from swath.execution.trial_run import TrialRun
from swath.models import Arrays
from swath.planning import LaneGroup
from swath.tracking import schema
from swath.training import WAITING, Checkpoints, LaneCheckpoint, lane_key

_log = logging.getLogger("swath")


class TrialGroup:
    """The runs of a lane group, in the process that records them.

    Args:
      group_id: unique among all groups; part of the file names of its checkpoints.
      group: the lane group.
      runs: the runs of the group.
      dataset: the data set of the group.
      observer: receives an event for each segment.
      checkpoints: saves train states; None to save none.
    """

    def __init__(
        self,
        group_id: str,
        group: LaneGroup,
        runs: Sequence[TrialRun],
        dataset: Dataset,
        observer: Observer,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        self._group_id = group_id
        self._group = group
        self._runs = runs
        self._dataset = dataset
        self._observer = observer
        self._checkpoints = checkpoints

    def consume(
        self,
        events: Iterable[GroupEvent],
        stop_reason: Callable[[], str],
        drop: Callable[[Collection[int]], None] | None = None,
    ) -> None:
        """Consume events until every run has ended. An error is not raised: the open runs become FAILED.

        Args:
          events: events of the group, from an executor.
          stop_reason: returns the reason if the group was stopped.
          drop: called with the numbers of runs that have ended early, so that they are not trained further.
        """
        try:
            for event in events:
                if isinstance(event, GroupStopped):
                    self._save(event.states)
                    self._abort(stop_reason())
                    return
                self._feed(event)
                if not self._open():
                    self._save_paused()
                    break
                ended = [
                    planned.number
                    for planned, run in zip(self._group.runs, self._runs, strict=True)
                    if run.ended.done() and planned.config.max_steps > event.segment.end
                ]
                if ended and drop is not None:
                    drop(ended)
                if event.is_checkpoint:
                    self._save(event.states)
            if self._open():
                raise SwathError("the executor ended the training early")
            if self._checkpoints is not None and all(run.ended.result().is_complete for run in self._runs):
                self._checkpoints.drop(self._group_id)
        except Exception as error:
            _log.debug("training failed", exc_info=error)
            for run in self._open():
                run.abort("FAILED", failure_reason(error), error)
        finally:
            self._observer(GroupEnded(self._group))

    def _open(self) -> list[TrialRun]:
        return [run for run in self._runs if not run.ended.done()]

    def _abort(self, reason: str) -> None:
        for run in self._open():
            run.abort("KILLED", reason)

    def _save(self, states: Mapping[int, Arrays]) -> None:
        """Save the train state of each lane with an open run."""
        open_lanes = {run.lane: run for run in self._open() if run.lane in states}
        if self._checkpoints is None or not open_lanes:
            return
        lanes = [
            LaneCheckpoint(lane_key(run.config, self._dataset.digest), run.state(states[lane]))
            for lane, run in open_lanes.items()
        ]
        self._checkpoints.save(self._group_id, lanes)

    def _save_paused(self) -> None:
        """Save the train state of each lane whose run waits for a decision of a search."""
        lanes = {
            run.lane: LaneCheckpoint(lane_key(run.config, self._dataset.digest) + WAITING, paused.state)
            for run in self._runs
            if (paused := run.ended.result().paused) is not None
        }
        if self._checkpoints is not None and lanes:
            self._checkpoints.save(self._group_id, list(lanes.values()))

    def _feed(self, trained: SegmentTrained) -> None:
        """Pass a segment to the runs, then its evaluations."""
        open_runs = self._open()
        open_lanes = len({run.lane for run in open_runs})
        for run in open_runs:
            self._isolate_failure(run, lambda run: run.add_steps(trained, open_lanes))
        self._observer(SegmentDone(self._group, trained.segment, len(trained.lanes)))
        end, open_runs = trained.segment.end, self._open()
        finishing = [run for run in open_runs if run.config.max_steps == end]
        continuing = [run for run in open_runs if run.config.max_steps > end]
        every = self._group.shared.evaluate_every_steps
        due = bool(every) and end % every == 0
        validation, test = (trained.evaluations.get(split) for split in schema.SPLITS)
        share_s = 0.0
        if validation is not None and (due or finishing):
            share_s = validation.duration_s / max(1, len(open_runs if due else finishing))
            if due:
                for run in continuing:
                    self._isolate_failure(run, lambda run: run.add_validation(trained, validation, share_s))
        if finishing:
            seconds = share_s + (0.0 if test is None else test.duration_s / len(finishing))
            for run in finishing:
                self._isolate_failure(run, lambda run: run.finish(trained, seconds, self._dataset))

    def _isolate_failure(self, run: TrialRun, feed: Callable[[TrialRun], None]) -> None:
        """Pass results to one run; an error ends only this run."""
        try:
            feed(run)
        except Exception as error:
            if not isinstance(error, SwathError):
                _log.debug("a run failed: %s", readable_name(run.config), exc_info=error)
            if not run.ended.done():
                run.abort("FAILED", failure_reason(error), error)
