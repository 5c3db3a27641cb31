"""What a person sees while configurations are trained."""

import sys
from typing import TextIO

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from swath.config.fields import computed_values
from swath.config.schema import RunConfig
from swath.launch import RunResult
from swath.ranking import rank


class SingleRunScreen:
    """The lines of the tutorial: the training accuracy now and then, the test accuracy, the total time."""

    def __init__(self, output: TextIO = sys.stdout) -> None:
        self._output = output

    def steps_done(self, config: RunConfig, first_step: int, accuracies: NDArray[np.float64]) -> None:
        """Print the steps that are due."""
        every = config.log_every_steps
        for step in range(-(-first_step // every) * every, first_step + len(accuracies), every):
            self._print(f"Step {step:5d}: training accuracy {accuracies[step - first_step]:g}")

    def run_ended(self, result: RunResult) -> None:
        """Print what the run has reached."""
        for split in ("validation", "test"):
            if f"{split}/accuracy" in result.metrics:
                self._print(f"{split.capitalize()} accuracy {result.metrics[f'{split}/accuracy']:g}")
        self._print(f"Total time: {result.metrics['runtime/total_s']:5.2f}s")

    def _print(self, line: str) -> None:
        print(line, file=self._output, flush=True)


class SweepScreen:
    """One line for each configuration that is done; the steps go by unseen."""

    def __init__(self, jobs: int | None, swept: tuple[str, ...], console: Console) -> None:
        """Prepare the screen.

        Args:
          jobs: how many configurations there will be, if that is known.
          swept: the fields that vary.
          console: where to print.
        """
        self._jobs = jobs
        self._swept = swept
        self._console = console
        self._done = 0
        self._best: float | None = None

    def steps_done(self, config: RunConfig, first_step: int, accuracies: NDArray[np.float64]) -> None:
        """Nothing: a sweep shows its table."""

    def run_ended(self, result: RunResult) -> None:
        """Print how the configuration ended, and the best so far."""
        self._done += 1
        width = len(str(self._jobs or ""))
        count = f"{self._done:{width}d}/{self._jobs}" if self._jobs else str(self._done)
        values = computed_values(result.config)
        name = " ".join(f"{field}={values[field]}" for field in self._swept) or "the same again"
        self._console.print(f"[{count}] {name}: {self._outcome(result)}", highlight=False, markup=False)

    def _outcome(self, result: RunResult) -> str:
        if result.error is not None:
            return f"{result.status}, {result.error}"
        metric = rank([result.metrics]).metric
        accuracy = result.metrics[metric]
        self._best = accuracy if self._best is None else max(self._best, accuracy)
        return (
            f"{metric.replace('/', ' ')} {accuracy:.4f}, {result.computing_s:.2f} s "
            f"(best so far {self._best:.4f})"
        )
