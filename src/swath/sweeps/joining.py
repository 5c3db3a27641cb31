"""A worker's part in a sweep that another process has started: begins a lot, ends it, and ends the sweep."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from swath.config import TrainConfig, at_steps, fingerprint
from swath.datasets import DataKey, Dataset
from swath.errors import SwathError
from swath.execution import RunRequest, RunResult, SweepInfo
from swath.models import kernels
from swath.sweeps.lots import LotFile
from swath.sweeps.record import sweep_summary
from swath.sweeps.resume import ResumePlan
from swath.sweeps.starting import StartedSweep, current_provenance
from swath.tracking import Lot, LotService, Tracker, schema

JOB_VARIABLES = ("SLURM_ARRAY_JOB_ID", "SLURM_JOB_ID", "RAY_JOB_ID")
"""Environment variables in which an engine tells its worker which job this is."""


CANARY_STEPS = 8
"""Steps that a worker trains before it begins a lot: enough for every kind of product and update."""


AT_A_RUNG = "waits at a rung until the other trials have come to it"
"""Why a trial has not ended that a worker has trained to a rung."""

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
      store: address of the store, without its password.
      go_on: decides what a search trains once all lots are done, and has it trained; returns whether the
        search has ended. None for other sweeps.
      digest: of the steps that this worker has trained first; empty before.
      leaves_nothing: whether this worker has ended the sweep, and nothing of it is left to train.
    """

    lot: Lot
    run_id: str
    file: LotFile
    worker: str
    store: str = ""
    go_on: "Callable[[Joined, Tracker, Mapping[DataKey, Dataset]], bool] | None" = None
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

    def left_of(self, plan: ResumePlan, requests: Sequence[RunRequest]) -> list[RunRequest]:
        """The trials of a lot of a search that have not come to their rung, each from where it goes on.

        Args:
          plan: of the begun lot.
          requests: the trials.
        """
        stored, left = plan.trials(), []
        for request in requests:
            assert request.trial is not None
            number = request.trial.number
            if number in stored:
                before = stored[number][0]
                is_there = request.config.max_steps in before.at_rungs and not request.trial.is_last
                if before.steps is not None or is_there:
                    continue
                request = plan.start_of_trial(number, request)
            left.append(request)
        return left

    def end(
        self,
        tracker: Tracker,
        datasets: Mapping[DataKey, Dataset],
        *,
        put_down: bool,
    ) -> bool:
        """End the lot; if it was the last of the sweep, end the sweep. Returns whether it was.

        Args:
          tracker: of this worker.
          datasets: of the lot.
          put_down: whether something of it is to be trained later.
        """
        if not tracker.call(LotService.end_lot, "stopped" if put_down else "done").result():
            return False
        if self.go_on is not None:
            return self.go_on(self, tracker, datasets)
        self.leaves_nothing = end_sweep(tracker, self.file.sweep_info, self.run_id, datasets)
        return True


def end_sweep(
    tracker: Tracker,
    sweep_info: SweepInfo,
    run_id: str,
    datasets: Mapping[DataKey, Dataset],
    results: Sequence[RunResult] | None = None,
    *,
    has_trained: bool = True,
) -> bool:
    """Write the outcome of a sweep whose lots have ended; returns whether nothing is left to train.

    Args:
      tracker: tracker with an opened store.
      sweep_info: metadata of the sweep.
      run_id: of its summary run.
      datasets: data sets, of which the sweep may have more.
      results: of a search, by trial; None to read them from the store.
      has_trained: whether something was trained since the sweep was started or resumed.
    """
    if results is None:
        plan = ResumePlan(tracker, "yes", True, datasets)
        plan.join(sweep_info, (), {})
        results = plan.others()
        count = sweep_info.most or len(results)
    else:
        count = len(results)
    wall_s = time.time() - (sweep_info.start_ms or 0) / 1000
    summary = sweep_summary(sweep_info, results, count, wall_s, interrupted=False)
    if has_trained:
        summary = replace(summary, tags={**summary.tags, schema.WALL_S: f"{wall_s:.1f}"})
    tracker.call(LotService.take_over, run_id).result()
    tracker.end_sweep(summary).result()
    return len(results) >= count and all(result.is_complete for result in results)


def worker_name(host: str) -> str:
    """Who this process is, in words: `n1, process 4711, job 12`."""
    job = next((os.environ[name] for name in JOB_VARIABLES if name in os.environ), "")
    return ", ".join(filter(None, [host, f"process {os.getpid()}", f"job {job}" if job else ""]))
