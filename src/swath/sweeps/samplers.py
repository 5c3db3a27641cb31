"""Samplers, which propose configurations, and the loop that trains what they propose."""

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Protocol

from swath.analysis import objective
from swath.config import TrainConfig
from swath.execution import RunRequest, RunResult
from swath.sweeps.session import Session


class Sampler(Protocol):
    """Proposes configurations and learns from their results."""

    def ask(self, count: int) -> Sequence[TrainConfig]:
        """The next configurations, at most `count`; none to wait for results.

        The search ends when it returns none and nothing is being trained.
        """

    def tell(self, config: TrainConfig, value: float) -> None:
        """Report a result.

        Args:
          config: as proposed.
          value: the metric that ranks the run; nan if it did not finish.
        """


class GridSampler:
    """Proposes given configurations, each once, in their order.

    Args:
      configs: the grid.
    """

    def __init__(self, configs: Sequence[TrainConfig]) -> None:
        self._left = list(configs)

    def ask(self, count: int) -> Sequence[TrainConfig]:
        """See `Sampler`."""
        proposed, self._left = self._left[:count], self._left[count:]
        return proposed

    def tell(self, config: TrainConfig, value: float) -> None:
        """A grid learns nothing."""


def search(session: Session, sampler: Sampler, at_a_time: int) -> list[RunResult]:
    """Train what a sampler proposes until it proposes nothing more.

    Args:
      session: trains the configurations.
      sampler: proposes them.
      at_a_time: number of configurations that are trained at a time; lanes need company.

    Returns:
      The results, in the order in which runs ended; without the runs that were not started because the
      session was stopped.
    """
    running: dict[Future[RunResult], TrainConfig] = {}
    results: list[RunResult] = []
    stopped = False
    while True:
        proposed = () if stopped else sampler.ask(at_a_time - len(running))
        requests = [RunRequest(config, every_steps=session.every_steps) for config in proposed]
        running |= dict(zip(session.start(requests), proposed, strict=True)) if requests else {}
        if not running:
            return results
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            config = running.pop(future)
            if future.cancelled():
                stopped = True
                continue
            result = future.result()
            results.append(result)
            finished = result.status == "FINISHED"
            sampler.tell(config, objective(result.metrics) if finished else float("nan"))
