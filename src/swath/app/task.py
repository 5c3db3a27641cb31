"""What Hydra calls for each job, and, through its fused launcher, for all jobs at once."""

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError, Future
from functools import partial
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import filter_overrides
from omegaconf import DictConfig

from swath.config.node import from_composed
from swath.launch import RunRequest, RunResult
from swath.ranking import objective

if TYPE_CHECKING:
    from swath.app.session import Session


def fusible_task(session: "Session") -> Callable[[DictConfig], float]:
    """A task function for Hydra that carries `fuse` for its fused launcher.

    Either way a job returns what a sweeper would maximise: the accuracy that ranks it, nan for a run that
    failed. A failure is not raised: the jobs behind it go on, whatever sweeper chose them.
    """

    def task(config: DictConfig) -> float:
        overrides = tuple(HydraConfig.get().overrides.task)
        (future,) = session.start([RunRequest(from_composed(config), overrides)])
        return _objective(future)

    def fuse(configs: Iterable[DictConfig], overrides: Sequence[Sequence[str]]) -> list[Callable[[], float]]:
        requests = [
            RunRequest(from_composed(config), tuple(filter_overrides(typed)))
            for config, typed in zip(configs, overrides, strict=True)
        ]
        return [partial(_objective, future) for future in session.start(requests)]

    carrier: Any = task
    carrier.fuse = fuse
    return task


def _objective(future: "Future[RunResult]") -> float:
    try:
        result = future.result()
    except CancelledError:  # never begun: another one failed, and on_failure=stop
        return math.nan
    return objective(result.metrics) if result.status == "FINISHED" else math.nan
