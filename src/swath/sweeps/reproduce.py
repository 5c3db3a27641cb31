"""Configurations trained again, side by side, and what they compute."""

from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

from swath.analysis import LATEST, RunValues, ending, named_arrays
from swath.config import computed_values, default_sweep_config
from swath.datasets import Dataset, load_intact
from swath.errors import SwathError
from swath.execution import Observer, Runner, RunRequest, RunResult, SweepInfo, ThreadExecutor, runtime_tags
from swath.planning import LaneWidths, memory_for_groups, read_verified
from swath.sweeps.originals import CannotReproduceError, Original
from swath.system import available_bytes
from swath.tracking import Curve, InMemoryRunLogger, Tracker, environment_tags, provenance_of, schema


class Repeater:
    """Trains configurations again; keeps data and compiled programs between calls.

    Args:
      sweep_info: what the repetitions have in common.
      recorder: begins runs that stay in memory.
      observer: told what happens.
      data_dir: folder of the images; None for the places where swath looks by itself.
    """

    def __init__(
        self, sweep_info: SweepInfo, recorder: Tracker, observer: Observer, data_dir: Path | None = None
    ) -> None:
        self._data_dir = None if data_dir is None else str(data_dir)
        self._datasets: dict[str, Dataset] = {}
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
        name = original.config.data.name
        try:
            if name not in self._datasets:
                self._datasets[name] = load_intact(name, self._data_dir)
        except SwathError as error:
            raise CannotReproduceError(f"its data is not here: {error}") from error
        digest, expected = self._datasets[name].digest, original.run.tags.get(schema.DATA_DIGEST)
        if digest != expected:
            raise CannotReproduceError(
                f"the data here is not what it was trained on: digest {digest[:16]}, not {str(expected)[:16]}"
            )

    def repeat(self, originals: Sequence[Original]) -> list[tuple[RunResult, RunValues | None]]:
        """Train the configurations of originals whose data has been checked.

        Returns:
          Of each how it ended, and its numbers; None for one that came to no end of its own.
        """
        if self._runner is None:
            verified = read_verified()
            self._runner = Runner(
                self._launch,
                self._recorder,
                self._datasets,
                self._observer,
                ThreadExecutor(self._datasets, verified),
                LaneWidths(default_sweep_config().lanes.max, memory_for_groups(available_bytes()), verified),
            )
        futures: list[Future[RunResult]] = [Future() for _ in originals]
        requests = [RunRequest(each.config, every_steps=each.every_steps) for each in originals]
        self._runner.start(requests, futures)
        results = [future.result() for future in futures]
        return [
            (result, self._numbers(result, each.every_steps))
            for result, each in zip(results, originals, strict=True)
        ]

    def stop(self) -> None:
        """End what is being trained."""
        if self._runner is not None:
            self._runner.stop()

    def _numbers(self, result: RunResult, every_steps: int) -> RunValues | None:
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
                    **learned.arrays,
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
            schema.DATA_DIGEST: self._datasets[result.config.data.name].digest,
        }
        how = ending(result.status, {schema.ERROR: result.error or ""})
        params = {name: str(value) for name, value in computed_values(result.config).items()}
        return RunValues(params, provenance_of(tags), how, curves, arrays, every_steps)
