"""The data sets that swath knows, and what each declares about itself before it is loaded."""

from dataclasses import dataclass

IMAGE_SHAPE = (3, 32, 32)
"""Channel, row, column of every image; a flattened image lists all red values, then green, then blue."""


PIXELS = 3072
"""Values in one flattened image."""


CLASSES = 10
"""Labels of every data set."""


@dataclass(frozen=True)
class DatasetSpec:
    """What a data set declares.

    Attributes:
      name: as in `data.name`.
      train_images: number of training images, validation images included.
      test_images: number of test images.
      class_names: the name of each label, in the order of the labels.
    """

    name: str
    train_images: int
    test_images: int
    class_names: tuple[str, ...]


DATASETS = {
    spec.name: spec
    for spec in (
        DatasetSpec(
            "cifar10",
            50_000,
            10_000,
            ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        ),
        DatasetSpec("digits", 1_497, 300, tuple("0123456789")),
    )
}
