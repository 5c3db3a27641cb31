"""What `swath-reproduce` prints: how to reproduce runs, or a verdict on each after training it again."""

import argparse
import importlib.metadata
import re
import shlex
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Never

from tqdm import tqdm

from swath import tracking
from swath.analysis import Sweep, Verdict, find_sweep, not_reproducible, run_with, verdict_on
from swath.cli.reproduce_search import verdict_on_decisions
from swath.config import (
    TrainConfig,
    complete_overrides,
    fingerprint,
    read_stored_config,
    stored_config,
)
from swath.errors import ConfigError, SwathError
from swath.execution import Event, RunResult, StepsDone, SweepInfo
from swath.sweeps import CannotReproduceError, Original, Repeater, original_of
from swath.system import hide_passwords
from swath.tracking import schema

SelectedRuns = list[tuple[str, tracking.StoredRun | Verdict]]
"""Each argument, with its run or the reason why there is none."""


def selected_runs(reader: tracking.Reader, args: argparse.Namespace) -> SelectedRuns:
    """The runs that a command selects.

    Raises:
      SwathError: there is no such sweep.
    """
    if args.sweep:
        sweep = find_sweep(reader, args.sweep)
        runs = [_best_run(sweep)] if args.best else sweep.runs
        return [(run.run_id, run) for run in runs]
    found: SelectedRuns = []
    for typed in [args.against] if args.against else dict.fromkeys(args.runs):
        try:
            found.append((typed, run_with(reader, typed)))
        except SwathError as error:
            found.append((typed, not_reproducible(str(error))))
    return found


def _best_run(sweep: Sweep) -> tracking.StoredRun:
    """The run that the summary of a sweep names as the best.

    Raises:
      SwathError: it names none, or the run is missing.
    """
    best = "" if sweep.summary_run is None else sweep.summary_run.tags.get(schema.BEST_RUN_ID, "")
    found = next((run for run in sweep.runs if run.run_id == best), None)
    if found is None:
        what = f"its best run {best} is missing" if best else "it has no best run"
        raise SwathError(f"sweep {sweep.sweep_id}: {what}; leave out --best")
    return found


def note_relocation(reader: tracking.Reader) -> None:
    """Print from where the files of a copied store are read."""
    if reader.moved is not None:
        line = f"files are read from {reader.moved}, beside the database, not from the paths stored in it"
        print(line, file=sys.stderr)


def selected_config(args: argparse.Namespace) -> TrainConfig | None:
    """The config file given in a command; None to use the config of each run.

    Raises:
      ConfigError: the file is not a config.
    """
    if not args.against:
        return None
    path = Path(args.runs[0])
    return read_stored_config(path.read_text(encoding="utf-8", errors="replace"), str(path))


NOT_REPRODUCIBLE = 2
"""Exit status."""


def show(args: argparse.Namespace) -> int:
    """Print how to reproduce the selected runs; returns the exit status.

    Raises:
      SwathError: the store cannot be read.
    """
    reader = tracking.open_reader(args.uri)
    config = selected_config(args)
    status = 0
    for typed, run in selected_runs(reader, args):
        if isinstance(run, Verdict):
            print(f"{typed}  {run.text}")
            status = NOT_REPRODUCIBLE
            continue
        try:
            original = original_of(reader, run, config)
            steps = list(_steps(run, original.config))
        except CannotReproduceError as error:
            print(f"{run.run_id}  cannot be reproduced: {error}")
            status = NOT_REPRODUCIBLE
            continue
        note_relocation(reader)
        print(f"# run {run.run_id}: {run.name}")
        for line in steps:
            print(line)
        print(stored_config(original.config), end="")
    return status


def _steps(run: tracking.StoredRun, config: TrainConfig) -> Iterator[str]:
    if commit := run.tags.get(schema.COMMIT):
        changed = "  # there were uncommitted changes" if run.tags.get(schema.DIRTY) == "true" else ""
        yield f"git checkout {commit}{changed}"
    try:
        installed = tracking.read_bytes(run, schema.ENVIRONMENT_FILE).decode()
        yield f"pip install {shlex.join(_dependencies(installed))}"
    except SwathError:
        yield "# cannot read its environment.txt"
    yield from _notes_on_trial(run)
    yield f"swath {shlex.join(complete_overrides(config))}"
    yield "# or, with its config file:"
    yield "swath --config-dir FOLDER --config-name config  # save the following as FOLDER/config.yaml"


def _notes_on_trial(run: tracking.StoredRun) -> Iterator[str]:
    """What the command means for a trial of a search: its length is that at which it ended."""
    if run.tags.get(schema.SEARCH_STAGE) != schema.TRIAL:
        return
    why = run.tags.get(schema.SEARCH_WHY, run.tags.get(schema.ERROR, "no reason was stored"))
    yield f"# trial {run.tags.get(schema.SEARCH_TRIAL)} of a search, {why}"
    if run.status == "FINISHED" and schema.TEST_ACCURACY not in run.metrics:
        yield "# the command also evaluates it on the test images, which the search did not: same weights,"
        yield "# another result digest"


def _dependencies(installed: str) -> list[str]:
    """The direct dependencies of swath, with their versions; environment.txt lists all packages."""
    required = {
        re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower()
        for requirement in importlib.metadata.requires("swath") or []
        if "extra ==" not in requirement
    }
    return [line for line in installed.split() if line.partition("==")[0] in required]


def verdicts(args: argparse.Namespace) -> int:
    """Train the selected runs again, and print a verdict on each; returns the exit status.

    Raises:
      SwathError: the store cannot be read.
    """
    reader = tracking.open_reader(args.uri)
    config = selected_config(args)
    decisions = _decisions(reader, args)
    if args.decisions:
        return decisions
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
    found = _trained(args, lines)
    for name, entry in found:
        print(f"{name}  {hide_passwords(entry.text)}")
    return max([decisions, *(entry.exit_status for _, entry in found)])


def _decisions(reader: tracking.Reader, args: argparse.Namespace) -> int:
    """Print the verdict on the decisions, if a search is selected; returns the exit status.

    Raises:
      ConfigError: decisions are asked for, and no search is selected.
    """
    sweep = find_sweep(reader, args.sweep) if args.sweep else None
    verdict = None if sweep is None else verdict_on_decisions(reader, sweep.sweep_id)
    if sweep is None or verdict is None:
        if args.decisions:
            raise ConfigError([f"--decisions: {args.sweep} is no search; leave out --decisions"])
        return 0
    note_relocation(reader)
    print(f"{sweep.sweep_id}  {hide_passwords(verdict.text)}", flush=True)
    return verdict.exit_status


def _trained(
    args: argparse.Namespace, lines: list[tuple[str, Verdict | Original]]
) -> list[tuple[str, Verdict]]:
    originals = [entry for _, entry in lines if isinstance(entry, Original)]
    tracker = _tracker(args, originals) if args.record and originals else None
    recorder: tracking.Tracker = tracking.InMemoryTracker()
    if tracker is not None:
        repeats: dict[tuple[str, str], list[str]] = {}
        for original in originals:
            identity = fingerprint(original.config), original.run.tags[schema.DATA_DIGEST]
            repeats.setdefault(identity, []).append(original.run.run_id)
        recorder = tracking.TeeTracker(tracker, repeats)
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


def verdict_of(
    reader: tracking.Reader, run: tracking.StoredRun, rtol: float | None, data_dir: Path | None = None
) -> Verdict:
    """Train one run again, with a progress bar, and compare the results.

    Args:
      reader: reader of the run's store.
      run: the run.
      rtol: relative tolerance; None to require bit-identical results.
      data_dir: place of the images; None for the default places.
    """
    try:
        original = original_of(reader, run, None)
    except CannotReproduceError as error:
        return not_reproducible(str(error))
    sweep_info = SweepInfo("reproduction", uuid.uuid4().hex[:12], ())
    with tqdm(total=original.config.max_steps, unit=" steps", desc="training again", leave=False) as bar:
        repeater = Repeater(sweep_info, tracking.InMemoryTracker(), _StepCounter(bar), data_dir)
        ((_, verdict, _),) = _verdicts(repeater, [(run.run_id, original)], rtol)
    return verdict


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
        stored_digest = entry.run.tags.get(schema.BITS, "")
        verdict = verdict_on(entry.numbers, numbers, stored_digest, result.digest, rtol)
        found.append((name, replace(verdict, text=verdict.text + _test_accuracy(entry, result)), result))
    return found


def _test_accuracy(original: Original, result: RunResult) -> str:
    """What a search has not evaluated, as the end of a verdict; else empty."""
    accuracy = result.metrics.get(schema.TEST_ACCURACY)
    if accuracy is None or schema.TEST_ACCURACY in original.run.metrics:
        return ""
    return f"; test accuracy {accuracy:.4f}, which the search did not evaluate"


def _tracker(args: argparse.Namespace, originals: list[Original]) -> tracking.MlflowTracker:
    """A tracker for the experiment of the originals."""
    experiments = {original.run.experiment_id for original in originals}
    if len(experiments) > 1:
        raise ConfigError(["--record: expected runs of one experiment; run the command once per experiment"])
    uri = args.uri or tracking.default_uri()
    name = tracking.experiment_name(uri, experiments.pop())
    tracker = tracking.MlflowTracker()
    tracker.open(tracking.StoreAddress(uri, name, None)).result()
    return tracker


def _record(tracker: tracking.MlflowTracker, found: list[tuple[str, Verdict, RunResult | None]]) -> None:
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
