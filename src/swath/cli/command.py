"""Runs a checked command through Hydra, and prints its results."""

import contextlib
import os
import shlex
import sys
import time
import uuid
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from functools import partial

from swath.cli.arguments import Arguments
from swath.cli.dry_run import estimated_s
from swath.cli.hydra_folders import folders_note
from swath.cli.output import Output, console_of, is_animated
from swath.cli.postprocess_time import postprocess_when
from swath.cli.progress import Progress
from swath.cli.result_json import result_text
from swath.cli.screens import (
    BarReporter,
    PlainReporter,
    ProgressReporter,
    QuietReporter,
    SingleRunReporter,
    spinner_of,
)
from swath.cli.search_task import SearchTask, print_search
from swath.cli.summary import (
    SweepReport,
    print_answer,
    print_single,
    print_sweep,
    print_verification,
    resume_command,
    sweep_report,
)
from swath.cli.task import sweep_task
from swath.cli.validation import CheckedCommand
from swath.cli.with_hydra import run_with_hydra
from swath.errors import INTERRUPTED, ConfigError, SwathError, failure_reason
from swath.execution import AD_HOC, SINGLE, SweepInfo
from swath.sweeps import Outcome, Session, failure_of, ignored_settings, postprocessing_of, train
from swath.system import hide_passwords
from swath.tracking import Tracker


def run_command(
    args: Arguments,
    checked: CheckedCommand,
    password_overrides: tuple[str, ...],
    question: str = "",
    tracker: Tracker | None = None,
) -> int:
    """Train and track the runs of a command, and print the results; returns the exit status.

    Args:
      args: the arguments of the command.
      checked: the checked command.
      password_overrides: overrides that keep a password out of Hydra's files.
      question: the question that the named sweep answers; empty if there is none.
      tracker: records the runs; None for MLflow.

    Raises:
      SwathError: a data set or the store cannot be used.
    """
    postprocess_when(checked)
    sweep_name = args.config_name if checked.config_name != "config" else AD_HOC
    sweep_info = SweepInfo(
        sweep_name if checked.multirun else SINGLE,
        uuid.uuid4().hex[:12],
        checked.swept,
        command=hide_passwords(shlex.join(["swath", *sys.argv[1:]])),
        question=question,
        start_ms=time.time_ns() // 1_000_000,
        tags=args.tags,
        description=args.description,
        run_name=os.environ.get("MLFLOW_RUN_NAME", ""),
    )
    if checked.sweeper is not None:
        other = checked.sweeper
        sweep_info = replace(
            sweep_info, space=other.space, space_lines=other.lines, most=other.most, sweeper=other.name
        )
    if checked.sweep.executor.name != "threads":
        from swath.cli.launch import launch_command

        return launch_command(args, checked, sweep_info, tracker)
    if mistakes := list(ignored_settings(checked.sweep)):
        raise ConfigError(mistakes)
    if repeated := len(checked.configs) - len(set(checked.configs)):
        of = f"{repeated} of {len(checked.configs)} configurations"
        args.output.say(f"Given before: {of}; they are trained each time")
    is_grid = checked.multirun and checked.search is None and checked.jobs_known
    if is_grid and (note := folders_note(checked.base.hydra, len(checked.configs))):
        args.output.say(note)
    with ExitStack() as opened:
        with _reporter(checked, sweep_info, args.output) as reporter:
            record = None if checked.search is None else checked.search.record
            session = opened.enter_context(
                Session(sweep_info, checked.configs, checked.sweep, reporter, tracker, search=record)
            )
            if checked.search is not None:
                searched = SearchTask(session, checked.search)
                outcome = train(session, searched, checked.sweep.lanes.verify)
                outcome.is_search = True
                outcome.is_cut_off = searched.outcome is not None and searched.outcome.is_cut_off
            else:
                task = sweep_task(session, checked)
                run_all = partial(run_with_hydra, args, password_overrides, task, checked.base)
                outcome = train(session, run_all, checked.sweep.lanes.verify)
        report = _print_outcome(outcome, session, checked, args.output)
        try:
            unmade = _run_postprocessing(session, checked, outcome, args.output)
        except KeyboardInterrupt as interrupt:
            outcome.signal_status = getattr(interrupt, "exit_status", INTERRUPTED)
            make = f"swath-compare {session.sweep_info.sweep_id} --postprocess"
            args.output.say(f"Interrupted: not all plots and models are there; make them with: {make}")
            unmade = None
    failure = unmade or failure_of(outcome, session)
    _print_end(report, outcome, failure, checked, args.output)
    if checked.search is not None and searched.outcome is not None and not args.output.as_json:
        print_search(searched.outcome, checked.search, args.output)
    if failure is not None:
        raise failure
    return outcome.exit_status


def _print_outcome(
    outcome: Outcome, session: Session, checked: CheckedCommand, output: Output
) -> SweepReport:
    """Print results, what was resumed, how to resume, and what was verified."""
    requested = max(session.asked_for, len(checked.configs))
    wall_s = time.perf_counter() - session.began
    report = sweep_report(
        session.sweep_info,
        session.store,
        outcome.results,
        requested,
        wall_s,
        session.started.summary_run,
        session.ranker,
    )
    if checked.multirun and outcome.results:
        print_sweep(report, output)
    if session.started.resume_plan is not None:
        output.say(session.started.resume_plan.summary())
    transient = any(result.is_transient for result in outcome.results)
    if (outcome.signal_status or transient or outcome.is_cut_off) and outcome.failure is None:
        output.say(f"Resume with: {resume_command(session.sweep_info.command)}")
    if outcome.verified:
        print_verification(outcome.verified, session.sweep_info, output)
    return report


def _print_end(
    report: SweepReport,
    outcome: Outcome,
    failure: Exception | None,
    checked: CheckedCommand,
    output: Output,
) -> None:
    """Print what a command is for: its answer, or its result as JSON."""
    if output.as_json:
        failed = getattr(failure, "exit_status", 1) if failure is not None else 0
        exit_status = failed or outcome.exit_status
        status = "KILLED" if outcome.signal_status else "FAILED" if exit_status else "FINISHED"
        error = None if failure is None else hide_passwords(failure_reason(failure))
        sys.stdout.write(result_text(report, status, exit_status, error))
        sys.stdout.flush()
    if not report.results:
        return
    if checked.multirun:
        print_answer(report, output)
    else:
        print_single(report.results[0], report.store, output)


def _run_postprocessing(
    session: Session, checked: CheckedCommand, outcome: Outcome, output: Output
) -> SwathError | None:
    """Draw plots and log models, now or in the background, if the configuration asks for it.

    Returns:
      An error if something could not be made.
    """
    task = postprocessing_of(outcome, session, postprocess_when(checked), checked.sweep.tracking.log_models)
    if task is None:
        return None
    if task.in_background:
        task.start()
        output.say(f"Creating {task.parts} in the background: they will appear in the store.")
        return None
    with _status(f"Creating {task.parts} ...", output):
        failure = task.run()
    if failure is None:
        output.say(f"Added to the store: {task.parts}.")
    return failure


def _status(text: str, output: Output) -> AbstractContextManager[object]:
    """A spinner on standard error while something takes seconds."""
    if output.quiet or not is_animated(sys.stderr):
        return contextlib.nullcontext()
    return console_of(sys.stderr).status(text, spinner=spinner_of(sys.stderr))


def _reporter(checked: CheckedCommand, sweep_info: SweepInfo, output: Output) -> ProgressReporter:
    if not checked.multirun:
        return SingleRunReporter(checked.sweep.print_every_steps, output)
    if output.quiet:
        return QuietReporter()
    # How much of the training is left is known once the sweep to resume has been read.
    expected_s = estimated_s(checked) if checked.jobs_known and checked.sweep.resume == "no" else None
    most = None if checked.sweeper is None else checked.sweeper.most
    count = len(checked.configs) if checked.jobs_known else most
    progress = Progress(count, checked.swept, expected_s, is_chosen=checked.sweeper is not None)
    if is_animated(sys.stderr):
        return BarReporter(sweep_info.sweep, progress, console_of(sys.stderr))
    return PlainReporter(progress)
