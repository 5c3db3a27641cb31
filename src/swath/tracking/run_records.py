"""What the training process tells about a run: when it starts, at its steps, and when it ends."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from swath.tracking import schema

Status = Literal["FINISHED", "FAILED", "KILLED"]


@dataclass(frozen=True)
class DatasetInfo:
    """The data set of a run, logged as MLflow's dataset input.

    Attributes:
      name: as in the registry.
      digest: SHA-256 of all images and labels.
      source: where the images came from.
      images: number of images of each split.
    """

    name: str
    digest: str
    source: str
    images: dict[str, int]


@dataclass(frozen=True)
class RunInfo:
    """Metadata logged when a run starts.

    Attributes:
      name: readable, `batch_size=100 learning_rate=1e-06 max_steps=1000`.
      params: fields that determine the numbers, as text.
      tags: value of each tag.
      dataset: data set that the run is trained on.
      config_yaml: content of the artifact `config.yaml`.
      overrides_yaml: content of the artifact `overrides.yaml`.
    """

    name: str
    params: dict[str, str]
    tags: dict[str, str]
    dataset: DatasetInfo
    config_yaml: str
    overrides_yaml: str


@dataclass(frozen=True)
class MetricBatch:
    """Values of per-step metrics at equally spaced steps.

    Attributes:
      first_step: step of the first value.
      values: float64 [n] for each metric name.
      every: distance of two values in steps.
      rows_every: None if the store gets a row for each value. Otherwise these are the values of all steps:
        they go into a file of the run, and each step that is a multiple of this number gets rows too.
    """

    first_step: int
    values: dict[str, NDArray[np.float64]]
    every: int = 1
    rows_every: int | None = None

    def rows(self) -> "MetricBatch":
        """The values that become rows; there may be none."""
        if self.rows_every is None:
            return self
        due = -self.first_step % self.rows_every
        chosen = {name: series[due :: self.rows_every] for name, series in self.values.items()}
        return MetricBatch(self.first_step + due, chosen, self.rows_every)

    def after(self, last_steps: Mapping[str, int]) -> "list[MetricBatch]":
        """The values that come after the last stored step of each metric.

        MLflow's table holds a step twice if it is logged twice.

        Args:
          last_steps: the last stored step of each metric; a metric without one is kept whole.
        """
        parts: dict[int, MetricBatch] = {}
        for name, values in self.values.items():
            last = last_steps.get(name)
            skipped = 0 if last is None else max(0, (last - self.first_step) // self.every + 1)
            if skipped >= len(values):
                continue
            first_step = self.first_step + skipped * self.every
            part = parts.get(first_step, MetricBatch(first_step, {}, self.every))
            parts[first_step] = replace(part, values={**part.values, name: values[skipped:]})
        return list(parts.values())


@dataclass(frozen=True)
class RunArtifacts:
    """Learned arrays and predictions of a finished run.

    Attributes:
      model: name of the model.
      arrays: the train state: parameters by name, and optimizer states as `STATE/NAME`.
      shift: float32 [pixels], subtracted from each image
      scale: float32 [pixels], multiplied with each image; None for 1
      validation_predictions: uint8 [validation images]
      validation_labels: uint8 [validation images], the true classes
      test_predictions: uint8 [test images]
      test_labels: uint8 [test images]
      image_shape: channels, rows, columns
      class_names: in the order of the labels
    """

    model: str
    arrays: Mapping[str, NDArray[np.float32]]
    shift: NDArray[np.float32]
    scale: NDArray[np.float32] | None
    validation_predictions: NDArray[np.uint8]
    validation_labels: NDArray[np.uint8]
    test_predictions: NDArray[np.uint8]
    test_labels: NDArray[np.uint8]
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]

    def learned(self) -> dict[str, NDArray[np.float32]]:
        """The arrays of `weights.npz`."""
        scale = {} if self.scale is None else {"scale": self.scale}
        return {**self.parameters(), "shift": self.shift, **scale}

    def parameters(self) -> dict[str, NDArray[np.float32]]:
        """The arrays of the model."""
        return {name: array for name, array in self.arrays.items() if "/" not in name}

    def optimizer_state(self) -> dict[str, NDArray[np.float32]]:
        """The arrays of `optimizer.npz`: `STATE/NAME`; empty if the optimizer has no state."""
        return {name: array for name, array in self.arrays.items() if "/" in name}

    def correct(self) -> dict[str, bytes]:
        """Which images of each split are classified correctly; see `packed_correct`."""
        return packed_correct(self.predicted())

    def predicted(self) -> dict[str, NDArray[np.uint8]]:
        """The arrays of `predictions.npz`."""
        return {
            "validation": self.validation_predictions,
            "validation_labels": self.validation_labels,
            "test": self.test_predictions,
            "test_labels": self.test_labels,
        }


def packed_correct(predicted: Mapping[str, NDArray[np.uint8]]) -> dict[str, bytes]:
    """Which images are classified correctly, by split: a bit each, as `numpy.packbits` packs them.

    Bytes, because a tracking process sends those of ten thousand runs, and arrays take four times as long.

    Args:
      predicted: the arrays of `predictions.npz`.
    """
    return {
        split: np.packbits(predicted[split] == predicted[f"{split}_labels"]).tobytes()
        for split in schema.SPLITS
        if predicted[split].size
    }


@dataclass(frozen=True)
class RunSummary:
    """Outcome of a run.

    Attributes:
      status: MLflow's run status.
      metrics: metrics with a single value.
      error: reason of a failure in one line.
      artifacts: learned arrays and predictions; None if the run did not finish.
      tags: value of each tag.
      traceback: traceback of an unexpected error, stored as `traceback.txt`.
      described: metadata that was not known when the run started; None if all was. MLflow's params cannot be
        changed, so a run whose length is decided while it is trained gets its length at its end.
    """

    status: Status
    metrics: dict[str, float]
    error: str | None = None
    artifacts: RunArtifacts | None = None
    tags: dict[str, str] = field(default_factory=dict)
    traceback: str | None = None
    described: RunInfo | None = None
