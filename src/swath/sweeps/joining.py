"""A worker's part in a sweep that another process has started: begins a lot, ends it, and ends the sweep."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from swath.config import TrainConfig, at_steps, fingerprint
from swath.datasets import DataKey, Dataset
from swath.errors import SwathError
from swath.execution import RunResult, SweepInfo
from swath.models import kernels
from swath.sweeps.lots import LotFile
from swath.sweeps.record import sweep_summary
from swath.sweeps.resume import ResumePlan, StartedSweep, current_provenance
from swath.tracking import Lot, LotService, Tracker, schema

JOB_VARIABLES = ("SLURM_ARRAY_JOB_ID", "SLURM_JOB_ID", "RAY_JOB_ID")
"""Environment variables in which an engine tells its worker which job this is."""


CANARY_STEPS = 8
"""Steps that a worker trains before it begins a lot: enough for every kind of product and update."""


FAILED = "failed"
"""Instead of a digest, where the first configuration fails."""


class OtherArithmeticError(SwathError):
    """The processor of a worker computes other bits than those of the sweep; another may take its lot."""

    exit_status = os.EX_TEMPFAIL


@dataclass
class Joined:
    """A lot that this process trains.

    Attributes:
      lot: the lot, as this worker has read it.
      run_id: of the sweep's summary run.
      file: the configurations, and how they are trained.
      worker: who trains it, in words.
      digest: of the steps that this worker has trained first; empty before.
      leaves_nothing: whether this worker has ended the sweep, and nothing of it is left to train.
    """

    lot: Lot
    run_id: str
    file: LotFile
    worker: str
    digest: str = ""
    leaves_nothing: bool = False

    def check_arithmetic(self, tracker: Tracker, digest_of: Callable[[TrainConfig], str]) -> None:
        """Train a few steps, and compare their digest with that of the sweep's first worker.

        Args:
          tracker: of this worker.
          digest_of: trains a configuration alone; returns its result digest.

        Raises:
          OtherArithmeticError: the digests differ, and the sweep wants the same.
        """
        canary = at_steps(self.file.canary, min(CANARY_STEPS, self.file.canary.max_steps))
        try:
            digest = digest_of(canary)
        except SwathError:
            digest = FAILED  # as it does everywhere; its own run will say why
        settled = tracker.call(
            LotService.settle_arithmetic, self.run_id, fingerprint(self.file.canary), digest
        ).result()
        self.digest = digest
        if settled != digest and self.file.settings.executor.arithmetic == "same":
            raise OtherArithmeticError(
                f"{self.worker}: the bits of {CANARY_STEPS} steps differ from those of this sweep "
                f"({digest[:12]}, there {settled[:12]}; here {kernels()}): takes nothing. "
                "executor.arithmetic=any mixes, and each run says which (tag "
                f"{schema.LOTS_ARITHMETIC})"
            )

    def begin(self, tracker: Tracker, datasets: Mapping[DataKey, Dataset]) -> StartedSweep:
        """Begin the lot, then read what earlier workers have stored of it.

        In this order: what is read can no longer be changed by an earlier worker.
        """
        tracker.call(LotService.begin_lot, self.run_id, self.lot, self.worker).result()
        folder = self.file.settings.checkpoint.dir
        plan = ResumePlan(tracker, "yes", False, datasets, checkpoints=folder)
        configs = [request.config for request in self.file.requests]
        plan.join(self.file.sweep_info, configs, current_provenance(datasets, configs))
        return StartedSweep(self.file.sweep_info, plan, None, None)

    def end(
        self,
        tracker: Tracker,
        datasets: Mapping[DataKey, Dataset],
        results: Sequence[RunResult],
        *,
        put_down: bool,
    ) -> bool:
        """End the lot; if it was the last of the sweep, end the sweep. Returns whether it was.

        Args:
          tracker: of this worker.
          datasets: of the lot.
          results: flushed results of the lot.
          put_down: whether a signal stopped the training.
        """
        # A run that failed for good is not begun again, so its lot is done.
        is_done = not put_down and not any(
            result.is_transient or result.status == "KILLED" for result in results
        )
        if not tracker.call(LotService.end_lot, "done" if is_done else "stopped").result():
            return False
        self.leaves_nothing = end_sweep(tracker, self.file.sweep_info, self.run_id, datasets)
        return True


def end_sweep(
    tracker: Tracker,
    sweep_info: SweepInfo,
    run_id: str,
    datasets: Mapping[DataKey, Dataset],
    *,
    stopped: bool = False,
) -> bool:
    """Write the outcome of a sweep whose lots have ended; returns whether nothing is left to train.

    Args:
      tracker: tracker with an opened store.
      sweep_info: metadata of the sweep.
      run_id: of its summary run.
      datasets: data sets, of which the sweep may have more.
      stopped: whether it was stopped.
    """
    plan = ResumePlan(tracker, "yes", True, datasets)
    plan.join(sweep_info, (), {})
    results = plan.others()
    wall_s = time.time() - (sweep_info.start_ms or 0) / 1000
    count = sweep_info.most or len(results)
    summary = sweep_summary(sweep_info, results, count, wall_s, stopped)
    tracker.call(LotService.take_over, run_id).result()
    tracker.end_sweep(summary).result()
    return len(results) >= count and all(result.is_complete for result in results)


def worker_name(host: str) -> str:
    """Who this process is, in words: `n1, process 4711, job 12`."""
    job = next((os.environ[name] for name in JOB_VARIABLES if name in os.environ), "")
    return ", ".join(filter(None, [host, f"process {os.getpid()}", f"job {job}" if job else ""]))
