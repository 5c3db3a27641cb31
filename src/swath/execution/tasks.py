"""Lane groups as tasks, and what their training yields: plain values that can be pickled."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from swath.datasets import PixelStatistics
from swath.models import Arrays
from swath.planning import LaneGroup, Segment


@dataclass(frozen=True)
class GroupTask:
    """A lane group to be trained.

    Attributes:
      group_id: unique among all tasks.
      group: its lanes and their runs.
      states: of each lane, the arrays that it starts from; None for the model's initial ones.
      state_every_s: seconds between two events that carry the arrays of all lanes, for checkpoints.
    """

    group_id: str
    group: LaneGroup
    states: tuple[Arrays | None, ...]
    state_every_s: float = float("inf")


@dataclass(frozen=True)
class Evaluation:
    """Scores of each lane on the images of a split.

    Attributes:
      accuracies: float64 [lanes], in 0..1
      losses: float64 [lanes], mean cross-entropy
      predictions: uint8 [images, lanes], predicted class
      duration_s: seconds that it took.
    """

    accuracies: NDArray[np.float64]
    losses: NDArray[np.float64]
    predictions: NDArray[np.uint8]
    duration_s: float


@dataclass(frozen=True)
class SegmentTrained:
    """Some steps of a group's lanes.

    Attributes:
      group_id: of the task.
      segment: the steps.
      lanes: which lanes of the group were trained, in the order of the columns below.
      accuracies: float64 [steps, lanes], training accuracy of each step's batch before its update, in 0..1.
      losses: float64 [steps, lanes], mean cross-entropy of that batch (a float32, exactly).
      duration_s: seconds that training the steps took.
      evaluations: by split, the scores after the last of these steps; empty where no evaluation is due.
      states: by lane, its arrays after the last of these steps: of lanes in which a run finishes, and of all
        lanes where a checkpoint is due.
      is_checkpoint: whether `states` holds all lanes.
      statistics: of the training images, where a run finishes.
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
    """The last event of a group that was asked to stop.

    Attributes:
      group_id: of the task.
      states: by lane, its arrays after the last segment; empty where none was trained.
    """

    group_id: str
    states: Mapping[int, Arrays]


GroupEvent = SegmentTrained | GroupStopped
