"""Where lanes stand in the middle of a training, as a file that is whole or refused."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from swath.config.fingerprint import fingerprint
from swath.config.schema import RunConfig
from swath.errors import SwathError
from swath.launch import Start

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
    start: Start


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
            Start(
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
