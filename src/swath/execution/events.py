"""Events of a training, and the flag that cancels it."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from swath.config import TrainConfig
from swath.execution.runs import RunResult
from swath.planning import LaneGroup, Segment


@dataclass(frozen=True)
class Starting:
    """TensorFlow and MLflow will be loaded next, which takes seconds."""


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
    """Lane groups were planned and will be trained."""

    groups: Sequence[LaneGroup]


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


Event = Starting | Note | Planned | SegmentDone | GroupEnded | StepsDone | RunEnded

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
