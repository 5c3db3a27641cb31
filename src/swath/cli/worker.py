"""Command line of `swath-worker`: trains one lot of a sweep. Engines start it; it may be started by hand."""

import argparse
import os
import signal
import socket
from typing import TYPE_CHECKING

import shtab

from swath import __version__
from swath.cli.one_line_parser import OneLineParser
from swath.errors import SwathError, UsageError, failure_reason
from swath.tracking import configure_environment

if TYPE_CHECKING:
    from swath.config import SweepConfig
    from swath.sweeps import Joined

PUT_DOWN = os.EX_TEMPFAIL
"""Exit status 75: the lot was put down, and is to be begun again."""

AWAY = ("does not answer", "no database answers", "database is locked")
"""In messages about a store that is away."""

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
        if not _is_passing(error):
            raise
        print(f"swath-worker: lot {args.first + args.lot} is put down: {failure_reason(error)}", flush=True)
        return PUT_DOWN


def _is_passing(error: Exception) -> bool:
    """Whether the store is away, so that the lot may be begun again later."""
    from swath.tracking import is_unreachable

    return is_unreachable(error) or any(words in str(error) for words in AWAY)


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
    all_done = all(each.state == "done" for each in sweep.lots)
    # Who took the decisions of a search, or ended the sweep, may have died; the engine has restarted it.
    is_needed = all_done or (sweep.decisions is not None and sweep.decisions.state == "running")
    if lot.state == "done" and (sweep.has_ended or not is_needed):
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
    joined = Joined(
        lot,
        sweep.summary.run_id,
        file,
        worker_name(socket.gethostname()),
        hide_password(uri, uri),
        sweep.decisions,
        None if file.search is None else go_on,
    )
    if lot.state == "done" and joined.go_on is not None:
        return _take_decisions(joined, uri, settings)
    configs = tuple(request.config for request in file.requests)
    _put_down_before_the_limit()
    progress = Progress(len(configs), file.sweep_info.swept, None)
    with PlainReporter(progress) as reporter:
        session = Session(file.sweep_info, configs, settings, reporter, joined=joined)

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
    if outcome.failure is not None:
        raise outcome.failure
    if session.superseded:
        print(f"swath-worker: {session.superseded}", flush=True)
        return 0  # its successor has the lot
    if outcome.signal_status:
        return PUT_DOWN
    if session.sweep_error is not None:
        print(f"swath-worker: lot {number} is put down: {session.sweep_error}", flush=True)
        return PUT_DOWN
    if any(result.is_transient for result in outcome.results):
        first = next(result for result in outcome.results if result.is_transient)
        print(f"swath-worker: lot {number} is put down: {first.error}", flush=True)
        return PUT_DOWN
    if session.is_last:
        _postprocess(uri, sweep_id, settings)
    return int(any(result.status == "FAILED" and not result.digest for result in outcome.results))


def _take_decisions(joined: "Joined", uri: str, settings: "SweepConfig") -> int:
    """Go on with a search where a process has died between two stages; returns the exit status."""
    from swath.tracking import MlflowTracker, StoreAddress, chosen_experiment

    assert joined.go_on is not None
    name, identity = chosen_experiment(settings.tracking.experiment)
    tracker = MlflowTracker()
    try:
        tracker.open(StoreAddress(uri, name, settings.tracking.artifact_location, identity)).result()
        has_ended = joined.go_on(joined, tracker, {})
    finally:
        tracker.close()
    if has_ended:
        _postprocess(uri, joined.file.sweep_info.sweep_id, settings)
    return 0


def _put_down_before_the_limit() -> None:
    """Take Slurm's warning that the time is nearly over like a request to stop."""
    from swath.cli.entry import interrupt

    signal.signal(signal.SIGUSR1, interrupt)


def _postprocess(uri: str, sweep_id: str, settings: "SweepConfig") -> None:
    from swath.sweeps import postprocess_sweep

    if (settings.tracking.postprocess or os.environ.get("SWATH_POSTPROCESS", "")) == "off":
        return
    fault = postprocess_sweep(uri, sweep_id, settings.tracking.log_models)
    if fault is not None:
        raise SwathError(f"could not create all plots and models: {fault}")


if __name__ == "__main__":
    from swath.cli.entry import swath_worker

    swath_worker()
