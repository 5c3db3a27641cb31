"""Everything that a run computes, as one digest: equal digests, equal bits."""

import hashlib

import numpy as np
from numpy.typing import NDArray


class Bits:
    """A run's numbers, fed as they come; how its steps were cut into segments does not count."""

    def __init__(self) -> None:
        self._steps = {"accuracies": hashlib.sha256(), "losses": hashlib.sha256()}
        self._rest = hashlib.sha256()

    def add_steps(self, accuracies: NDArray[np.float64], losses: NDArray[np.float64]) -> None:
        """Training accuracies and losses of the next steps, float64 [steps] each."""
        self._steps["accuracies"].update(accuracies.tobytes())
        self._steps["losses"].update(losses.tobytes())

    def add(self, name: str, *values: NDArray[np.generic] | float) -> None:
        """Anything else, in an order that is the same for every run."""
        self._rest.update(name.encode())
        for value in values:
            self._rest.update(np.ascontiguousarray(value).tobytes())

    def hexdigest(self) -> str:
        """The digest of all that has been added."""
        parts = [*self._steps.values(), self._rest]
        return hashlib.sha256(b"".join(part.digest() for part in parts)).hexdigest()
