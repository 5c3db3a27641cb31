"""The executor protocol: tasks and events as plain values, and the events that observers receive."""

import threading
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from swath.config import TrainConfig
from swath.datasets import PixelStatistics
from swath.execution.runs import RunResult
from swath.models import Arrays
from swath.planning import Images, LaneGroup, Segment


@dataclass(frozen=True)
class GroupTask:
    """A lane group to be trained.

    Attributes:
      group_id: unique among all tasks.
      group: its lanes and their runs.
      states: initial arrays of each lane; None for the initial arrays of the model.
      state_every_s: seconds between two events that contain the arrays of all lanes, for checkpoints.
      untested: numbers of runs that are not evaluated on the test images.
    """

    group_id: str
    group: LaneGroup
    states: tuple[Arrays | None, ...]
    state_every_s: float = float("inf")
    untested: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Evaluation:
    """Scores of each lane on the images of a split.

    Attributes:
      accuracies: float64 [lanes], in 0..1
      losses: float64 [lanes], mean cross-entropy
      predictions: uint8 [images, lanes], predicted class
      duration_s: duration in seconds.
    """

    accuracies: NDArray[np.float64]
    losses: NDArray[np.float64]
    predictions: NDArray[np.uint8]
    duration_s: float


@dataclass(frozen=True)
class SegmentTrained:
    """A trained segment of a lane group.

    Attributes:
      group_id: id of the task.
      segment: the steps.
      lanes: indices of the trained lanes, in the order of the columns below.
      accuracies: float64 [steps, lanes], training accuracy of each step's batch before its update, in 0..1.
      losses: float64 [steps, lanes], mean cross-entropy of that batch (a float32, exactly).
      duration_s: training time in seconds.
      evaluations: scores after the segment, by split; empty if no evaluation is due.
      states: arrays after the segment, by lane: of lanes in which a run finishes, and of all lanes if a
        checkpoint is due.
      is_checkpoint: whether `states` contains all lanes.
      statistics: pixel statistics of the training images, if a run finishes.
    """

    group_id: str
    segment: Segment
    lanes: tuple[int, ...]
    accuracies: NDArray[np.float64]
    losses: NDArray[np.float64]
    duration_s: float
    evaluations: Mapping[str, Evaluation] = field(default_factory=dict)
    states: Mapping[int, Arrays] = field(default_factory=dict)
    is_checkpoint: bool = False
    statistics: PixelStatistics | None = None


@dataclass(frozen=True)
class GroupStopped:
    """The last event of a group that was stopped.

    Attributes:
      group_id: id of the task.
      states: arrays after the last segment, by lane; empty if no segment was trained.
    """

    group_id: str
    states: Mapping[int, Arrays]


GroupEvent = SegmentTrained | GroupStopped


class Executor(Protocol):
    """Trains lane groups. Tasks and events are plain values, so an executor may live on another machine."""

    def submit(self, task: GroupTask) -> Generator[GroupEvent, None, None]:
        """Train a group and yield its events as they happen. The generator raises errors of the training.

        Closing the generator stops the training.
        """

    def drop(self, group_id: str, numbers: Collection[int]) -> None:
        """Stop training runs of a group that have ended early, such as diverged runs.

        Events of segments that are already trained may still contain their lanes.

        Args:
          group_id: of the task.
          numbers: the runs, by `PlannedRun.number`.
        """

    def is_bit_exact(self, config: TrainConfig, lanes: int) -> bool:
        """Whether lane groups of width `lanes` are bit-exact on the machine that trains them."""

    def workers(self) -> int:
        """Number of groups that are trained at the same time."""

    def stop(self) -> None:
        """Stop every group after its current segment; its last event is `GroupStopped`."""

    def close(self) -> None:
        """Free resources; call it only when no group is being trained."""


@dataclass(frozen=True)
class Starting:
    """Libraries will be loaded next, which takes seconds.

    Attributes:
      loads: their names. A resume may find nothing to train, so it loads TensorFlow later.
    """

    loads: str = "TensorFlow"


@dataclass(frozen=True)
class Note:
    """A message to the user.

    Attributes:
      text: one line.
      transient: whether the message is obsolete after the next event.
    """

    text: str
    transient: bool = False


@dataclass(frozen=True)
class Planned:
    """Lane groups were planned and will be trained.

    Attributes:
      groups: the groups.
      images: sizes of their data sets; None for those of CIFAR-10.
    """

    groups: Sequence[LaneGroup]
    images: Images | None = None


@dataclass(frozen=True)
class SegmentDone:
    """A segment of a lane group was trained.

    Attributes:
      group: the lane group.
      segment: the steps.
      lanes: number of lanes that were trained.
    """

    group: LaneGroup
    segment: Segment
    lanes: int


@dataclass(frozen=True)
class GroupEnded:
    """A lane group has ended, whether or not its runs finished."""

    group: LaneGroup


@dataclass(frozen=True)
class StepsDone:
    """Steps of a run were trained.

    Attributes:
      config: configuration of the run.
      first_step: the first of these steps.
      accuracies: float64 [steps], training accuracy of each step.
    """

    config: TrainConfig
    first_step: int
    accuracies: NDArray[np.float64]


@dataclass(frozen=True)
class RunEnded:
    """A run has ended, whether or not it finished; it may not be stored completely yet."""

    result: RunResult


@dataclass(frozen=True)
class RunPaused:
    """A run has come to a rung of a search, which will decide whether it goes on."""

    result: RunResult


@dataclass(frozen=True)
class SearchStanding:
    """How far a search has come: at its start, and after each decision.

    Attributes:
      trials: proposed so far.
      most_trials: trials in all, at most.
      in_training: trials on the way to a rung.
      stopped: trials that a rung has stopped.
      at_rungs: steps of each rung, and how many trials have come to it.
      best: metric, value and proposed point of the best trial so far; None if there is none.
      steps_left: steps to train, at most, with those in training.
      left_s: seconds that the search still has; None without a limit.
      confirming: whether the finalists are trained with other seeds.
    """

    trials: int
    most_trials: int
    in_training: int
    stopped: int
    at_rungs: tuple[tuple[int, int], ...]
    best: tuple[str, float, str] | None
    steps_left: int
    left_s: float | None
    confirming: bool = False


Event = (
    SearchStanding | Starting | Note | Planned | SegmentDone | GroupEnded | StepsDone | RunEnded | RunPaused
)

Observer = Callable[[Event], None]
"""Receives events; called from several threads, one at a time."""


class Cancellation:
    """Flag that cancels the training of lane groups, with a reason."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.reason = ""

    def set(self, reason: str) -> None:
        """Cancel after the current segments; only the first reason is kept."""
        if not self._event.is_set():
            self.reason = reason
            self._event.set()

    def is_set(self) -> bool:
        """Whether the training was cancelled."""
        return self._event.is_set()
