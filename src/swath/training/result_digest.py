"""Everything that a run computes, as one digest: equal digests, equal bits."""

import hashlib

import numpy as np
from numpy.typing import NDArray

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
