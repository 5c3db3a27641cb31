"""Runs trained again, and a line on each."""

import argparse
import shlex
import sys
import uuid
from typing import Never

from tqdm import tqdm

from swath.analysis import Verdict, not_reproducible, verdict_on
from swath.cli.recipe import note_relocation, selected_config, selected_runs
from swath.config import fingerprint
from swath.errors import ConfigError
from swath.execution import Event, RunResult, StepsDone, SweepInfo
from swath.sweeps import CannotReproduceError, Original, Repeater, original_of
from swath.system import hide_passwords
from swath.tracking import (
    InMemoryTracker,
    MlflowTracker,
    Reader,
    StoreAddress,
    TeeTracker,
    Tracker,
    default_uri,
    experiment_name,
    open_reader,
    schema,
)


def verdicts(words: argparse.Namespace) -> int:
    """Train the runs that a command names again, and print a verdict on each; returns the exit status.

    Raises:
      SwathError: the store cannot be read, or none of the runs could be looked for.
    """
    reader = open_reader(words.uri)
    config = selected_config(words)
    lines: list[tuple[str, Verdict | Original]] = []
    for typed, run in selected_runs(reader, words):
        if isinstance(run, Verdict):
            lines.append((typed, run))
            continue
        try:
            lines.append((run.run_id, original_of(reader, run, config)))
        except CannotReproduceError as error:
            lines.append((run.run_id, not_reproducible(str(error))))
    note_relocation(reader)
    found = _trained(words, reader, lines)
    for name, entry in found:
        print(f"{name}  {hide_passwords(entry.text)}")
    return max((entry.exit_status for _, entry in found), default=0)


def _trained(
    words: argparse.Namespace, reader: Reader, lines: list[tuple[str, Verdict | Original]]
) -> list[tuple[str, Verdict]]:
    originals = [entry for _, entry in lines if isinstance(entry, Original)]
    tracker = _tracker(words, originals) if words.record and originals else None
    recorder: Tracker = InMemoryTracker()
    if tracker is not None:
        repeats: dict[tuple[str, str], list[str]] = {}
        for original in originals:
            identity = fingerprint(original.config), original.run.tags[schema.DATA_DIGEST]
            repeats.setdefault(identity, []).append(original.run.run_id)
        recorder = TeeTracker(tracker, repeats)
    command = hide_passwords(shlex.join(["swath-reproduce", *sys.argv[1:]]))
    sweep_info = SweepInfo("reproduction", uuid.uuid4().hex[:12], (), command)
    steps = sum(original.config.max_steps for original in originals)
    try:
        with tqdm(total=steps, unit=" steps", desc="training again", leave=False, disable=None) as bar:
            found = _verdicts(
                Repeater(sweep_info, recorder, _Counting(bar), words.data_dir), lines, words.rtol
            )
        if tracker is not None:
            _record(tracker, found)
    finally:
        if tracker is not None:
            tracker.close()
    return [(name, said) for name, said, _ in found]


class _Counting:
    """Moves a bar by the steps that are trained."""

    def __init__(self, bar: "tqdm[Never]") -> None:
        self._bar = bar

    def __call__(self, event: Event) -> None:
        if isinstance(event, StepsDone):
            self._bar.update(len(event.accuracies))


def _verdicts(
    repeater: Repeater, lines: list[tuple[str, Verdict | Original]], rtol: float | None
) -> list[tuple[str, Verdict, RunResult | None]]:
    checked: list[tuple[str, Verdict | Original]] = []
    for name, entry in lines:
        if isinstance(entry, Original):
            try:
                repeater.check_data(entry)
            except CannotReproduceError as error:
                checked.append((name, not_reproducible(str(error))))
                continue
        checked.append((name, entry))
    todo = [entry for _, entry in checked if isinstance(entry, Original)]
    try:
        repeated = iter(repeater.repeat(todo) if todo else ())
    finally:
        repeater.stop()
    found: list[tuple[str, Verdict, RunResult | None]] = []
    for name, entry in checked:
        if isinstance(entry, Verdict):
            found.append((name, entry, None))
            continue
        result, numbers = next(repeated)
        if numbers is None:
            found.append((name, not_reproducible(f"it could not be trained again: {result.error}"), None))
            continue
        bits = entry.run.tags.get(schema.BITS, "")
        found.append((name, verdict_on(entry.numbers, numbers, bits, result.digest, rtol), result))
    return found


def _tracker(words: argparse.Namespace, originals: list[Original]) -> MlflowTracker:
    """A tracker for the experiment of the originals."""
    experiments = {original.run.experiment_id for original in originals}
    if len(experiments) > 1:
        raise ConfigError(["--record: expected runs of one experiment; record them one by one"])
    uri = words.uri or default_uri()
    name = experiment_name(uri, experiments.pop())
    tracker = MlflowTracker()
    tracker.open(StoreAddress(uri, name, None)).result()
    return tracker


def _record(tracker: MlflowTracker, found: list[tuple[str, Verdict, RunResult | None]]) -> None:
    """Put each verdict on the original and on its repetition.

    Raises:
      SwathError: one of them could not be stored.
    """
    for name, said, result in found:
        if result is None:
            continue
        run_id, _ = result.logger.flush()
        for tagged in (name, run_id):
            tracker.set_tag(tagged, schema.REPRODUCED, said.text).result()
        print(f"{name}: recorded as run {run_id}", file=sys.stderr)
