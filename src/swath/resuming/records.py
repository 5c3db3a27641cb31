"""What is asked about earlier commands, and what is known of them. Arrays and plain values only."""

from dataclasses import dataclass, field

from swath.launch import Start
from swath.resuming.manifest import Manifest
from swath.tracking.records import StepBlock


@dataclass(frozen=True)
class AskedRun:
    """A configuration that is to be trained, as far as the store is asked for it.

    Attributes:
      fingerprint: of the configuration.
      data_digest: of its images.
      lane: what is trained in its lane; see `checkpoint.lane_key`.
      max_steps: of the configuration.
      every_steps: from one stored step to the next.
      evaluate_every_steps: of the configuration.
    """

    fingerprint: str
    data_digest: str
    lane: str
    max_steps: int
    every_steps: int
    evaluate_every_steps: int

    @property
    def identity(self) -> tuple[str, str]:
        """What makes two runs the same: configuration and images."""
        return self.fingerprint, self.data_digest


@dataclass(frozen=True)
class AskedSweep:
    """A sweep that is to be taken up.

    Attributes:
      name: of the sweep.
      is_grid: whether it is one, and not a single run.
      runs: its configurations, as far as they are known.
      facts: what it would be made with now, by tag.
      checkpoints: folder that holds a folder of checkpoints per sweep id.
      anyway: whether what could change a number is passed over.
    """

    name: str
    is_grid: bool
    runs: tuple[AskedRun, ...]
    facts: dict[str, str]
    checkpoints: str
    anyway: bool


@dataclass(frozen=True)
class FoundSweep:
    """An earlier command that can be taken up.

    Attributes:
      sweep_id: its id.
      run_id: its own run; None for a single run.
      drifted: what has changed since, a line each.
      manifest: what it was begun with; None where it was cut off before it had one.
    """

    sweep_id: str
    run_id: str | None
    drifted: tuple[str, ...] = ()
    manifest: Manifest | None = None


@dataclass(frozen=True)
class Before:
    """What is there of a configuration.

    Attributes:
      run_id: its run; None where there is none.
      status: of the run.
      error: why it did not finish.
      metrics: single values, of a finished one.
      tags: of the run.
      start: where its training can go on; None for the beginning.
      taken_over: values of the steps before, that the run itself may not have yet.
    """

    run_id: str | None = None
    status: str = ""
    error: str | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    start: Start | None = None
    taken_over: tuple[StepBlock, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.status == "FINISHED"
