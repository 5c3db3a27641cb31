"""Train states of lanes, as files on the local disk that are whole or refused."""

import contextlib
import hashlib
import io
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from swath.config import RunConfig, fingerprint
from swath.errors import SwathError
from swath.system import atomic_write, cache_folder

if TYPE_CHECKING:
    from swath.tracking import MlflowTracker


@dataclass(frozen=True)
class TrainState:
    """A training that has been begun before, and where it stands.

    Attributes:
      step: how many steps are behind it.
      weights: float32 [3072, 10]
      biases: float32 [10]
      bits: the state of the `ResultDigest` of these steps.
      last_accuracies: float64 [up to `TRAIN_ACCURACY_STEPS`], training accuracies of the last of them.
      train_s: seconds that training them took.
      evaluate_s: seconds that evaluations along the way took.
    """

    step: int
    weights: NDArray[np.float32]
    biases: NDArray[np.float32]
    bits: bytes
    last_accuracies: NDArray[np.float64]
    train_s: float = 0.0
    evaluate_s: float = 0.0


INITIAL = TrainState(0, np.zeros((0, 0), np.float32), np.zeros(0, np.float32), b"", np.zeros(0))
"""Where a training stands that begins."""


TRAIN_ACCURACY_STEPS = 100
"""Steps over which a table averages the training accuracy: that of one batch says little."""


MAGIC = b"swath checkpoint 1\n"


DIGEST_CHARACTERS = 64


class DamagedCheckpointError(SwathError):
    """A file that is no whole checkpoint."""


@dataclass(frozen=True)
class LaneCheckpoint:
    """Where one lane stands.

    Attributes:
      key: what is trained in it; see `lane_key`.
      start: how far it has got.
    """

    key: str
    start: TrainState


class Checkpoints(Protocol):
    """Keeps where groups stand, for a command that takes them up again."""

    def due(self, group: str) -> bool:
        """Whether it is time to save a group."""

    def save(self, group: str, lanes: Sequence[LaneCheckpoint]) -> None:
        """Keep where the lanes of a group stand, once all that has been tracked so far is stored."""

    def drop(self, group: str) -> None:
        """Forget a group that has ended, once its runs are stored."""


def lane_key(config: RunConfig, data_digest: str) -> str:
    """What is trained in a configuration's lane: the same for those that differ in max_steps at most."""
    return f"{fingerprint(replace(config, max_steps=1))}-{data_digest[:16]}"


def encode(lanes: Sequence[LaneCheckpoint]) -> bytes:
    """A checkpoint of lanes that stand at the same step: a line, a SHA-256 in hexadecimal, NumPy arrays."""
    starts = [lane.start for lane in lanes]
    longest = max(len(start.bits) for start in starts)
    content = io.BytesIO()
    np.savez(
        content,
        keys=np.array([lane.key for lane in lanes]),
        step=np.array([start.step for start in starts]),
        weights=np.stack([start.weights for start in starts]),
        biases=np.stack([start.biases for start in starts]),
        bits=np.stack([np.frombuffer(start.bits.ljust(longest, b"\0"), np.uint8) for start in starts]),
        bits_bytes=np.array([len(start.bits) for start in starts]),
        last_accuracies=np.stack([start.last_accuracies for start in starts]),
        seconds=np.array([[start.train_s, start.evaluate_s] for start in starts]),
    )
    return MAGIC + hashlib.sha256(content.getvalue()).hexdigest().encode() + content.getvalue()


def decode(encoded: bytes) -> list[LaneCheckpoint]:
    """The lanes of a checkpoint.

    Raises:
      DamagedCheckpointError: it has been cut off or changed, or is none.
    """
    head, content = encoded[: len(MAGIC) + DIGEST_CHARACTERS], encoded[len(MAGIC) + DIGEST_CHARACTERS :]
    if head != MAGIC + hashlib.sha256(content).hexdigest().encode():
        raise DamagedCheckpointError("no whole checkpoint: its digest is another one")
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        found = dict(arrays)
    return [
        LaneCheckpoint(
            str(key),
            TrainState(
                int(found["step"][lane]),
                found["weights"][lane],
                found["biases"][lane],
                found["bits"][lane].tobytes()[: int(found["bits_bytes"][lane])],
                found["last_accuracies"][lane],
                *(float(seconds) for seconds in found["seconds"][lane]),
            ),
        )
        for lane, key in enumerate(found["keys"])
    ]


SUFFIX = ".checkpoint"


KEPT_DAYS = 30


KEPT = 2
"""Should the last one be damaged, the one before it is used."""


def checkpoints_folder() -> Path:
    """Where they are kept, a folder per sweep id."""
    return cache_folder() / "checkpoints"


class CheckpointFiles:
    """Writes what it is handed. Its calls come behind those that store the steps a checkpoint stands for."""

    def save_checkpoint(self, folder: str, group: str, step: int, content: bytes) -> None:
        """Write a checkpoint of a group, and remove all but the last two of it.

        Raises:
          OSError: it cannot be written; those before it stay.
        """
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        atomic_write(place / f"{group}-{step:012d}{SUFFIX}", content, durable=True)
        for old in sorted(place.glob(f"{group}-*{SUFFIX}"))[:-KEPT]:
            old.unlink(missing_ok=True)

    def drop_checkpoint(self, folder: str, group: str) -> None:
        """Remove those of a group."""
        for path in Path(folder).glob(f"{group}-*{SUFFIX}"):
            path.unlink(missing_ok=True)

    def drop_checkpoints(self, folder: str) -> None:
        """Remove all of a sweep's, and those of sweeps that nobody has taken up for `KEPT_DAYS`."""
        shutil.rmtree(folder, ignore_errors=True)
        oldest = time.time() - 86_400 * KEPT_DAYS
        for other in Path(folder).parent.glob("*/"):
            with contextlib.suppress(OSError):
                if other.stat().st_mtime < oldest:
                    shutil.rmtree(other, ignore_errors=True)


class CheckpointWriter:
    """Hands checkpoints to the tracking process, which writes them once the steps before are stored.

    Args:
      tracker: of the command.
      sweep_id: of the command.
      every_s: seconds between two of a group.
      tell: called once, with a line, when one could not be written.
      clock: seconds, from any start.
    """

    def __init__(
        self,
        tracker: "MlflowTracker",
        sweep_id: str,
        every_s: float,
        tell: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tracker = tracker
        self._folder = str(checkpoints_folder() / sweep_id)
        self._every_s = every_s
        self._tell_person = tell
        self._clock = clock
        self._saved_at: dict[str, float] = {}
        self._told = False

    def due(self, group: str) -> bool:
        """Whether `every_s` have passed since a group was first asked for, or last saved."""
        return self._clock() - self._saved_at.setdefault(group, self._clock()) >= self._every_s

    def save(self, group: str, lanes: "Sequence[LaneCheckpoint]") -> None:
        """See `Checkpoints`."""
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
            self._tell_person(f"a checkpoint could not be written: {fault}")
