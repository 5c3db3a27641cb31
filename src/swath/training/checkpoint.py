"""Checkpoints: train states of lanes in files on the local disk. Damaged files are rejected."""

import contextlib
import hashlib
import io
import math
import re
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
from swath.errors import SwathError, UsageError
from swath.models import ARITHMETIC
from swath.system import atomic_write, cache_folder

BLOCK_BYTES = 1_024
"""Steps are digested in blocks of 64 (two float64 each), so that segments do not affect the digest."""

DIGEST_BYTES = 32


class ResultDigest:
    """Digest of all results of a run; it does not depend on the division of steps into segments.

    It is a chain of SHA-256 digests. Its state is small enough for a checkpoint: two digests, and the steps
    of an incomplete block.

    Args:
      state: `state` of the digest to continue; empty for a new digest.
    """

    def __init__(self, state: bytes = b"") -> None:
        self._steps = state[:DIGEST_BYTES] or bytes(DIGEST_BYTES)
        self._rest = state[DIGEST_BYTES : 2 * DIGEST_BYTES] or bytes(DIGEST_BYTES)
        self._pending = state[2 * DIGEST_BYTES :]

    @property
    def state(self) -> bytes:
        """The complete state: at least 64 bytes, less than 64 + `BLOCK_BYTES`."""
        return self._steps + self._rest + self._pending

    def add_steps(self, accuracies: NDArray[np.float64], losses: NDArray[np.float64]) -> None:
        """Add training accuracies and losses of the next steps, float64 [steps] each."""
        self._pending += np.stack([accuracies, losses], axis=1).astype(np.float64).tobytes()
        whole = len(self._pending) // BLOCK_BYTES * BLOCK_BYTES
        for first in range(0, whole, BLOCK_BYTES):
            block = self._pending[first : first + BLOCK_BYTES]
            self._steps = hashlib.sha256(self._steps + block).digest()
        self._pending = self._pending[whole:]

    def add(self, name: str, *values: NDArray[np.generic] | float) -> None:
        """Add other results, in the same order for every run."""
        encoded = name.encode() + b"".join(np.ascontiguousarray(value).tobytes() for value in values)
        self._rest = hashlib.sha256(self._rest + encoded).digest()

    def hexdigest(self) -> str:
        """The digest of everything added so far."""
        return hashlib.sha256(self.state).hexdigest()


if TYPE_CHECKING:
    from swath.tracking import Tracker


@dataclass(frozen=True)
class TrainState:
    """State of the training of one lane after some steps, for any model.

    Attributes:
      step: number of trained steps.
      arrays: parameters by name, and optimizer states as `STATE/NAME`; empty before the first step.
      digest: state of the `ResultDigest` of these steps.
      last_accuracies: float64 [up to `TRAIN_ACCURACY_STEPS`], training accuracies of the last of these steps.
      train_s: training time in seconds.
      evaluate_s: evaluation time in seconds.
      last_loss: training loss of the last of these steps; nan if unknown.
    """

    step: int
    arrays: Mapping[str, NDArray[np.float32]]
    digest: bytes
    last_accuracies: NDArray[np.float64]
    train_s: float = 0.0
    evaluate_s: float = 0.0
    last_loss: float = math.nan


INITIAL = TrainState(0, {}, b"", np.zeros(0))
"""The state before the first step."""

TRAIN_ACCURACY_STEPS = 100
"""Steps over which tables average the training accuracy, because a single batch is too noisy."""

OLD_FORMAT = b"swath checkpoint 1\n"
"""First bytes of checkpoints in an earlier format, which is not supported."""

WAITING = "-waiting"
"""End of the key of a run that waits at a rung: its state lacks the evaluation that is due there."""

ARRAY = "arrays/"
"""Prefix of the names of lane arrays in a file."""


class DamagedCheckpointError(SwathError):
    """A file is not a complete checkpoint, or has an earlier format."""


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
    """Saves train states of lane groups, for a resume."""

    def save(self, group: str, lanes: Sequence[LaneCheckpoint]) -> None:
        """Save the train states of the lanes of a group, after everything logged before is stored."""

    def drop(self, group: str) -> None:
        """Delete the checkpoints of a group that has ended, after its runs are stored."""


def lane_key(config: TrainConfig, data_digest: str) -> str:
    """Identity of a training: equal for configurations that differ in max_steps only.

    It contains the version of the arithmetic, so that no training continues one of other bits.
    """
    return f"{lane_fingerprint(config)}-{data_digest[:16]}-{ARITHMETIC}"


def encode(lanes: Sequence[LaneCheckpoint]) -> bytes:
    """Encode lanes at the same step as an `.npz` file; its CRC-32 detects damaged data."""
    states = [lane.state for lane in lanes]
    longest = max(len(state.digest) for state in states)
    digests = [np.frombuffer(state.digest.ljust(longest, b"\0"), np.uint8) for state in states]
    arrays: dict[str, Any] = {
        f"{ARRAY}{name}": np.stack([state.arrays[name] for state in states]) for name in states[0].arrays
    }
    content = io.BytesIO()
    np.savez(
        content,
        # No CRC covers the directory of the archive: a damaged one could hide an array.
        names=np.array(list(states[0].arrays)),
        keys=np.array([lane.key for lane in lanes]),
        step=np.array([state.step for state in states]),
        digest=np.stack(digests),
        digest_bytes=np.array([len(state.digest) for state in states]),
        last_accuracies=np.stack([state.last_accuracies for state in states]),
        seconds=np.array([[state.train_s, state.evaluate_s] for state in states]),
        last_loss=np.array([state.last_loss for state in states]),
        **arrays,
    )
    return content.getvalue()


def decode(encoded: bytes) -> list[LaneCheckpoint]:
    """Decode the lanes of a checkpoint.

    Raises:
      DamagedCheckpointError: the checkpoint is truncated or damaged, or has an earlier format.
    """
    if encoded.startswith(OLD_FORMAT):
        raise DamagedCheckpointError("the checkpoint has the format of an earlier version of swath")
    try:
        with zipfile.ZipFile(io.BytesIO(encoded)) as archive:
            if archive.testzip() is not None:  # NumPy checks only the CRC of what it reads
                raise DamagedCheckpointError("the checkpoint is damaged")
        with np.load(io.BytesIO(encoded), allow_pickle=False) as arrays:
            found = dict(arrays)
        names = [str(name) for name in found["names"]]
        last_losses = found.get(
            "last_loss", np.full(len(found["keys"]), math.nan)
        )  # earlier versions wrote none
        return [
            LaneCheckpoint(
                str(key),
                TrainState(
                    int(found["step"][lane]),
                    {name: found[f"{ARRAY}{name}"][lane] for name in names},
                    found["digest"][lane].tobytes()[: int(found["digest_bytes"][lane])],
                    found["last_accuracies"][lane],
                    *(float(value) for value in (*found["seconds"][lane], last_losses[lane])),
                ),
            )
            for lane, key in enumerate(found["keys"])
        ]
    except DamagedCheckpointError:
        raise
    except Exception as error:  # a damaged archive raises errors of many classes
        raise DamagedCheckpointError(f"the checkpoint is damaged ({error})") from error


CHECKPOINT_SUFFIX = ".checkpoint"

KEPT_DAYS = 30
"""Days after which the checkpoints of an interrupted sweep are deleted."""

KEPT_CHECKPOINTS = 2
"""Checkpoints kept per group: if the last one is damaged, the one before it is used."""

SWEEP_ID = re.compile(r"[0-9a-f]{12}")
"""Form of the ids that swath gives to sweeps."""


def checkpoints_folder(given: str | None = None) -> Path:
    """The folder with a checkpoint folder for each sweep id.

    Args:
      given: `checkpoint.dir`; None for the user's cache.
    """
    return cache_folder() / "checkpoints" if given is None else Path(given).expanduser().absolute()


def checkpoint_folder(sweep_id: str, folder: Path | None = None) -> Path:
    """The checkpoint folder of a sweep.

    Args:
      sweep_id: id of the sweep; one that was read from a store could be any text.
      folder: folder with the checkpoint folders; None for that of this user.

    Raises:
      UsageError: the id is not one that swath gives to a sweep.
    """
    if SWEEP_ID.fullmatch(sweep_id) is None:
        raise UsageError(f"{sweep_id!r} is no id of a sweep: expected 12 hexadecimal digits")
    return (checkpoints_folder() if folder is None else folder) / sweep_id


class CheckpointFiles:
    """Writes and deletes checkpoint files, after the calls that store the steps of a checkpoint."""

    def save_checkpoint(self, folder: str, group: str, step: int, content: bytes) -> None:
        """Write a checkpoint of a group, and delete all but its last two.

        Raises:
          OSError: the checkpoint cannot be written; earlier ones are kept.
        """
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        atomic_write(place / f"{group}-{step:012d}{CHECKPOINT_SUFFIX}", content, durable=True)
        for old in sorted(place.glob(f"{group}-*{CHECKPOINT_SUFFIX}"))[:-KEPT_CHECKPOINTS]:
            old.unlink(missing_ok=True)

    def drop_checkpoint(self, folder: str, group: str) -> None:
        """Delete the checkpoints of a group."""
        for path in Path(folder).glob(f"{group}-*{CHECKPOINT_SUFFIX}"):
            path.unlink(missing_ok=True)

    def drop_checkpoints(self, folder: str) -> None:
        """Delete the checkpoints of a sweep, and those of sweeps that were not resumed for `KEPT_DAYS`."""
        shutil.rmtree(folder, ignore_errors=True)
        oldest = time.time() - 86_400 * KEPT_DAYS
        for other in Path(folder).parent.glob("*/"):
            with contextlib.suppress(OSError):
                if other.stat().st_mtime < oldest:
                    shutil.rmtree(other, ignore_errors=True)


class FencedCheckpoints:
    """Checkpoint files of a worker; those of one that another has superseded are refused.

    Args:
      files: writes the files.
      check: raises if this worker has been superseded.
    """

    def __init__(self, files: CheckpointFiles, check: Callable[[], None]) -> None:
        self._files = files
        self._check = check

    def save_checkpoint(self, folder: str, group: str, step: int, content: bytes) -> None:
        """See `CheckpointFiles`."""
        self._check()
        self._files.save_checkpoint(folder, group, step, content)

    def drop_checkpoint(self, folder: str, group: str) -> None:
        """See `CheckpointFiles`."""
        self._check()
        self._files.drop_checkpoint(folder, group)

    def drop_checkpoints(self, folder: str) -> None:
        """See `CheckpointFiles`."""
        self._check()
        self._files.drop_checkpoints(folder)


class CheckpointWriter:
    """Sends checkpoints to the tracking process, which writes them after the steps before them are stored.

    Args:
      tracker: tracker of the sweep.
      sweep_id: id of the sweep.
      warn: called with a message when a checkpoint cannot be written, once at most.
      lot: number of the lot that is trained; its checkpoints have a folder of their own.
      given: `checkpoint.dir`; None for the user's cache.
    """

    def __init__(
        self,
        tracker: "Tracker",
        sweep_id: str,
        warn: Callable[[str], None],
        lot: int | None = None,
        given: str | None = None,
    ) -> None:
        self._tracker = tracker
        folder = checkpoint_folder(sweep_id, checkpoints_folder(given))
        self._folder = str(folder if lot is None else folder / f"lot-{lot}")
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
        """Delete all checkpoints of the sweep, including those of earlier commands."""
        self._tracker.drop_checkpoints(self._folder)

    def _check(self, call: "Future[Any]") -> None:
        fault = call.exception()
        if isinstance(fault, SwathError) and not self._warned:
            self._warned = True
            self._warn(f"a checkpoint could not be written: {fault}")
