"""The task that Hydra calls for each job: trains a configuration, and returns what a sweeper maximizes."""

import logging
import math
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import replace
from functools import partial
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import filter_overrides
from omegaconf import DictConfig

from swath.analysis import objective, ranking_metric
from swath.cli.validation import CheckedCommand, differing_settings
from swath.config import JobConfig, TrainConfig, config_of, readable_name
from swath.errors import ConfigError
from swath.execution import Note, RunRequest, RunResult
from swath.sweeps import Session

WORST = -math.inf
"""Value of a job without an objective: a sweeper that searches would end at nan."""

_log = logging.getLogger("swath.job")


def sweep_task(session: Session, checked: CheckedCommand) -> Callable[[DictConfig], float]:
    """A task function for Hydra, with attributes that let the lanes launcher start all jobs at once.

    A job returns the value that a sweeper maximizes: the objective, or `WORST` if the run has none. A failure
    is not raised, so that the other jobs continue with any sweeper.
    """

    def request(job: JobConfig, overrides: Sequence[str]) -> RunRequest:
        # If the jobs are known, their settings have been compared; an interpolation may contain the time.
        if not checked.jobs_known:
            uri = checked.sweep.tracking.uri  # Hydra's copy has no password
            sweep = replace(job.sweep, tracking=replace(job.sweep.tracking, uri=uri))
            if sweep != checked.sweep:
                raise ConfigError(list(differing_settings([checked.sweep, sweep])))
        return RunRequest(job.train, tuple(filter_overrides(overrides)), checked.sweep.tracking.kept)

    asked_for: set[TrainConfig] = set()

    def start(requests: Sequence[RunRequest]) -> "list[Future[RunResult]]":
        if checked.sweeper is not None:
            for each in requests:
                if each.config in asked_for:
                    named = readable_name(each.config, checked.swept)
                    session.tell(Note(f"Given before: {named}; it is trained again"))
                asked_for.add(each.config)
        return session.start(requests)

    def task(config: DictConfig) -> float:
        (future,) = start([request(config_of(config), HydraConfig.get().overrides.task)])
        return _objective(future, checked.swept)

    def start_jobs(overrides: Sequence[Sequence[str]], compose: object) -> list[Callable[[], float]]:
        requests = [request(checked.composer.job(typed), typed) for typed in overrides]
        return [partial(_objective, future, checked.swept) for future in start(requests)]

    function: Any = task
    function.start_jobs = start_jobs
    function.compose_job = checked.composer.composed
    return task


def _objective(future: "Future[RunResult]", swept: Sequence[str]) -> float:
    """The objective of a run, once it has ended; its outcome also goes to the log file of Hydra's job.

    The line names the run, because many jobs share one log.
    """
    try:
        result = future.result()
    except CancelledError:  # not started: another run failed, and on_failure=stop
        return WORST
    if result.status != "FINISHED":
        _log.error("%s %s: %s", result.status, readable_name(result.config, swept), result.error)
        return WORST
    value = objective(result.metrics)
    named = readable_name(result.config, swept)
    _log.info("finished, %s %g, %s", ranking_metric([result.metrics]), value, named)
    return WORST if math.isnan(value) else value
