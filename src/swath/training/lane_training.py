"""The training of a lane group, segment by segment."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from swath.config import TrainConfig, effective_values
from swath.models import Arrays, Tensors
from swath.planning import LaneGroup, Segment
from swath.tracking import schema
from swath.training.optimizers import tables_of
from swath.training.program import Program


@dataclass(frozen=True)
class SegmentResult:
    """Results of a trained segment, and the state after it.

    Attributes:
      segment: the steps.
      lanes: indices of the trained lanes, in the order of the columns below.
      accuracies: float64 [steps, lanes], training accuracy of each step's batch before its update, in 0..1.
      losses: float64 [steps, lanes], mean cross-entropy of that batch (a float32, exactly).
      state: packed arrays of these lanes after the segment.
      duration_s: wall time in seconds.
    """

    segment: Segment
    lanes: tuple[int, ...]
    accuracies: NDArray[np.float64]
    losses: NDArray[np.float64]
    state: dict[str, Tensors]
    duration_s: float


class LaneTraining:
    """Trains the lanes of a group from any train state; finished lanes can be removed.

    Args:
      group: the lane group.
      program: the program, compiled for the data of the group.
      states: arrays of each lane before the first step of the group; None for the initial arrays.
      clock: returns seconds since an arbitrary point in time.

    Attributes:
      lanes: indices of the lanes that are still trained.
      steps_done: number of trained steps.
    """

    def __init__(
        self,
        group: LaneGroup,
        program: Program,
        states: Iterable[Arrays | None] = (),
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._group = group
        self._program = program
        self._clock = clock
        given = list(states) or [None] * len(group.lanes)
        self._state = program.pack(
            [
                arrays or program.initial_state(_init_seed(lane.config))
                for lane, arrays in zip(group.lanes, given, strict=True)
            ]
        )
        self.lanes = tuple(range(len(group.lanes)))
        self.steps_done = group.first_step

    def advance(self, segment: Segment) -> SegmentResult:
        """Train a segment. The division of steps into segments does not change the results."""
        shared = self._group.shared
        started = self._clock()
        steps = segment.end - segment.first
        configs = [self._group.lanes[lane].config for lane in self.lanes]
        tables = tables_of(self._program.optimizer, configs, segment.first, steps)
        self._state, metrics = self._program.run(
            self._state, tables, shared.batch_size, shared.seed, segment.first, steps
        )
        correct, losses = metrics.correct.numpy(), metrics.losses.numpy()
        self.steps_done = segment.end
        return SegmentResult(
            segment,
            self.lanes,
            correct / shared.batch_size,
            losses.astype(np.float64),
            self._state,
            self._clock() - started,
        )

    def untrained(self) -> SegmentResult:
        """A segment without steps, where the lanes stand."""
        none = np.zeros((0, len(self.lanes)))
        segment = Segment(self.steps_done, self.steps_done)
        return SegmentResult(segment, self.lanes, none, none, self._state, 0.0)

    def keep(self, lanes: Sequence[int]) -> None:
        """Remove all lanes except the given ones."""
        kept = [self._program.unpack(self._state, self.lanes.index(lane)) for lane in lanes]
        self._state = self._program.pack(kept)
        self.lanes = tuple(lanes)


def _init_seed(config: TrainConfig) -> int:
    """Seed of the initial weights; models that start at zero have no such field."""
    found: int | None = effective_values(config)[schema.INIT_SEED]
    return config.seed if found is None else found
