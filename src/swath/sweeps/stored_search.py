"""A search as the store has it: what decides it, its trials, and the runs that confirm finalists."""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from swath import tracking
from swath.errors import SwathError
from swath.sweeps.manifest import Manifest, read_manifest
from swath.sweeps.search_record import SearchRecord
from swath.tracking import schema

ValuesAtRungs = dict[int, tuple[float, float]]
"""Accuracy and loss on the validation images, by steps."""


@dataclass(frozen=True)
class StoredTrial:
    """A trial.

    Attributes:
      run: its run.
      number: of the trial, from 0.
      round_number: of its round, from 0.
      point: what was proposed; None if the tag cannot be read.
      at_rungs: its values at the rungs to which it has come.
    """

    run: tracking.StoredRun
    number: int
    round_number: int
    point: dict[str, str] | None
    at_rungs: ValuesAtRungs

    @property
    def has_ended(self) -> bool:
        """Whether it has ended for good; its last tags are written just before its status."""
        return self.run.status in ("FINISHED", "FAILED") or schema.BITS in self.run.tags


@dataclass(frozen=True)
class StoredSearch:
    """A search.

    Attributes:
      sweep_id: id of the sweep.
      summary_run: its summary run.
      record: what decides it.
      trials: its trials, by number.
      confirming: the runs of finalists with other seeds.
      is_resumed: whether it is the work of several commands.
      fault: what contradicts itself before anything is decided; empty if nothing does.
    """

    sweep_id: str
    summary_run: tracking.StoredRun
    record: SearchRecord
    trials: dict[int, StoredTrial]
    confirming: Sequence[tracking.StoredRun]
    is_resumed: bool
    fault: str = ""

    @property
    def runs(self) -> list[tracking.StoredRun]:
        """The runs of trials, then those that confirm finalists."""
        return [*(trial.run for trial in self.trials.values()), *self.confirming]

    @property
    def has_ended(self) -> bool:
        """Whether its last command ended by itself, after all that it had begun."""
        return self.summary_run.status == "FINISHED" and self.count(schema.KILLED_COUNT) == 0

    def count(self, tag: str) -> int | None:
        """What the summary run counts; None if it does not say."""
        text = self.summary_run.tags.get(tag, "")
        return int(text) if text.isdecimal() else None


def read_search(reader: tracking.Reader, sweep_id: str) -> StoredSearch | None:
    """Read a search; None if the sweep is none.

    Raises:
      SwathError: what decides it cannot be read.
    """
    runs = reader.runs({schema.SWEEP_ID: sweep_id})
    summary_run = next((run for run in runs if run.tags.get(schema.KIND) == "sweep"), None)
    runs = [run for run in runs if run.tags.get(schema.KIND) == "run"]
    if summary_run is None or not any(schema.SEARCH_STAGE in run.tags for run in runs):
        manifest = None if summary_run is None else _manifest_or_none(summary_run)
        if summary_run is None or manifest is None or manifest.search is None:
            return None
    else:
        manifest = _manifest(summary_run)
        if manifest.search is None:
            raise SwathError(f"{schema.MANIFEST_FILE} does not say what decides the search")
    assert manifest.search is not None
    of_trials = [run for run in runs if run.tags.get(schema.SEARCH_STAGE) == schema.TRIAL]
    confirming = [run for run in runs if run.tags.get(schema.SEARCH_STAGE) == schema.CONFIRM]
    trials: dict[int, StoredTrial] = {}
    fault = ""
    curves = _curves(reader, [*of_trials, *confirming])
    for run in of_trials:
        try:
            number, round_number = int(run.tags[schema.SEARCH_TRIAL]), int(run.tags[schema.SEARCH_ROUND])
        except (KeyError, ValueError):
            fault = fault or f"run {run.run_id} does not say which trial of which round it is"
            continue
        if number in trials:
            fault = fault or f"two runs are trial {number}: {trials[number].run.run_id} and {run.run_id}"
            continue
        trials[number] = StoredTrial(run, number, round_number, _point(run), _at_rungs(curves[run.run_id]))
    for run in (each for each in [*of_trials, *confirming] if schema.BITS in each.tags):
        fault = fault or next(_contradictions(run, curves[run.run_id]), "")
    others = [run for run in runs if run not in of_trials and run not in confirming]
    if others and not fault:
        fault = f"run {others[0].run_id} is neither a trial nor a run that confirms one"
    return StoredSearch(
        sweep_id, summary_run, manifest.search, trials, confirming, bool(manifest.earlier), fault
    )


def _curves(
    reader: tracking.Reader, runs: Iterable[tracking.StoredRun]
) -> dict[str, dict[str, dict[int, float]]]:
    """The curves by which a search decides, by run id and metric: value by step."""
    run_ids = [run.run_id for run in runs]
    found: dict[str, dict[str, dict[int, float]]] = {run_id: {} for run_id in run_ids}
    for curve in reader.curves(run_ids, (*schema.RUNGS, *schema.VALIDATION)):
        pairs = zip(curve.steps.tolist(), curve.values.tolist(), strict=True)
        found[curve.run_id][curve.metric] = {int(step): float(value) for step, value in pairs}
    return found


def _at_rungs(curves: Mapping[str, Mapping[int, float]]) -> ValuesAtRungs:
    accuracies, losses = (curves.get(name, {}) for name in schema.RUNGS)
    return {step: (accuracies[step], losses[step]) for step in sorted(accuracies) if step in losses}


def _contradictions(run: tracking.StoredRun, curves: Mapping[str, Mapping[int, float]]) -> Iterator[str]:
    """Metrics whose last value differs from that in MLflow's table of latest metrics."""
    for name in (*schema.RUNGS, *schema.VALIDATION):
        curve, latest = curves.get(name, {}), run.metrics.get(name)
        last = curve[max(curve)] if curve else None
        if last != latest and not (_is_nan(last) and _is_nan(latest)):
            yield f"run {run.run_id} has two last values of {name}: {last} and {latest}"


def _is_nan(value: float | None) -> bool:
    return value is not None and math.isnan(value)


def _point(run: tracking.StoredRun) -> dict[str, str] | None:
    try:
        point = json.loads(run.tags.get(schema.SEARCH_POINT, ""))
    except ValueError:
        return None
    return point if isinstance(point, dict) else None


def _manifest(summary_run: tracking.StoredRun) -> Manifest:
    content = tracking.read_bytes(summary_run, schema.MANIFEST_FILE)
    try:
        digests = json.loads(summary_run.tags.get(schema.FILES, "{}"))
    except ValueError:
        digests = None
    if not isinstance(digests, dict):
        raise SwathError(f"the tag {schema.FILES} of the sweep is damaged")
    digest = digests.get(schema.MANIFEST_FILE)
    # The tag is written before the file: a command that was killed between them leaves another digest.
    if summary_run.status == "FINISHED" and digest not in (None, hashlib.sha256(content).hexdigest()):
        raise SwathError(f"{schema.MANIFEST_FILE} is not the file that was stored: its digest differs")
    return read_manifest(content, partial(tracking.read_bytes, summary_run))


def _manifest_or_none(summary_run: tracking.StoredRun) -> Manifest | None:
    try:
        return _manifest(summary_run)
    except SwathError:
        return None
