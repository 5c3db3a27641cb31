"""Which steps of a run are stored, and where."""

from dataclasses import dataclass

CURVES = ("metrics", "file", "both")
"""Where the curves of the per-step metrics are kept: as MLflow's metrics, in a file of the run, or both."""

METRICS = CURVES[0]

EVERY_BESIDE_FILE = 100
"""With `file`, one step of this many is a metric too, unless the command says otherwise: enough to draw."""


@dataclass(frozen=True)
class KeptSteps:
    """Which steps of a run are stored, and where.

    Attributes:
      every: steps from one row of a per-step metric to the next; the first and the last step have one too.
      curves: one of `CURVES`.
    """

    every: int = 1
    curves: str = METRICS

    @property
    def in_file(self) -> bool:
        """Whether a file of the run gets every step."""
        return self.curves != METRICS
