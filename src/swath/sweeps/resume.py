"""Finds what is left to train of each configuration of a sweep that earlier commands have begun."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from itertools import zip_longest

from swath import tracking
from swath.config import KeptSteps, TrainConfig, fingerprint, read_params
from swath.datasets import DataKey, Dataset
from swath.execution import RunRequest, RunResult, SweepInfo
from swath.sweeps.manifest import (
    PriorRun,
    PriorRunsService,
    PriorSweep,
    PriorTrial,
    ResumeRequest,
    RunKey,
    kept_by,
)
from swath.sweeps.search_record import SearchRecord
from swath.tracking import schema
from swath.training import checkpoints_folder, lane_key

SKIPPED = "skipped by resume=failed: it has not failed"
"""Reason stated for a configuration that `resume=failed` skips."""


AT_ONCE = 1_000
"""Configurations whose runs are asked for in one call."""


@lru_cache(maxsize=2**18)
def run_key(config: TrainConfig, digest: str, kept: KeptSteps) -> RunKey:
    """Identity of a configuration in the store.

    Args:
      config: the configuration.
      digest: digest of its data set.
      kept: which steps are stored, and where.
    """
    return RunKey(
        fingerprint(config),
        digest,
        lane_key(config, digest),
        config.max_steps,
        kept,
        config.evaluate_every_steps if config.data.validation_size else 0,
    )


def keys_of(
    configs: Iterable[TrainConfig], datasets: Mapping[DataKey, Dataset], kept: KeptSteps
) -> tuple[RunKey, ...]:
    """The identity in the store of each configuration; computed once."""
    return tuple(run_key(config, datasets[config.data.key].digest, kept) for config in configs)


@dataclass
class ResumePlan:
    """Decides for each configuration whether it is reused, resumed, restarted, started or skipped.

    Attributes:
      tracker: tracker with an opened store.
      mode: `yes`, `failed`, or `open`: what has failed is not trained again.
      force: whether to accept a changed environment.
      datasets: the data sets of the configurations.
      data_place: see `ResumeRequest`.
      checkpoints: `checkpoint.dir`; None for the user's cache.
      own_only: see `ResumeRequest`.
      found: the earlier command; None if there is none.
      counts: number of configurations by outcome: already done, resumed, restarted, new, skipped.
    """

    tracker: tracking.Tracker
    mode: str
    force: bool
    datasets: Mapping[DataKey, Dataset]
    data_place: str = ""
    checkpoints: str | None = None
    own_only: bool = False
    found: PriorSweep | None = None
    counts: Counter[str] = field(default_factory=Counter)

    def find(
        self,
        sweep_info: SweepInfo,
        configs: Sequence[TrainConfig],
        provenance: dict[str, str],
        kept: KeptSteps,
        search: SearchRecord | None = None,
    ) -> SweepInfo:
        """Find the earlier command.

        Args:
          sweep_info: metadata of this command.
          configs: the configurations known so far.
          provenance: provenance tags of this command and their values.
          kept: which steps are stored, and where.
          search: what decides the trials of a search; None for other sweeps.

        Returns:
          `sweep_info` with the id of the earlier command, if there is one.

        Raises:
          SwathError: the earlier command is running, or a change since then can affect results.
        """
        request = ResumeRequest(
            sweep_info.sweep,
            sweep_info.is_grid,
            keys_of(configs, self.datasets, kept),
            provenance,
            str(checkpoints_folder(self.checkpoints)),
            self.force,
            self.data_place,
            search,
            own_only=self.own_only,
        )
        self.found = self.tracker.call(PriorRunsService.find_sweep, request).result()
        return sweep_info if self.found is None else replace(sweep_info, sweep_id=self.found.sweep_id)

    def join(self, sweep_info: SweepInfo, configs: Sequence[TrainConfig], provenance: dict[str, str]) -> None:
        """Find what other workers have stored of these configurations, or of any of the sweep.

        Args:
          sweep_info: metadata of the sweep.
          configs: the configurations of a lot; empty to read the whole sweep.
          provenance: provenance tags of this worker and their values.
        """
        request = ResumeRequest(
            sweep_info.sweep,
            True,
            keys_of(configs, self.datasets, KeptSteps()),
            provenance,
            str(checkpoints_folder(self.checkpoints)),
            self.force,
            joins=sweep_info.sweep_id,
        )
        self.found = self.tracker.call(PriorRunsService.find_sweep, request).result()

    def resolve(self, requests: Sequence[RunRequest]) -> Iterator[RunRequest | RunResult]:
        """For each configuration, the remaining training, or the result if nothing remains."""
        parts = [requests[first : first + AT_ONCE] for first in range(0, len(requests), AT_ONCE)]
        asked = deque([self._ask(part) for part in parts[:1]])
        for part, following in zip_longest(parts, parts[1:]):
            if following is not None:  # read while this part is put to use
                asked.append(self._ask(following))
            for request, before in zip(part, asked.popleft().result(), strict=True):
                yield self._resolve(request, before)

    def _ask(self, requests: Sequence[RunRequest]) -> "Future[list[PriorRun]]":
        keys = [
            run_key(request.config, self.datasets[request.config.data.key].digest, request.kept)
            for request in requests
        ]
        return self.tracker.call(PriorRunsService.prior_runs, keys)

    def _resolve(self, request: RunRequest, before: PriorRun) -> RunRequest | RunResult:
        if before.finished:
            self.counts["already done"] += 1
            return _prior_result(request.config, before)
        if self.mode == "open" and before.status == "FAILED":
            return _prior_result(request.config, before)
        if self.mode == "failed" and before.status != "FAILED":
            self.counts["skipped"] += 1
            tracked = tracking.CompletedRun(before.run_id or "", 0.0)
            return RunResult(request.config, "KILLED", {}, SKIPPED, tracked, reused=True)
        has_run = before.run_id is not None
        self.counts["resumed" if before.start is not None else "restarted" if has_run else "new"] += 1
        return _going_on(request, before)

    def trials(self) -> dict[int, tuple[PriorTrial, Callable[[TrainConfig], RunResult]]]:
        """The stored trials of a search by number, each with a function that makes a result of it."""
        found = self.tracker.call(PriorRunsService.trials).result()
        return {each.number: (each, partial(_prior_trial_result, each)) for each in found}

    def start_of_trial(self, number: int, request: RunRequest) -> RunRequest:
        """The remaining training of a trial that has not ended for good."""
        key = run_key(request.config, self.datasets[request.config.data.key].digest, request.kept)
        before = self.tracker.call(PriorRunsService.start_of_trial, number, key).result()
        self.counts["resumed" if before.start is not None else "restarted"] += 1
        return _going_on(request, before)

    def others(self) -> list[RunResult]:
        """Results of the runs of the sweep whose configurations are not part of this command."""
        found = self.tracker.call(PriorRunsService.other_runs).result()
        return [_prior_result(read_params(params), before) for params, before in found]

    def summary(self) -> str:
        """Counts by outcome, in one line."""
        parts = [f"{count} {what}" for what, count in sorted(self.counts.items())]
        return f"Resume: {', '.join(parts) or 'nothing'}."


def _going_on(request: RunRequest, before: PriorRun) -> RunRequest:
    return replace(
        request,
        run_id=before.run_id,
        start=before.start,
        prefix_metrics=before.prefix_metrics,
        kept=kept_by(before.tags, request.kept),
    )


def _prior_result(config: TrainConfig, before: PriorRun) -> RunResult:
    run_id = before.run_id or ""
    tracked = tracking.CompletedRun(run_id, before.metrics.get(schema.TRACK_S, 0.0))
    return RunResult(
        config,
        "FINISHED" if before.finished else "FAILED" if before.status == "FAILED" else "KILLED",
        before.metrics,
        before.error,
        tracked,
        float(before.tags.get(schema.TRAIN_ACCURACY_TAG, "nan")),
        before.tags.get(schema.BITS, ""),
        run_id,
        reused=True,
        correct=before.correct,
        data_sizes=before.tags.get(schema.DATA_SIZES, ""),
        stage=before.tags.get(schema.SEARCH_STAGE, ""),
    )


def _prior_trial_result(trial: PriorTrial, config: TrainConfig) -> RunResult:
    return replace(_prior_result(config, trial.run), trial=trial.number, steps=trial.trained)
