"""Samplers propose configurations; `search` trains them."""

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
        """Propose at most `count` configurations, or none until further results are known.

        The search ends when the sampler proposes none while no configuration is being trained.
        """

    def tell(self, config: TrainConfig, value: float) -> None:
        """Report a result.

        Args:
          config: the proposed configuration.
          value: value of the objective; nan if the run did not finish.
        """


class GridSampler:
    """Proposes the configurations of a grid in the given order, each once.

    Args:
      configs: the configurations of the grid.
    """

    def __init__(self, configs: Sequence[TrainConfig]) -> None:
        self._left = list(configs)

    def ask(self, count: int) -> Sequence[TrainConfig]:
        """See `Sampler`."""
        proposed, self._left = self._left[:count], self._left[count:]
        return proposed

    def tell(self, config: TrainConfig, value: float) -> None:
        """Ignore the result; a grid does not depend on results."""


def search(session: Session, sampler: Sampler, at_a_time: int) -> list[RunResult]:
    """Train the configurations that a sampler proposes until it proposes no more.

    Args:
      session: session that trains the configurations.
      sampler: sampler that proposes them.
      at_a_time: number of configurations in training at a time; only these can share lane groups.

    Returns:
      The results, in the order in which the runs ended. Runs that were not started because the session
      was stopped are left out.
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
