"""A command that has been checked, carried out by way of Hydra."""

import math
import os
import shlex
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import replace
from functools import partial
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import filter_overrides
from omegaconf import DictConfig
from rich.console import Console

from swath.analysis import objective
from swath.cli.entry import INTERRUPTED
from swath.cli.main import Arguments, question_of
from swath.cli.progress import Progress
from swath.cli.screens import BarReporter, PlainReporter, ProgressReporter, SingleRunReporter
from swath.cli.summary import print_check, print_line, print_single, print_sweep, resume_command
from swath.cli.validation import CheckedCommand, divided
from swath.config import POSTPROCESS, JobConfig, config_of
from swath.errors import ConfigError, SwathError
from swath.execution import SINGLE, Note, RunRequest, RunResult, SweepInfo
from swath.sweeps import Session, postprocess_sweep, start_postprocessing
from swath.system import hide_passwords, real_uri
from swath.tracking import TRACKING_VARIABLE, Tracker


def sweep_task(session: "Session", checked: CheckedCommand) -> Callable[[DictConfig], float]:
    """A task function for Hydra that the lanes launcher can start all jobs of.

    Either way a job returns what a sweeper would maximise: the accuracy that ranks it, nan for a run that
    failed. A failure is not raised: the other jobs continue, whatever sweeper chose them.
    """

    def request(job: JobConfig, overrides: Sequence[str]) -> RunRequest:
        uri = checked.sweep.tracking.uri  # Hydra knows it without the password
        sweep = replace(job.sweep, tracking=replace(job.sweep.tracking, uri=uri))
        if sweep != checked.sweep:
            raise ConfigError(list(divided([checked.sweep, sweep])))
        return RunRequest(job.train, tuple(filter_overrides(overrides)), sweep.tracking.every_steps)

    def task(config: DictConfig) -> float:
        (future,) = session.start([request(config_of(config), HydraConfig.get().overrides.task)])
        return _objective(future)

    def start_jobs(overrides: Sequence[Sequence[str]], compose: object) -> list[Callable[[], float]]:
        requests = [request(checked.composer.job(typed), typed) for typed in overrides]
        return [partial(_objective, future) for future in session.start(requests)]

    carrier: Any = task
    carrier.start_jobs = start_jobs
    carrier.compose_job = checked.composer.composed
    return task


def _objective(future: "Future[RunResult]") -> float:
    try:
        result = future.result()
    except CancelledError:  # never begun: another one failed, and on_failure=stop
        return math.nan
    return objective(result.metrics) if result.status == "FINISHED" else math.nan


INTERRUPTED_NOTE = "Interrupted: what is trained now ends after its segment; Ctrl-C again ends at once"


NO_TERMINAL_WIDTH = 200


POSTPROCESS_VARIABLE = "SWATH_POSTPROCESS"
"""Environment variable: when plots are drawn and models logged, unless the configuration sets it."""

_FORMER_VARIABLE = "SWATH_AFTERWARDS"


def run_command(
    words: Arguments,
    checked: CheckedCommand,
    password_overrides: tuple[str, ...],
    tracker: Tracker | None = None,
) -> int:
    """Train and track what a command asks for, and print what has come of it; returns the exit status.

    Args:
      words: the command.
      checked: what it asks for.
      password_overrides: overrides that keep a password out of Hydra's files.
      tracker: keeps the runs; None for a store of MLflow.

    Raises:
      SwathError: a data set or the store cannot be used.
    """
    _postprocess(checked)
    console = output_console()
    named = words.config_name if checked.config_name != "config" else "ad-hoc"
    sweep_info = SweepInfo(
        named if checked.multirun else SINGLE,
        uuid.uuid4().hex[:12],
        checked.swept,
        command=hide_passwords(shlex.join(["swath", *sys.argv[1:]])),
        question=question_of(named, words.user_folders) if checked.multirun else "",
    )
    compared: Sequence[tuple[RunResult, bool]] = ()
    status = 0
    failure: Exception | None = None
    abandoned = False
    with _screen(checked, sweep_info, console) as screen:
        session = Session(sweep_info, checked.configs, checked.sweep, screen, tracker)
        try:
            hand_to_hydra(words, password_overrides, sweep_task(session, checked))
            if count := checked.sweep.lanes.verify:
                session.tell(Note(f"training up to {count} configurations once more, alone", passing=True))
                compared = session.check(count)
        except KeyboardInterrupt as interrupt:
            status = getattr(interrupt, "exit_status", INTERRUPTED)
            session.tell(Note(INTERRUPTED_NOTE))
        except Exception as error:  # told after what was reached
            failure = error
        try:
            session.stop()
            session.tell(Note("storing what is left ...", passing=True))
            results = session.close(status != 0)
        except KeyboardInterrupt as interrupt:
            status = getattr(interrupt, "exit_status", INTERRUPTED)
            results = session.abandon()
            abandoned = True
    wall_s = time.perf_counter() - session.began
    results = [result for result in results if result.status == "FINISHED" or not result.reused]
    if checked.multirun and results:
        asked_for = max(session.asked_for, len(checked.configs))
        print_sweep(results, asked_for, session.sweep_info, session.store, console, wall_s)
    elif results:
        print_single(results[0], session.store, console)
    if session.started.resume_plan is not None:
        print_line(console, session.started.resume_plan.summary())
    if status and failure is None:
        print_line(console, f"Go on where it stopped: {resume_command(sweep_info.command)}")
    if compared:
        print_check(compared, session.sweep_info, console)
    if (
        not abandoned
        and session.offline_folder is None
        and any(result.status == "FINISHED" for result in results)
    ):
        _follow_up(session, checked, console)
    if failure is not None:
        raise failure
    if session.offline_folder is not None:
        raise SwathError(
            f"the server {session.store.uri} has gone away; nothing that has finished is lost: it lies in "
            f"{session.offline_folder}, and the same command with resume=true delivers it"
        )
    if session.sweep_error is not None:
        raise SwathError(f"the sweep's own run could not be stored: {session.sweep_error}")
    failed = any(result.status != "FINISHED" for result in results)
    return status or int(failed or not all(same for _, same in compared))


def _follow_up(session: Session, checked: CheckedCommand, console: Console) -> None:
    """Have pictures drawn and models made, as the configuration asks."""
    log_models = checked.sweep.tracking.log_models
    when = _postprocess(checked)
    parts = (["pictures"] if checked.multirun else []) + ([] if log_models == "none" else ["model"])
    if when == "off" or not parts or not session.store.uri:
        return
    uri = real_uri(session.store.uri, os.environ.get(TRACKING_VARIABLE)) or session.store.uri
    if when == "background":
        start_postprocessing(uri, session.sweep_info.sweep_id, log_models)
        print_line(console, f"Being made in the background, and added to the store: {' and '.join(parts)}.")
        return
    with console.status(f"Making {' and '.join(parts)} ..."):
        fault = postprocess_sweep(uri, session.sweep_info.sweep_id, log_models)
    if fault is not None:
        raise SwathError(f"not all of {' and '.join(parts)} could be made: {fault}")
    print_line(console, f"Added to the store: {' and '.join(parts)}.")


def _postprocess(checked: CheckedCommand) -> str:
    """When plots are drawn and models logged.

    Raises:
      ConfigError: an environment variable has an unknown name or value.
    """
    if _FORMER_VARIABLE in os.environ:
        raise ConfigError([f"${_FORMER_VARIABLE} is now ${POSTPROCESS_VARIABLE}"])
    when = checked.sweep.tracking.postprocess or os.environ.get(POSTPROCESS_VARIABLE) or "background"
    if when not in POSTPROCESS:
        raise ConfigError([f"{POSTPROCESS_VARIABLE}={when}: expected one of {', '.join(POSTPROCESS)}"])
    return when


def output_console() -> Console:
    """Standard output; a pipe or a log file has no width of its own, and nothing in it should be cut off."""
    return Console() if sys.stdout.isatty() else Console(width=NO_TERMINAL_WIDTH)


def _screen(checked: CheckedCommand, sweep_info: SweepInfo, console: Console) -> ProgressReporter:
    if not checked.multirun:
        return SingleRunReporter(checked.sweep.print_every_steps)
    progress = Progress(len(checked.configs) if checked.jobs_known else None, checked.swept)
    if console.is_terminal and not console.is_dumb_terminal:
        return BarReporter(sweep_info.sweep, progress, console)
    return PlainReporter(progress)


def hand_to_hydra(words: Arguments, more_overrides: tuple[str, ...], task: Any) -> int:
    """Let Hydra carry out the command, calling `task` for each job; returns 0."""
    import hydra

    sys.argv[1:] = words.for_hydra(more_overrides)
    hydra.main(version_base="1.3", config_path=None, config_name="config")(task)()
    return 0


def run_nothing(config: Any) -> None:
    """The task of a command that only shows something."""
    raise AssertionError("this command only shows something")
