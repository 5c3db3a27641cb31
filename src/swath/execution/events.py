"""What happens while configurations are trained, and the request to stop."""

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
    """TensorFlow and MLflow are about to be loaded, which takes seconds."""


@dataclass(frozen=True)
class Note:
    """Something to say.

    Attributes:
      text: one line.
      passing: of interest only until the next thing happens.
    """

    text: str
    passing: bool = False


@dataclass(frozen=True)
class Planned:
    """These groups will be trained."""

    groups: Sequence[LaneGroup]


@dataclass(frozen=True)
class SegmentDone:
    """Some steps of a group are done.

    Attributes:
      group: whose.
      span: which.
      lanes: how many lanes were trained in them.
    """

    group: LaneGroup
    span: Segment
    lanes: int


@dataclass(frozen=True)
class GroupEnded:
    """A group has ended, one way or another."""

    group: LaneGroup


@dataclass(frozen=True)
class StepsDone:
    """Some steps of a run are done.

    Attributes:
      config: of the run.
      first_step: the first of them.
      accuracies: float64 [steps], their training accuracies.
    """

    config: TrainConfig
    first_step: int
    accuracies: NDArray[np.float64]


@dataclass(frozen=True)
class RunEnded:
    """A run has ended, one way or another; it may not be settled yet."""

    result: RunResult


Event = Starting | Note | Planned | SegmentDone | GroupEnded | StepsDone | RunEnded


Observer = Callable[[Event], None]
"""Somebody who watches. Called from several threads, one at a time."""


class Cancellation:
    """Says to groups that are being trained that they shall end, and why."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.reason = ""

    def set(self, reason: str) -> None:
        """Have them end after their present segments; the first reason counts."""
        if not self._event.is_set():
            self.reason = reason
            self._event.set()

    def is_set(self) -> bool:
        """Whether they shall end."""
        return self._event.is_set()
