"""Train states of lanes and their digests, as files on the local disk that are complete or refused."""

import contextlib
import hashlib
import io
import shutil
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from swath.config import TrainConfig, lane_fingerprint
from swath.errors import SwathError
from swath.system import atomic_write, cache_folder

BLOCK_BYTES = 1_024
"""Steps are digested 64 at a time (two float64 each), so that no cut between them leaves a trace."""


DIGEST_BYTES = 32


class ResultDigest:
    """A run's numbers, fed as they come; how its steps were cut into segments does not count.

    A chain of SHA-256 digests, so that it can be put down at any step and taken up again: its whole state is
    two digests, and the steps of a block that is not full yet.

    Args:
      state: of another one, as `state` gave it; empty for a new one.
    """

    def __init__(self, state: bytes = b"") -> None:
        self._steps = state[:DIGEST_BYTES] or bytes(DIGEST_BYTES)
        self._rest = state[DIGEST_BYTES : 2 * DIGEST_BYTES] or bytes(DIGEST_BYTES)
        self._pending = state[2 * DIGEST_BYTES :]

    @property
    def state(self) -> bytes:
        """All that there is to know of it: at least 64 bytes, less than 64 + `BLOCK_BYTES`."""
        return self._steps + self._rest + self._pending

    def add_steps(self, accuracies: NDArray[np.float64], losses: NDArray[np.float64]) -> None:
        """Training accuracies and losses of the next steps, float64 [steps] each."""
        self._pending += np.stack([accuracies, losses], axis=1).astype(np.float64).tobytes()
        whole = len(self._pending) // BLOCK_BYTES * BLOCK_BYTES
        for first in range(0, whole, BLOCK_BYTES):
            block = self._pending[first : first + BLOCK_BYTES]
            self._steps = hashlib.sha256(self._steps + block).digest()
        self._pending = self._pending[whole:]

    def add(self, name: str, *values: NDArray[np.generic] | float) -> None:
        """Anything else, in an order that is the same for every run."""
        encoded = name.encode() + b"".join(np.ascontiguousarray(value).tobytes() for value in values)
        self._rest = hashlib.sha256(self._rest + encoded).digest()

    def hexdigest(self) -> str:
        """The digest of all that has been added."""
        return hashlib.sha256(self.state).hexdigest()


if TYPE_CHECKING:
    from swath.tracking import Tracker


@dataclass(frozen=True)
class TrainState:
    """The state of one lane's training after some steps: what a checkpoint holds, whatever the model.

    Attributes:
      step: number of steps trained.
      arrays: parameters by name, and optimizer states as `STATE/NAME`; empty before the first step.
      digest: state of the `ResultDigest` of these steps.
      last_accuracies: float64 [up to `TRAIN_ACCURACY_STEPS`], training accuracies of the last of these steps.
      train_s: training time in seconds.
      evaluate_s: time of the evaluations so far in seconds.
    """

    step: int
    arrays: Mapping[str, NDArray[np.float32]]
    digest: bytes
    last_accuracies: NDArray[np.float64]
    train_s: float = 0.0
    evaluate_s: float = 0.0


INITIAL = TrainState(0, {}, b"", np.zeros(0))
"""The state before the first step."""

TRAIN_ACCURACY_STEPS = 100
"""Steps over which tables average the training accuracy; that of a single batch varies too much."""

OLD_FORMAT = b"swath checkpoint 1\n"
"""First bytes of checkpoints of an earlier format, which are not read."""

ARRAY = "arrays/"
"""Prefix, in a file, of the arrays of the lanes."""


class DamagedCheckpointError(SwathError):
    """A file that is not a whole checkpoint, or one of an earlier format."""


@dataclass(frozen=True)
class LaneCheckpoint:
    """The train state of one lane.

    Attributes:
      key: identity of its training; see `lane_key`.
      state: its train state.
    """

    key: str
    state: TrainState


class Checkpoints(Protocol):
    """Keeps train states of lane groups, for a command that resumes them."""

    def save(self, group: str, lanes: Sequence[LaneCheckpoint]) -> None:
        """Keep the train states of a group's lanes, once everything that was logged before is stored."""

    def drop(self, group: str) -> None:
        """Drop a group that has ended, once its runs are stored."""


def lane_key(config: TrainConfig, data_digest: str) -> str:
    """What is trained in a configuration's lane: the same for those that differ in max_steps at most."""
    return f"{lane_fingerprint(config)}-{data_digest[:16]}"


def encode(lanes: Sequence[LaneCheckpoint]) -> bytes:
    """A checkpoint of lanes at the same step: an `.npz` file, whose CRC-32 detects every changed bit."""
    states = [lane.state for lane in lanes]
    longest = max(len(state.digest) for state in states)
    digests = [np.frombuffer(state.digest.ljust(longest, b"\0"), np.uint8) for state in states]
    arrays: dict[str, Any] = {
        f"{ARRAY}{name}": np.stack([state.arrays[name] for state in states]) for name in states[0].arrays
    }
    content = io.BytesIO()
    np.savez(
        content,
        # A damaged directory of the archive could lose an array unnoticed: no CRC covers it.
        names=np.array(list(states[0].arrays)),
        keys=np.array([lane.key for lane in lanes]),
        step=np.array([state.step for state in states]),
        digest=np.stack(digests),
        digest_bytes=np.array([len(state.digest) for state in states]),
        last_accuracies=np.stack([state.last_accuracies for state in states]),
        seconds=np.array([[state.train_s, state.evaluate_s] for state in states]),
        **arrays,
    )
    return content.getvalue()


def decode(encoded: bytes) -> list[LaneCheckpoint]:
    """The lanes of a checkpoint.

    Raises:
      DamagedCheckpointError: it is cut off, changed, of an earlier format, or not a checkpoint.
    """
    if encoded.startswith(OLD_FORMAT):
        raise DamagedCheckpointError("the checkpoint has the format of an earlier version of swath")
    try:
        with zipfile.ZipFile(io.BytesIO(encoded)) as archive:
            if archive.testzip() is not None:  # NumPy checks a CRC only of what it reads
                raise DamagedCheckpointError("the checkpoint is damaged")
        with np.load(io.BytesIO(encoded), allow_pickle=False) as arrays:
            found = dict(arrays)
        names = [str(name) for name in found["names"]]
        return [
            LaneCheckpoint(
                str(key),
                TrainState(
                    int(found["step"][lane]),
                    {name: found[f"{ARRAY}{name}"][lane] for name in names},
                    found["digest"][lane].tobytes()[: int(found["digest_bytes"][lane])],
                    found["last_accuracies"][lane],
                    *(float(seconds) for seconds in found["seconds"][lane]),
                ),
            )
            for lane, key in enumerate(found["keys"])
        ]
    except DamagedCheckpointError:
        raise
    except Exception as error:  # a damaged archive raises errors of many classes
        raise DamagedCheckpointError(f"the checkpoint is damaged ({error})") from error


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
      warn: called once, with a line, when a checkpoint could not be written.
    """

    def __init__(self, tracker: "Tracker", sweep_id: str, warn: Callable[[str], None]) -> None:
        self._tracker = tracker
        self._folder = str(checkpoints_folder() / sweep_id)
        self._warn = warn
        self._saved: set[str] = set()
        self._warned = False

    def save(self, group: str, lanes: "Sequence[LaneCheckpoint]") -> None:
        """See `Checkpoints`."""
        self._saved.add(group)
        call = self._tracker.save_checkpoint(self._folder, group, lanes[0].state.step, encode(lanes))
        call.add_done_callback(self._check)

    def drop(self, group: str) -> None:
        """See `Checkpoints`."""
        if group in self._saved:
            self._tracker.drop_checkpoint(self._folder, group)

    def drop_all(self) -> None:
        """Drop the checkpoints of the command, and those that it found of an earlier one."""
        self._tracker.drop_checkpoints(self._folder)

    def _check(self, call: "Future[Any]") -> None:
        fault = call.exception()
        if isinstance(fault, SwathError) and not self._warned:
            self._warned = True
            self._warn(f"a checkpoint could not be written: {fault}")
