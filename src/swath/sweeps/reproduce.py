"""Configurations trained again, side by side, and what they compute."""

from collections.abc import Sequence
from concurrent.futures import Future

from swath.analysis import LATEST, RunValues, ending, named_arrays
from swath.config import DataConfig, RunConfig, computed_values
from swath.datasets import Dataset, load_intact
from swath.errors import SwathError
from swath.execution import Observer, Runner, RunRequest, RunResult, SweepInfo, runtime_tags
from swath.sweeps.originals import CannotReproduceError, Original
from swath.tracking import Curve, InMemoryRunLogger, Tracker, environment_tags, provenance_of, schema


class Repeater:
    """Trains configurations again; keeps data and compiled programs between calls.

    Args:
      sweep_info: what the repetitions have in common.
      recorder: begins runs that stay in memory.
      observer: told what happens.
    """

    def __init__(self, sweep_info: SweepInfo, recorder: Tracker, observer: Observer) -> None:
        self._datasets: dict[DataConfig, Dataset] = {}
        self._launch = sweep_info
        self._recorder = recorder
        self._observer = observer
        self._runner: Runner | None = None
        self._environment = environment_tags()

    def check_data(self, original: Original) -> None:
        """Load the images of a run, and see whether they are the ones it was trained on.

        Raises:
          CannotReproduceError: they are not here, or others.
        """
        data = original.config.data
        try:
            if data not in self._datasets:
                self._datasets[data] = load_intact(data.name, data.dir)
        except SwathError as error:
            raise CannotReproduceError(f"its data is not here: {error}") from error
        digest, expected = self._datasets[data].digest, original.run.tags.get(schema.DATA_DIGEST)
        if digest != expected:
            raise CannotReproduceError(
                f"the data here is not what it was trained on: digest {digest[:16]}, not {str(expected)[:16]}"
            )

    def repeat(self, configs: Sequence[RunConfig]) -> list[tuple[RunResult, RunValues | None]]:
        """Train configurations whose data has been checked.

        Returns:
          Of each how it ended, and its numbers; None for one that came to no end of its own.
        """
        if self._runner is None:
            lanes = max(config.fuse.max_lanes for config in configs)
            self._runner = Runner(self._launch, self._recorder, self._datasets, self._observer, lanes)
        futures: list[Future[RunResult]] = [Future() for _ in configs]
        self._runner.start([RunRequest(config) for config in configs], futures)
        results = [future.result() for future in futures]
        return [(result, self._numbers(result)) for result in results]

    def stop(self) -> None:
        """End what is being trained."""
        if self._runner is not None:
            self._runner.stop()

    def _numbers(self, result: RunResult) -> RunValues | None:
        recorded = result.tracked
        if not isinstance(recorded, InMemoryRunLogger) or recorded.summary is None or not result.bits:
            return None
        series = {name: values for name, values in recorded.series().items() if not schema.is_measured(name)}
        curves = {name: Curve("", name, *values) for name, values in series.items()}
        for name, (steps, values) in series.items():
            curves[f"{LATEST}{name}"] = Curve("", name, steps[-1:], values[-1:])
        learned, arrays = recorded.summary.artifacts, {}
        if learned is not None:
            arrays = named_arrays(
                {
                    "weights": learned.weights,
                    "biases": learned.biases,
                    "shift": learned.shift,
                    **({} if learned.scale is None else {"scale": learned.scale}),
                },
                {
                    "validation": learned.validation_predictions,
                    "validation_labels": learned.validation_labels,
                    "test": learned.test_predictions,
                    "test_labels": learned.test_labels,
                },
            )
        tags = {
            **self._environment,
            **runtime_tags(),
            schema.DATA_DIGEST: self._datasets[result.config.data].digest,
        }
        how = ending(result.status, {schema.ERROR: result.error or ""})
        params = {name: str(value) for name, value in computed_values(result.config).items()}
        every_steps = result.config.tracking.every_steps
        return RunValues(params, provenance_of(tags), how, curves, arrays, every_steps)
