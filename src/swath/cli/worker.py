"""Command line of `swath-worker`: trains one lot of a sweep. Engines start it; it may be started by hand."""

import argparse
import os
import signal
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import shtab

from swath import __version__
from swath.cli.one_line_parser import OneLineParser
from swath.errors import SwathError, UsageError, failure_reason
from swath.tracking import configure_environment

if TYPE_CHECKING:
    from swath.config import SweepConfig
    from swath.sweeps import Joined, Outcome, Session

PUT_DOWN = os.EX_TEMPFAIL
"""Exit status 75: the lot was put down, and is to be begun again."""

RESUME = "once that is mended, type the command of the sweep again with resume=yes"
"""What to type after an error that does not pass."""

EXAMPLES = """\
examples
  swath-worker postgresql://swath@db/swath 4f2a91c07b3e 0     train lot 0 of a sweep

STORE may be `-` for $MLFLOW_TRACKING_URI. Whoever begins a lot last has it: what an earlier worker still
writes is refused.

exit status: 0 the lot is done, 75 it was put down and is to be begun again, 1 it failed, 2 the command is
invalid
"""


def parser() -> argparse.ArgumentParser:
    """The parser of the arguments of `swath-worker`."""
    found = OneLineParser(
        "swath-worker",
        description="Train one lot of a sweep that `swath ... executor=processes|slurm|ray` has planned.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    found.add_argument("store", metavar="STORE", help="address of the MLflow store")
    found.add_argument("sweep", metavar="SWEEP_ID", help="id of the sweep")
    found.add_argument("lot", metavar="LOT", type=_number, help="number of the lot")
    found.add_argument(
        "--first",
        metavar="LOT",
        type=_number,
        default=0,
        help="count LOT from this one (default 0): lots that a search got later",
    )
    shtab.add_argument_to(found, "--print-completion", help="print a script for completion in a shell")
    found.add_argument("--version", action="version", version=f"swath-worker {__version__}")
    return found


def _number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text}: expected the number of a lot, 0 or more")
    return int(text)


def run(arguments: list[str]) -> int:
    """Train a lot; returns the exit status.

    Raises:
      SwathError: an error to report to the user.
    """
    args = parser().parse_args(arguments)
    configure_environment()
    from swath.system import real_uri
    from swath.tracking import TRACKING_VARIABLE, default_uri

    given = os.environ.get(TRACKING_VARIABLE)
    uri = default_uri() if args.store == "-" else real_uri(args.store, given) or args.store
    try:
        return train_lot(uri, args.sweep, args.first + args.lot)
    except UsageError:
        raise
    except KeyboardInterrupt:
        return PUT_DOWN
    except Exception as error:
        from swath.tracking import may_pass

        if not may_pass(error):
            raise
        return _put_down(args.first + args.lot, failure_reason(error))


def _put_down(number: int, reason: str) -> int:
    """Say why a lot is to be begun again; returns the exit status."""
    print(f"swath-worker: lot {number} is put down: {reason}", flush=True)
    return PUT_DOWN


def train_lot(uri: str, sweep_id: str, number: int) -> int:
    """Train a lot of a sweep; returns the exit status.

    Args:
      uri: address of the store, with its password.
      sweep_id: id of the sweep.
      number: of the lot.

    Raises:
      SwathError: the sweep has ended, has no such lot, or another worker has begun it.
    """
    from concurrent.futures import wait
    from dataclasses import replace

    from swath.cli.progress import Progress
    from swath.cli.screens import PlainReporter
    from swath.searching import go_on
    from swath.sweeps import Joined, Session, find_launched, train, worker_name
    from swath.system import hide_password
    from swath.tracking import experiment_name, schema

    sweep = find_launched(uri, sweep_id)
    lot = sweep.lot(number)
    if lot.state == "done" and (sweep.has_ended or not sweep.is_ended_by(number)):  # else it has died before
        print(f"swath-worker: lot {number} of sweep {sweep_id} is done", flush=True)
        return 0
    if sweep.has_ended or sweep.is_stopping:
        raise UsageError(
            f"sweep {sweep_id} {'has ended' if sweep.has_ended else 'is being stopped'} "
            f"({sweep.summary.status}); to train what is left, type its command again with resume=yes"
        )
    file = sweep.file(number)
    tracking = replace(
        file.settings.tracking, uri=uri, experiment=experiment_name(uri, sweep.summary.experiment_id)
    )
    settings = replace(file.settings, tracking=tracking, resume="no", dry_run=False)
    go_on_with = None if file.search is None else go_on
    worker = worker_name(socket.gethostname())
    joined = Joined(lot, sweep.summary.run_id, file, worker, hide_password(uri, uri), go_on_with)
    if lot.state == "done" and file.search is not None:
        return _go_on(joined, uri, settings)
    configs = tuple(request.config for request in file.requests)
    _put_down_before_the_limit()
    progress = Progress(len(configs), file.sweep_info.swept, None)
    with (
        PlainReporter(progress) as reporter,
        Session(file.sweep_info, configs, settings, reporter, joined=joined) as session,
    ):

        def run_all() -> None:
            arithmetic = {schema.LOTS_ARITHMETIC: joined.digest}
            requests = [replace(each, tags={**each.tags, **arithmetic}) for each in file.requests]
            of_trials = [each for each in requests if each.trial is not None]
            plan = session.started.resume_plan
            assert plan is not None
            futures = session.start_trials(joined.left_of(plan, of_trials)) if of_trials else []
            for future in futures:
                session.expect(future)
            futures += session.start([each for each in requests if each.trial is None])
            wait(futures)

        outcome = train(session, run_all, 0)
        status = exit_status(number, session, outcome)
        if session.is_last:
            _postprocess(settings, session.postprocess)
    return status


def exit_status(number: int, session: "Session", outcome: "Outcome") -> int:
    """How a worker ends that has trained a lot.

    Args:
      number: of the lot.
      session: the closed session.
      outcome: what was trained.

    Raises:
      Exception: something has failed that would fail again.
    """
    if outcome.failure is not None:
        raise outcome.failure
    if session.superseded:
        print(f"swath-worker: {session.superseded}", flush=True)
        return 0  # its successor has the lot
    if outcome.signal_status:
        return PUT_DOWN
    if session.sweep_error is not None:
        if not session.passes:
            raise SwathError(session.sweep_error)
        return _put_down(number, session.sweep_error)
    if lost := [result for result in outcome.results if result.is_transient]:
        passing = next((result for result in lost if result.passes), None)
        if passing is None:  # to begin again would end in the same way
            raise SwathError(f"lot {number} has failed: {lost[0].error}; {RESUME}")
        return _put_down(number, passing.error or "")
    return int(any(result.status == "FAILED" and not result.digest for result in outcome.results))


def _go_on(joined: "Joined", uri: str, settings: "SweepConfig") -> int:
    """Go on with a search where a worker has died between two stages; returns the exit status."""
    from swath.sweeps import PostprocessingService, drop_checkpoints
    from swath.tracking import LotService, MlflowTracker, StoreAddress, chosen_experiment, is_superseded

    assert joined.go_on is not None
    name, identity = chosen_experiment(settings.tracking.experiment)
    tracker, sweep_id = MlflowTracker(), joined.file.sweep_info.sweep_id
    try:
        tracker.open(StoreAddress(uri, name, settings.tracking.artifact_location, identity)).result()
        tracker.call(LotService.begin_lot, joined.run_id, joined.lot, joined.worker).result()
        tracker.call(LotService.end_lot, "done").result()
        has_ended = joined.go_on(joined, tracker, {})
        if joined.leaves_nothing:
            drop_checkpoints(tracker, settings, sweep_id)
        if has_ended:

            def make(models: str) -> str | None:
                return tracker.call(PostprocessingService.postprocess, sweep_id, models).result()

            _postprocess(settings, make)
    except SwathError as error:
        if not is_superseded(error):
            raise
        print(f"swath-worker: {error}", flush=True)
        return 0
    finally:
        tracker.close()
    return 0


def _put_down_before_the_limit() -> None:
    """Take Slurm's warning that the time is nearly over like a request to stop."""
    from swath.system import interrupt_on

    interrupt_on([signal.SIGUSR1])


def _postprocess(settings: "SweepConfig", make: Callable[[str], str | None]) -> None:
    if (settings.tracking.postprocess or os.environ.get("SWATH_POSTPROCESS", "")) == "off":
        return
    fault = make(settings.tracking.log_models)
    if fault is not None:
        raise SwathError(f"could not create all plots and models: {fault}")


if __name__ == "__main__":
    from swath.cli.entry import swath_worker

    swath_worker()
