"""The manifest of a sweep, and the values that the two processes exchange about earlier sweeps."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from swath.config import METRICS, KeptSteps
from swath.errors import SwathError
from swath.models import UNKNOWN
from swath.sweeps.manifest_pieces import missing, pieces_of, read_pieces
from swath.sweeps.search_record import SearchRecord
from swath.tracking import PROVENANCE_TAGS, RESULT_AFFECTING, MetricBatch, schema
from swath.training import TrainState

SCHEMA = 1
"""Version of the JSON format."""


@dataclass(frozen=True)
class Manifest:
    """Configurations and provenance of a sweep when it started or was last resumed.

    Attributes:
      sweep: name of the sweep.
      sweep_id: id of the sweep.
      command: the command line, without passwords.
      provenance: provenance tags and their values; see `tracking.provenance`. The JSON key is `facts`.
      every_steps: interval in steps at which per-step metrics are stored.
      configurations: `fingerprint`, `data_digest` and hyperparameter `values` of each configuration.
      earlier: provenance of each earlier command of the sweep, oldest first.
      search: what decides its trials, if it is a search.
      curves: where the curves of the per-step metrics are kept.
      stored: names of pieces that the store has; see `manifest_pieces`. Not part of the JSON.
    """

    sweep: str
    sweep_id: str
    command: str
    provenance: dict[str, str]
    every_steps: int
    configurations: list[dict[str, Any]]
    earlier: list[dict[str, str]]
    search: SearchRecord | None = None
    curves: str = METRICS
    stored: tuple[str, ...] = field(default=(), compare=False)

    @property
    def identities(self) -> set[tuple[str, str]]:
        """Fingerprint and data digest of each configuration."""
        return {(entry["fingerprint"], entry["data_digest"]) for entry in self.configurations}

    def resuming(self, before: "Manifest | None") -> "Manifest":
        """This manifest, extended by configurations, provenance and rounds of the one that it replaces."""
        search = self.search
        if search is not None:
            search = search.continuing(None if before is None else before.search)
        if before is None:
            return replace(self, search=search)
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
            self.provenance,
            self.every_steps,
            [*others, *self.configurations],
            [*before.earlier, before.provenance],
            search,
            self.curves,
            before.stored,
        )

    def text(self) -> str:
        """The manifest as JSON, without pieces."""
        return self._text({})

    def files(self) -> dict[str, str]:
        """The files that the store does not have: new pieces, then the manifest, which names all pieces."""
        pieces = pieces_of(self.configurations)
        return {**missing(pieces, self.stored), schema.MANIFEST_FILE: self._text(pieces)}

    def _text(self, pieces: Mapping[str, str]) -> str:
        values = {"facts" if name == "provenance" else name: value for name, value in vars(self).items()}
        del values["search"], values["stored"]
        if pieces:
            values |= {"configurations": [], "pieces": list(pieces)}
        if self.search is not None:
            values["search"] = self.search.values()
        return json.dumps({"schema": SCHEMA, **values}, indent=1) + "\n"


def read_manifest(text: str | bytes, read: Callable[[str], bytes] | None = None) -> Manifest:
    """Parse a manifest.

    Args:
      text: content of the manifest.
      read: name of a piece -> its content; None to leave out the configurations of pieces.

    Raises:
      SwathError: the text is not a manifest, or a piece is missing or damaged.
    """
    try:
        values = json.loads(text)
        if values.pop("schema") != SCHEMA:
            raise SwathError(f"{schema.MANIFEST_FILE} was written by another version of swath")
        values["provenance"] = values.pop("facts")
        pieces = values.pop("pieces", [])
        if pieces and read is not None:
            values |= {"configurations": read_pieces(pieces, read), "stored": tuple(pieces)}
        if "search" in values:
            values["search"] = SearchRecord.of(values["search"])
        found = Manifest(**values)
        _ = found.identities
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SwathError(f"{schema.MANIFEST_FILE} is damaged ({error})") from error
    return found


def environment_changes(
    before: dict[str, str], now: dict[str, str], data_place: str = ""
) -> tuple[list[str], list[str]]:
    """Compare the provenance of two commands.

    Args:
      before: provenance tags of the earlier command and their values.
      now: those of this command.
      data_place: folder or file of the images, as the user named it; empty if nothing named one.

    Returns:
      One line for each change that can affect results, and one line for each other change.
    """
    serious: list[str] = []
    others: list[str] = []
    for name in PROVENANCE_TAGS:
        first, second = before.get(name), now.get(name)
        if name == schema.MODEL_CODE and (unknown := _unknown_in_both(first, second)):
            serious.append(f"{PROVENANCE_TAGS[name]}: nobody can say whether that of {unknown} has changed")
            continue
        if name in (schema.DATA_DIGEST, schema.MODEL_CODE) and _is_extended(first, second):
            continue
        if name in before and first != second:
            line = f"{PROVENANCE_TAGS[name]}: {_short(first)}, now {_short(second)}"
            if name == schema.DATA_DIGEST and data_place:
                line = f"images in {data_place}: digest {_less(first, second)}, now {_less(second, first)}"
            (serious if name in RESULT_AFFECTING else others).append(line)
    return serious, others


def _is_extended(first: str | None, second: str | None) -> bool:
    """Whether one command has all data sets, or models, of the other, unchanged; a value lists digests."""
    before, now = set((first or "").split()), set((second or "").split())
    return bool(before) and (before <= now or now <= before)


def _unknown_in_both(first: str | None, second: str | None) -> str:
    """The models that both commands have, and whose code has no digest."""
    common = set((first or "").split()) & set((second or "").split())
    return ", ".join(sorted(each.partition(":")[0] for each in common if each.endswith(f":{UNKNOWN}")))


def _less(first: str | None, second: str | None) -> str:
    """The beginnings of the digests that only the first value lists."""
    digests = sorted({*(first or "").split()} - {*(second or "").split()})
    return " ".join(digest[:12] for digest in digests)


def _short(value: str | None) -> str:
    text = "(none)" if value is None else value
    return text if len(text) <= 60 else f"{text[:57]}..."


def configurations_of(
    identities: Sequence[tuple[str, str]], values: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The manifest entries of configurations.

    Args:
      identities: fingerprint and data digest of each configuration.
      values: hyperparameters of each configuration, in the same order.
    """
    return [
        {"fingerprint": fingerprint, "data_digest": digest, "values": entry}
        for (fingerprint, digest), entry in zip(identities, values, strict=True)
    ]


@dataclass(frozen=True)
class RunKey:
    """Identity of a configuration in the store.

    Attributes:
      fingerprint: fingerprint of the configuration.
      data_digest: digest of its data set.
      lane: identity of its lane; see `training.lane_key`.
      max_steps: number of training steps.
      kept: which steps are stored, and where.
      evaluate_every_steps: interval in steps at which validation images are evaluated; 0 for never.
    """

    fingerprint: str
    data_digest: str
    lane: str
    max_steps: int
    kept: KeptSteps
    evaluate_every_steps: int

    @property
    def identity(self) -> tuple[str, str]:
        """Fingerprint and data digest; runs with the same identity are bit-identical."""
        return self.fingerprint, self.data_digest


def kept_by(tags: Mapping[str, str], otherwise: KeptSteps) -> KeptSteps:
    """Which steps a stored run keeps, and where: one that goes on keeps the same.

    Args:
      tags: those of the run; empty if there is none.
      otherwise: what the command says.
    """
    every = tags.get(schema.EVERY_STEPS, "")
    if not every.isdecimal() or not int(every):
        return otherwise
    return KeptSteps(int(every), tags.get(schema.CURVES, METRICS))


@dataclass(frozen=True)
class ResumeRequest:
    """A sweep to resume.

    Attributes:
      name: name of the sweep.
      is_grid: True for a sweep, False for a single run.
      runs: the configurations known so far.
      provenance: provenance tags of this command and their values.
      checkpoints: folder with one checkpoint folder per sweep id.
      force: whether to accept changes that can affect results.
      data_place: folder or file of the images, as the user named it; empty if nothing named one.
      search: what decides the trials of a search; None for other sweeps.
      own_only: whether finished runs of other sweeps are trained again: workers rank those of theirs only.
      joins: id of the sweep to which these runs belong; a worker knows it. Empty if it is to be found.
    """

    name: str
    is_grid: bool
    runs: tuple[RunKey, ...]
    provenance: dict[str, str]
    checkpoints: str
    force: bool
    data_place: str = ""
    search: SearchRecord | None = None
    joins: str = ""
    own_only: bool = False


@dataclass(frozen=True)
class PriorSweep:
    """An earlier command that can be resumed.

    Attributes:
      sweep_id: id of the sweep.
      run_id: id of its summary run; None for a single run.
      changes: changes of the environment since then, one line each.
      manifest: its manifest; None if the sweep was interrupted before the manifest was stored.
      set_aside: one line for each checkpoint that could not be read.
      engine: the launcher that has its lots and the ids for them, if it has not ended; else empty.
      epoch: epoch of its lots, which a claim to it must know; empty if it never had any.
    """

    sweep_id: str
    run_id: str | None
    changes: tuple[str, ...] = ()
    manifest: Manifest | None = None
    set_aside: tuple[str, ...] = ()
    engine: str = ""
    epoch: str = ""


@dataclass(frozen=True)
class PriorRun:
    """Stored state of a configuration.

    Attributes:
      run_id: id of its run; None if it has no run.
      status: status of the run.
      error: reason why the run did not finish.
      metrics: latest metrics of a finished run.
      correct: which images a finished run classifies correctly, by split; see `RunResult.correct`.
      tags: tags of the run; of one that is not trained again, those that its result is made of.
      start: train state from which the training can resume; None for step 0.
      prefix_metrics: per-step metrics of the steps before `start`, if another run has stored them.
    """

    run_id: str | None = None
    status: str = ""
    error: str | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    correct: dict[str, bytes] = field(default_factory=dict)
    start: TrainState | None = None
    prefix_metrics: tuple[MetricBatch, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether the configuration needs no more training."""
        return self.status == "FINISHED"


@dataclass(frozen=True)
class PriorTrial:
    """Stored state of a trial of a search.

    Attributes:
      number: of the trial.
      point: what was proposed, as JSON.
      run: its run; its metrics are there if the trial has ended for good.
      steps: steps at which it ended for good; None if it has not ended.
      at_rungs: accuracy and loss on the validation images, by steps of the rungs to which it has come.
      trained: steps that it has been trained.
    """

    number: int
    point: str
    run: PriorRun
    steps: int | None
    at_rungs: dict[int, tuple[float, float]]
    trained: int = 0


class PriorRunsService(Protocol):
    """Methods of the tracking process that find the results of earlier commands."""

    def find_sweep(self, request: ResumeRequest) -> PriorSweep | None:
        """Find the earlier command to resume; None if there is none.

        Raises:
          SwathError: the sweep is running, or results would not be bit-identical.
        """

    def older_arithmetic(self) -> str:
        """A line on runs of these configurations that another arithmetic made; empty if there is none."""

    def prior_runs(self, keys: Sequence[RunKey]) -> list[PriorRun]:
        """Stored state of each configuration, in the same order. Call `find_sweep` first."""

    def trials(self) -> list[PriorTrial]:
        """Stored state of the trials of the search that is resumed. Call `find_sweep` first."""

    def start_of_trial(self, number: int, key: RunKey) -> PriorRun:
        """From where a trial goes on that has not ended for good; at most from the steps of the key."""

    def other_runs(self) -> list[tuple[dict[str, str], PriorRun]]:
        """Params and state of the runs of the sweep whose configurations are not part of this command."""
