"""What a command has trained, how it failed, and what is left to make from it."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from swath.errors import INTERRUPTED, SwathError
from swath.execution import Note, RunResult
from swath.sweeps.postprocess import start_postprocessing
from swath.sweeps.session import Session
from swath.system import real_uri
from swath.tracking import TRACKING_VARIABLE

INTERRUPTED_NOTE = "Interrupted: stopping after the current segment; press Ctrl-C again to stop at once"


@dataclass
class Outcome:
    """What a command has trained.

    Attributes:
      results: of all runs that were trained or reused.
      verified: runs that were trained again alone, and whether they are bit-identical.
      signal_status: exit status after a signal, else 0.
      failure: an error that ended the training.
      abandoned: whether a second signal has stopped the storing of results.
      is_search: whether trials may diverge or be put down, as long as one finishes.
      is_cut_off: whether a failure has stopped a search, so that trials are left.
    """

    results: Sequence[RunResult] = ()
    verified: Sequence[tuple[RunResult, bool]] = ()
    signal_status: int = 0
    failure: Exception | None = None
    abandoned: bool = False
    is_search: bool = False
    is_cut_off: bool = False

    @property
    def is_stored(self) -> bool:
        """Whether the store has a finished run and everything else."""
        return not self.abandoned and any(result.status == "FINISHED" for result in self.results)

    @property
    def stopped_by(self) -> str:
        """The failure that leaves trials of a search to a resume, in one line; empty if there is none."""
        lost = next((result for result in self.results if result.is_transient), None)
        put_down = next((result for result in self.results if result.status == "KILLED"), None)
        if not self.is_search or (lost is None and not self.is_cut_off):
            return ""
        first = lost or put_down
        return (first is not None and first.error) or "a run failed"

    @property
    def exit_status(self) -> int:
        """The exit status of the command if nothing is raised."""
        finished = [result.status == "FINISHED" for result in self.results]
        failed = not all(finished)
        if self.is_search:  # trials may diverge, which has a digest; any other failure is a fault
            faulty = any(result.status == "FAILED" and not result.digest for result in self.results)
            failed = not any(finished) or faulty or bool(self.stopped_by)
        return self.signal_status or int(failed or not all(same for _, same in self.verified))


def train(session: Session, run_all: Callable[[], object], verify: int) -> Outcome:
    """Train and store all runs; a signal ends this after the current segment, a second one at once.

    Args:
      session: the command.
      run_all: starts the runs and waits for them.
      verify: number of configurations to train again alone and compare.
    """
    outcome = Outcome()
    try:
        run_all()
        if verify:
            session.tell(Note(f"verifying up to {verify} configurations against solo runs", transient=True))
            outcome.verified = session.check(verify)
    except KeyboardInterrupt as interrupt:
        outcome.signal_status = getattr(interrupt, "exit_status", INTERRUPTED)
    except Exception as error:
        outcome.failure = error
    try:
        if outcome.signal_status:  # here, where a second signal is expected
            session.tell(Note(INTERRUPTED_NOTE))
        session.stop()
        session.tell(Note("storing the remaining results ...", transient=True))
        results = session.close(outcome.signal_status != 0)
    except KeyboardInterrupt as interrupt:
        outcome.signal_status = getattr(interrupt, "exit_status", INTERRUPTED)
        results = session.abandon()
        outcome.abandoned = True
    outcome.results = [result for result in results if result.is_complete or not result.reused]
    return outcome


def failure_of(outcome: Outcome, session: Session) -> Exception | None:
    """The error that ends the command after its results are shown; None if there is none."""
    if outcome.failure is not None:
        return outcome.failure
    if session.offline_folder is not None:
        return SwathError(
            f"cannot reach the store {session.store.uri}; finished runs are saved in "
            f"{session.offline_folder}; run the same command with resume=yes to upload them"
        )
    if session.sweep_error is not None:
        return SwathError(f"the summary run could not be stored: {session.sweep_error}")
    return None


@dataclass(frozen=True)
class Postprocessing:
    """The plots and models that are to be made from stored runs.

    Attributes:
      session: the closed session.
      uri: address of the store, with its password.
      log_models: `all`, `best` or `none`.
      parts: what will be made: `plots and models`.
      in_background: whether the command ends before it is made.
    """

    session: Session
    uri: str
    log_models: str
    parts: str
    in_background: bool

    def start(self) -> None:
        """Make it in the background."""
        start_postprocessing(self.uri, self.session.sweep_info.sweep_id, self.log_models)

    def run(self) -> SwathError | None:
        """Make it now; returns an error if something could not be made."""
        fault = self.session.postprocess(self.log_models)
        again = f"make them with: swath-compare {self.session.sweep_info.sweep_id} --postprocess"
        return None if fault is None else SwathError(f"could not create all {self.parts}: {fault}; {again}")


def postprocessing_of(
    outcome: Outcome, session: Session, when: str, log_models: str
) -> Postprocessing | None:
    """What is to be made after a command; None if nothing is.

    Args:
      outcome: what the command has trained.
      session: the command.
      when: `background`, `wait` or `off`.
      log_models: `all`, `best` or `none`.
    """
    if not outcome.is_stored or session.offline_folder is not None:
        return None
    parts = (["plots"] if session.sweep_info.is_grid else []) + ([] if log_models == "none" else ["models"])
    if when == "off" or not parts or not session.store.uri:
        return None
    uri = real_uri(session.store.uri, os.environ.get(TRACKING_VARIABLE)) or session.store.uri
    return Postprocessing(session, uri, log_models, " and ".join(parts), when == "background")
