"""The CIFAR-10 images, out of files in the official layout."""

import numpy as np

from swath.config.datasets import PIXELS, DatasetSpec
from swath.data.archive import read_archive
from swath.data.batches import check_class_names, parse_batch
from swath.data.dataset import Dataset, digest_of
from swath.data.layout import BATCH_ROWS, META_FILE, TEST_FILE, TRAIN_FILES, read_folder
from swath.data.source import Source


def read_batches(spec: DatasetSpec, source: Source) -> Dataset:
    """Read and check every batch file of a source.

    Args:
      spec: what the data set declares; sizes are those of the official layout.
      source: a folder or an archive with all batch files.

    Raises:
      DataError: a file is not what the layout declares.
    """
    images = np.empty((spec.train_images + spec.test_images, PIXELS), dtype=np.uint8)
    labels = np.empty(spec.train_images + spec.test_images, dtype=np.uint8)
    first_row = {name: index * BATCH_ROWS for index, name in enumerate((*TRAIN_FILES, TEST_FILE))}
    files = read_folder(source.place) if source.place.is_dir() else read_archive(source.place)
    for file_name, content in files:
        if file_name == META_FILE:
            check_class_names(content, file_name, spec.class_names)
        else:
            rows = slice(first_row[file_name], first_row[file_name] + BATCH_ROWS)
            images[rows], labels[rows] = parse_batch(content, file_name, BATCH_ROWS, len(spec.class_names))
    images.flags.writeable = labels.flags.writeable = False
    train_images, test_images = np.split(images, [spec.train_images])
    train_labels, test_labels = np.split(labels, [spec.train_images])
    return Dataset(
        name=spec.name,
        train_images=train_images,
        train_labels=train_labels,
        test_images=test_images,
        test_labels=test_labels,
        class_names=spec.class_names,
        digest=digest_of(train_images, train_labels, test_images, test_labels),
        source=source.origin,
    )
