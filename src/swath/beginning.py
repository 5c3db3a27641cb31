"""How a command begins in the store: with what earlier ones have left, and with a run for the whole sweep."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from swath.config.fingerprint import fingerprint
from swath.config.schema import DataConfig, RunConfig
from swath.data import Dataset
from swath.events import Note, Observer
from swath.launch import Launch
from swath.resuming.records import FoundSweep
from swath.sweep_record import sweep_start
from swath.taking_up import OneAtATime, TakingUp, new_manifest, present_facts
from swath.tracking.records import StoreInfo
from swath.tracking.tracker import Tracker


@dataclass(frozen=True)
class Begun:
    """A command that has begun in the store.

    Attributes:
      launch: with the id of the sweep that is taken up, if there is one.
      taking_up: what is left to do of each configuration; None where nothing is taken up.
      sweep_run: id of the sweep's own run; None for a single run.
      lock: held as long as this lives, so that nobody else takes up the same.
    """

    launch: Launch
    taking_up: TakingUp | None
    sweep_run: Future[str] | None
    lock: OneAtATime | None


def begin(
    tracker: Tracker,
    store: StoreInfo,
    launch: Launch,
    configs: Sequence[RunConfig],
    datasets: Mapping[DataConfig, Dataset],
    observer: Observer,
) -> Begun:
    """Find what earlier commands have left, where that is asked for, and begin the sweep's own run.

    Args:
      tracker: with an opened store.
      store: the store.
      launch: of the command.
      configs: at least one; those that will be run, as far as they are known.
      datasets: of all of them.
      observer: told what has drifted, and which runs were closed.

    Raises:
      SwathError: the sweep is being trained, or must not be taken up.
    """
    mode = configs[0].resumes
    facts = present_facts(datasets) if launch.is_grid or mode != "no" else {}
    taking_up = lock = found = None
    if mode != "no":
        delivered, faults, _ = tracker.call("deliver").result()
        if delivered:
            observer(Note(f"delivered to the server from the spool: {delivered} runs"))
        for line in faults:
            observer(Note(f"the server does not take what lies in the spool {line}"))
        which = launch.sweep if launch.is_grid else fingerprint(configs[0])
        lock = OneAtATime(f"{store.uri} {store.experiment_id} {which}")
        taking_up = TakingUp(tracker, mode, datasets)
        launch = taking_up.find(launch, configs, facts)
        found = taking_up.found
    for line in found.drifted if found is not None else ():
        observer(Note(f"since it was begun, changed: {line}"))
    for run_id in tracker.call("close_stale").result():
        observer(Note(f"closed as KILLED, its process has died: run {run_id}"))
    sweep_run = _begin_sweep(tracker, launch, configs, datasets, facts, found) if launch.is_grid else None
    return Begun(launch, taking_up, sweep_run, lock)


def _begin_sweep(
    tracker: Tracker,
    launch: Launch,
    configs: Sequence[RunConfig],
    datasets: Mapping[DataConfig, Dataset],
    facts: dict[str, str],
    found: FoundSweep | None,
) -> Future[str]:
    manifest = new_manifest(launch, configs, datasets, facts)
    manifest = manifest.taking_up(None if found is None else found.manifest)
    start = sweep_start(launch, configs, manifest)
    return tracker.begin_sweep(start, None if found is None else found.run_id)
