"""Sizes of the data set of a stored run, for what is drawn, tested and logged afterwards."""

import json
from dataclasses import dataclass

from swath.datasets import DATASETS, Dataset, DatasetSpec
from swath.tracking import schema
from swath.tracking.stored_runs import StoredRun


@dataclass(frozen=True)
class DataSizes:
    """Sizes of a data set.

    Attributes:
      image_shape: channels, rows, columns.
      classes: number of labels.
      train_images: number of training images, validation images included.
      test_images: number of test images.
    """

    image_shape: tuple[int, int, int]
    classes: int
    train_images: int
    test_images: int

    def text(self) -> str:
        """The value of the tag `swath.data_sizes`."""
        counts = {"classes": self.classes, "train": self.train_images, "test": self.test_images}
        return json.dumps({"shape": list(self.image_shape), **counts})


def sizes_of(dataset: Dataset) -> DataSizes:
    """Sizes of loaded images."""
    images = len(dataset.train_images), len(dataset.test_images)
    return DataSizes(dataset.image_shape, dataset.num_classes, *images)


def data_sizes(run: StoredRun) -> DataSizes | None:
    """Sizes of the data set of a run; None if they are not known.

    Stores of version 0.1 do not have them: its data sets are known by their names.
    """
    try:
        found = json.loads(run.tags[schema.DATA_SIZES])
        channels, rows, columns = map(int, found["shape"])
        return DataSizes(
            (channels, rows, columns), *(int(found[key]) for key in ("classes", "train", "test"))
        )
    except (ValueError, TypeError, KeyError):
        spec = DATASETS.get(run.params.get(schema.DATA_NAME, ""))
        return None if spec is None else _of_spec(spec)


def _of_spec(spec: DatasetSpec) -> DataSizes:
    return DataSizes(spec.image_shape, spec.num_classes, spec.train_images, spec.test_images)
