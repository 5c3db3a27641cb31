"""Checkpoints of one command: when they are due, and the way to the disk."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from swath.checkpoint_files import checkpoints_folder
from swath.errors import SwathError
from swath.events import Note, Observer

if TYPE_CHECKING:
    from swath.checkpoint import LaneCheckpoint
    from swath.tracking.tracker import Tracker


class SavedCheckpoints:
    """Hands checkpoints to the tracking process, which writes them once the steps before are stored.

    Args:
      tracker: of the command.
      sweep_id: of the command.
      every_s: seconds between two of a group.
      observer: told, once, when one could not be written.
      clock: seconds, from any start.
    """

    def __init__(
        self,
        tracker: "Tracker",
        sweep_id: str,
        every_s: float,
        observer: Observer,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tracker = tracker
        self._folder = str(checkpoints_folder() / sweep_id)
        self._every_s = every_s
        self._observer = observer
        self._clock = clock
        self._saved_at: dict[str, float] = {}
        self._told = False

    def due(self, group: str) -> bool:
        """Whether `every_s` have passed since a group was first asked for, or last saved."""
        return self._clock() - self._saved_at.setdefault(group, self._clock()) >= self._every_s

    def save(self, group: str, lanes: "Sequence[LaneCheckpoint]") -> None:
        """See `Checkpoints`."""
        from swath.checkpoint import encode

        self._saved_at[group] = self._clock()
        call = self._tracker.call("save_checkpoint", self._folder, group, lanes[0].start.step, encode(lanes))
        call.add_done_callback(self._tell)

    def drop(self, group: str) -> None:
        """See `Checkpoints`."""
        if group in self._saved_at:
            self._tracker.call("drop_checkpoint", self._folder, group)

    def drop_all(self) -> None:
        """Forget the command's, and what it had found of an earlier one's."""
        self._tracker.call("drop_checkpoints", self._folder)

    def _tell(self, call: "Future[Any]") -> None:
        fault = call.exception()
        if isinstance(fault, SwathError) and not self._told:
            self._told = True
            self._observer(Note(f"a checkpoint could not be written: {fault}"))
