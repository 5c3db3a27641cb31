"""Hands a checked sweep to an engine, and watches it."""

import os
from collections.abc import Iterator, Mapping, Sequence

from swath.cli.arguments import Arguments
from swath.cli.given import restore_given
from swath.cli.output import print_note
from swath.cli.tables import counted
from swath.cli.validation import CheckedCommand
from swath.cli.watch import watch
from swath.config import computed_values, hydra_ready, parse_overrides
from swath.datasets import DataKey, Dataset, load_intact, spec_of
from swath.errors import ConfigError
from swath.execution import Note, RunRequest, SweepInfo
from swath.planning import check_memory
from swath.searching import LoadedDatasets, next_stage
from swath.sweeps import Launch, check_engine, engine_notes, ignored_settings
from swath.system import hide_password, hide_passwords, real_uri
from swath.tracking import (
    TRACKING_VARIABLE,
    MlflowTracker,
    StoreAddress,
    Tracker,
    check_located,
    check_reachable,
    chosen_experiment,
    database_file,
    default_uri,
    sqlite_uri,
)

LOCAL = ("threads", "processes")
"""Executors that train on this machine."""


def launch_mistakes(checked: CheckedCommand) -> Iterator[str]:
    """Why a command cannot be handed to an engine, one line each."""
    name = checked.sweep.executor.name
    if not checked.multirun:
        yield f"executor={name}: expected a sweep; a single run is trained with executor=threads"
    if checked.sweeper is not None:
        yield (
            f"executor={name}: expected a grid or a search of swath; "
            f"what hydra/sweeper={checked.sweeper.name} chooses is trained with executor=threads"
        )
    for limit in ("within_s", "patience"):
        if checked.search is not None and getattr(checked.search, limit) is not None:
            yield (
                f"executor={name}: search.{limit} is known with executor=threads only; "
                "search.trials or search.within_steps limit a search of workers"
            )
    if checked.sweep.on_failure == "stop":
        yield f"executor={name}: expected on_failure=continue; workers do not stop each other"
    if checked.sweep.lanes.verify:
        yield f"executor={name}: expected lanes.verify=0; verify later with swath-reproduce"
    if repeated := len(checked.configs) - len(set(checked.configs)):
        yield f"executor={name}: expected each configuration once; {repeated} are given again"
    yield from ignored_settings(checked.sweep)
    uri = real_uri(checked.sweep.tracking.uri, os.environ.get(TRACKING_VARIABLE)) or default_uri()
    if name not in LOCAL and database_file(uri) is not None:
        yield (
            f"executor={name}: the store {hide_passwords(uri)} is a file, "
            "which several machines cannot write safely; name a server or a database: tracking.uri=postgresql://USER@HOST/NAME"
        )


def launch_command(
    args: Arguments, checked: CheckedCommand, sweep_info: SweepInfo, tracker: Tracker | None = None
) -> int:
    """Start the workers of a sweep, and watch them if the settings say so; returns the exit status.

    Args:
      args: the arguments of the command.
      checked: the checked command, a grid or a search.
      sweep_info: metadata of the sweep.
      tracker: records the sweep; None for MLflow.

    Raises:
      SwathError: a data set, the store or the engine cannot be used.
    """
    if mistakes := list(launch_mistakes(checked)):
        raise ConfigError(mistakes)
    settings = checked.sweep
    uri = real_uri(settings.tracking.uri, os.environ.get(TRACKING_VARIABLE)) or default_uri()
    file = database_file(uri)
    uri = uri if file is None else sqlite_uri(file)  # a worker may have another working folder
    name, identity = chosen_experiment(settings.tracking.experiment)
    check_located(uri, [name])
    check_reachable(uri)
    check_engine(settings)
    for line in engine_notes(settings):
        print_note(line)
    datasets = _datasets(checked)
    tracker = tracker or MlflowTracker()
    try:
        opened = tracker.open(StoreAddress(uri, name, settings.tracking.artifact_location, identity)).result()
        for line in opened.notes:
            print_note(line)
        record = None if checked.search is None else checked.search.record
        launch = Launch(
            tracker, opened, sweep_info, checked.configs, datasets, settings, _note, record, args.user_folders
        )
        if checked.search is None:
            run_id = launch.hand_over(list(_requests(args, checked)))
        else:
            stage = next_stage(launch.started, checked.search, settings.tracking.kept, print_note)
            run_id = launch.hand_over_all(stage.requests, stage.results)
        sweep_id = launch.started.sweep_info.sweep_id
        if not launch.count:
            return _nothing_to_do(args, checked, launch)
        os.environ[TRACKING_VARIABLE] = uri  # travels with the environment: it may hold a password
        restore_given()
        ids = launch.start(hide_password(uri, uri), run_id)
    finally:
        tracker.close()
    executor = settings.executor
    what = "configuration" if checked.search is None else "first trial"
    args.output.say(
        f"Sweep {sweep_info.sweep} {sweep_id}: {counted(len(checked.configs), what)} in "
        f"{counted(launch.count, 'lot')}, at most {counted(executor.workers, 'worker')} at a time "
        f"({executor.name} {ids})."
    )
    args.output.say(
        f"Closing this window stops nothing. Watch: swath-watch {sweep_id}; stop: swath-stop {sweep_id}"
    )
    if not executor.wait:
        return 0
    try:
        status = watch(uri, sweep_id, as_json=args.output.as_json, answered=True)
    except KeyboardInterrupt:
        args.output.say(f"The workers go on. Watch: swath-watch {sweep_id}; stop: swath-stop {sweep_id}")
        raise
    args.output.say(f"More: swath-compare {sweep_id}")
    return status


def _nothing_to_do(args: Arguments, checked: CheckedCommand, launch: Launch) -> int:
    """Say why no lot is left; returns the exit status."""
    plan = launch.started.resume_plan
    if not launch.leaves_nothing and plan is not None:
        args.output.say(f"Nothing to do. {plan.summary()}")
        return 1
    what = f"all {len(checked.configs)} runs have" if checked.search is None else "the search has"
    args.output.say(f"Nothing to do: {what} finished before.")
    return 0


def _note(event: object) -> None:
    if isinstance(event, Note):
        print_note(event.text)


def _datasets(checked: CheckedCommand) -> Mapping[DataKey, Dataset]:
    keys = sorted({config.data.key for config in checked.configs}, key=str)
    specs = {key: spec_of(key, checked.sweep.data.dir) for key in keys}
    for spec in specs.values():
        spec.check_available(checked.sweep.data.dir)
    check_memory(specs, checked.configs)
    loaded = {key: load_intact(key, checked.sweep.data.dir) for key in keys}
    return LoadedDatasets(loaded, checked.sweep.data.dir)


def _requests(args: Arguments, checked: CheckedCommand) -> Iterator[RunRequest]:
    """A request for each configuration, with the overrides that a command for it alone would have."""
    with hydra_ready():
        typed = [each for each in parse_overrides(list(args.overrides)) if not each.is_hydra_override()]
    for config in checked.configs:
        values = computed_values(config)
        yield RunRequest(config, tuple(_lines(typed, values, checked.swept)), checked.sweep.tracking.kept)


def _lines(typed: Sequence[object], values: Mapping[str, object], swept: Sequence[str]) -> Iterator[str]:
    fixed = [hide_passwords(str(each.input_line)) for each in typed if not each.is_sweep_override()]  # type: ignore[attr-defined]
    yield from (line for line in fixed if line.partition("=")[0] not in swept)
    yield from (f"{name}={values[name]}" for name in swept if name in values)
