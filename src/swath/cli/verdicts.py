"""Trains runs again, and prints a verdict on each."""

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


def verdicts(args: argparse.Namespace) -> int:
    """Train the selected runs again, and print a verdict on each; returns the exit status.

    Raises:
      SwathError: the store cannot be read.
    """
    reader = open_reader(args.uri)
    config = selected_config(args)
    lines: list[tuple[str, Verdict | Original]] = []
    for typed, run in selected_runs(reader, args):
        if isinstance(run, Verdict):
            lines.append((typed, run))
            continue
        try:
            lines.append((run.run_id, original_of(reader, run, config)))
        except CannotReproduceError as error:
            lines.append((run.run_id, not_reproducible(str(error))))
    note_relocation(reader)
    found = _trained(args, reader, lines)
    for name, entry in found:
        print(f"{name}  {hide_passwords(entry.text)}")
    return max((entry.exit_status for _, entry in found), default=0)


def _trained(
    args: argparse.Namespace, reader: Reader, lines: list[tuple[str, Verdict | Original]]
) -> list[tuple[str, Verdict]]:
    originals = [entry for _, entry in lines if isinstance(entry, Original)]
    tracker = _tracker(args, originals) if args.record and originals else None
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
                Repeater(sweep_info, recorder, _StepCounter(bar), args.data_dir), lines, args.rtol
            )
        if tracker is not None:
            _record(tracker, found)
    finally:
        if tracker is not None:
            tracker.close()
    return [(name, verdict) for name, verdict, _ in found]


class _StepCounter:
    """Advances a progress bar by the trained steps."""

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
    originals = [entry for _, entry in checked if isinstance(entry, Original)]
    try:
        repeated = iter(repeater.repeat(originals) if originals else ())
    finally:
        repeater.stop()
    found: list[tuple[str, Verdict, RunResult | None]] = []
    for name, entry in checked:
        if isinstance(entry, Verdict):
            found.append((name, entry, None))
            continue
        result, numbers = next(repeated)
        if numbers is None:
            found.append((name, not_reproducible(f"training it again failed: {result.error}"), None))
            continue
        bits = entry.run.tags.get(schema.BITS, "")
        found.append((name, verdict_on(entry.numbers, numbers, bits, result.digest, rtol), result))
    return found


def _tracker(args: argparse.Namespace, originals: list[Original]) -> MlflowTracker:
    """A tracker for the experiment of the originals."""
    experiments = {original.run.experiment_id for original in originals}
    if len(experiments) > 1:
        raise ConfigError(["--record: expected runs of one experiment; run the command once per experiment"])
    uri = args.uri or default_uri()
    name = experiment_name(uri, experiments.pop())
    tracker = MlflowTracker()
    tracker.open(StoreAddress(uri, name, None)).result()
    return tracker


def _record(tracker: MlflowTracker, found: list[tuple[str, Verdict, RunResult | None]]) -> None:
    """Tag each original run and its repetition with the verdict.

    Raises:
      SwathError: a tag could not be stored.
    """
    for name, verdict, result in found:
        if result is None:
            continue
        run_id, _ = result.logger.flush()
        for tagged in (name, run_id):
            tracker.set_tag(tagged, schema.REPRODUCED, verdict.text).result()
        print(f"{name}: recorded as run {run_id}", file=sys.stderr)
