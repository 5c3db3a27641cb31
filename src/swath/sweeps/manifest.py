"""The manifest of a sweep, and the questions and answers about earlier sweeps."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from swath.errors import SwathError
from swath.tracking import PROVENANCE_TAGS, RESULT_AFFECTING, MetricBatch, schema
from swath.training import TrainState

SCHEMA = 1


@dataclass(frozen=True)
class Manifest:
    """What a sweep consisted of when it started, or was last resumed.

    Attributes:
      sweep: its name.
      sweep_id: its id.
      command: what was typed, without passwords.
      facts: provenance by tag; see `tracking.provenance`.
      every_steps: from one stored step to the next.
      configurations: of each `fingerprint`, `data_digest` and the `values` that decide its numbers.
      earlier: the facts of each start before.
    """

    sweep: str
    sweep_id: str
    command: str
    facts: dict[str, str]
    every_steps: int
    configurations: list[dict[str, Any]]
    earlier: list[dict[str, str]]

    @property
    def identities(self) -> set[tuple[str, str]]:
        """Fingerprint and data digest of each configuration."""
        return {(entry["fingerprint"], entry["data_digest"]) for entry in self.configurations}

    def resuming(self, before: "Manifest | None") -> "Manifest":
        """This manifest with the configurations and facts of the one before it."""
        if before is None:
            return self
        known = self.identities
        others = [
            entry
            for entry in before.configurations
            if (entry["fingerprint"], entry["data_digest"]) not in known
        ]
        return Manifest(
            self.sweep,
            self.sweep_id,
            self.command,
            self.facts,
            self.every_steps,
            [*others, *self.configurations],
            [*before.earlier, before.facts],
        )

    def text(self) -> str:
        """As JSON."""
        return json.dumps({"schema": SCHEMA, **vars(self)}, indent=1) + "\n"


def read_manifest(text: str | bytes) -> Manifest:
    """Parse a manifest.

    Raises:
      SwathError: the text is not a manifest.
    """
    try:
        values = json.loads(text)
        if values.pop("schema") != SCHEMA:
            raise SwathError(f"{schema.MANIFEST_FILE} was written by another version of swath")
        found = Manifest(**values)
        _ = found.identities
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SwathError(f"{schema.MANIFEST_FILE} is damaged ({error})") from error
    return found


def environment_changes(before: dict[str, str], now: dict[str, str]) -> tuple[list[str], list[str]]:
    """What has changed: lines about what can change a number, and lines about the rest."""
    serious: list[str] = []
    others: list[str] = []
    for name in PROVENANCE_TAGS:
        first, second = before.get(name), now.get(name)
        if name in before and first != second:
            line = f"{PROVENANCE_TAGS[name]}: {_short(first)}, now {_short(second)}"
            (serious if name in RESULT_AFFECTING else others).append(line)
    return serious, others


def _short(value: str | None) -> str:
    text = "(none)" if value is None else value
    return text if len(text) <= 60 else f"{text[:57]}..."


def configurations_of(
    identities: Sequence[tuple[str, str]], values: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The entries of a manifest."""
    return [
        {"fingerprint": fingerprint, "data_digest": digest, "values": entry}
        for (fingerprint, digest), entry in zip(identities, values, strict=True)
    ]


@dataclass(frozen=True)
class RunKey:
    """What identifies a configuration in the store.

    Attributes:
      fingerprint: of the configuration.
      data_digest: of its images.
      lane: what is trained in its lane; see `training.lane_key`.
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
        """Configuration and data: two runs with the same identity have the same numbers."""
        return self.fingerprint, self.data_digest


@dataclass(frozen=True)
class ResumeRequest:
    """A sweep to resume.

    Attributes:
      name: of the sweep.
      is_grid: whether it is a sweep, not a single run.
      runs: its configurations, as far as they are known.
      facts: provenance of this command, by tag.
      checkpoints: folder that holds a folder of checkpoints per sweep id.
      force: whether changes that could change a number are accepted.
    """

    name: str
    is_grid: bool
    runs: tuple[RunKey, ...]
    facts: dict[str, str]
    checkpoints: str
    force: bool


@dataclass(frozen=True)
class PriorSweep:
    """An earlier command that can be resumed.

    Attributes:
      sweep_id: its id.
      run_id: its own run; None for a single run.
      changes: what has changed since, a line each.
      manifest: its manifest; None if it was interrupted before it had one.
      set_aside: a line for each of its checkpoints that could not be read.
    """

    sweep_id: str
    run_id: str | None
    changes: tuple[str, ...] = ()
    manifest: Manifest | None = None
    set_aside: tuple[str, ...] = ()


@dataclass(frozen=True)
class PriorRun:
    """What is stored of a configuration.

    Attributes:
      run_id: its run; None if there is none.
      status: of the run.
      error: why it did not finish.
      metrics: single values, of a finished one.
      tags: of the run.
      start: where its training can resume; None for the beginning.
      prefix_metrics: values of the steps before, which the run itself may not have yet.
    """

    run_id: str | None = None
    status: str = ""
    error: str | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    start: TrainState | None = None
    prefix_metrics: tuple[MetricBatch, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.status == "FINISHED"


class PriorRunsService(Protocol):
    """Methods of the tracking process that find what earlier commands have stored."""

    def find_sweep(self, request: ResumeRequest) -> PriorSweep | None:
        """The earlier command to resume; None if there is none.

        Raises:
          SwathError: the sweep is running, or results would not be bit-identical.
        """

    def prior_runs(self, keys: Sequence[RunKey]) -> list[PriorRun]:
        """What is stored of each configuration, in the same order. Call `find_sweep` first."""

    def other_runs(self) -> list[tuple[dict[str, str], PriorRun]]:
        """Params and state of the runs of the sweep that belong to no configuration of this command."""
