"""The rule by which the file of an image becomes pixels.

As a viewer shows it: turned by its EXIF orientation, in RGB without transparency. Then it is stretched to a
square, by bilinear interpolation over the area that each new pixel covers.
"""

import math
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from swath.datasets.dataset import Dataset, digest_of
from swath.datasets.image_folder import ImageFolderSpec
from swath.datasets.own import listed
from swath.errors import DataError
from swath.system import workers

if TYPE_CHECKING:
    from swath.datasets.dataset import Bytes

MOST_PIXELS = 50_000_000
"""Rows times columns of an image; a small file can unpack to any size."""

_EIGHT_BITS = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")
"""Pillow's modes of images of up to 8 bits a channel; it would cut others off at 255."""


def read_dataset(spec: ImageFolderSpec) -> Dataset:
    """Decode and resize every image of a data set.

    Raises:
      DataError: a file is no image, too large, or was removed.
    """
    every = (*spec.train, *spec.test)
    images = np.empty((len(every), spec.pixels), np.uint8)
    labels = np.array([label for _, label in every], np.uint8)
    size = spec.image_shape[1]

    def fill(index: int) -> None:
        images[index] = read_image(spec.files.place, every[index][0], size)

    with (
        warnings.catch_warnings(action="ignore"),  # Pillow warns of odd metadata, and of sizes refused here
        ThreadPoolExecutor(workers(), thread_name_prefix="swath-images") as threads,
    ):
        try:
            for done in [threads.submit(fill, index) for index in range(len(every))]:
                done.result()
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise
    images.flags.writeable = labels.flags.writeable = False
    train_images, test_images = np.split(images, [spec.train_images])
    train_labels, test_labels = np.split(labels, [spec.train_images])
    arrays = (train_images, train_labels, test_images, test_labels)
    return Dataset(
        spec.name,
        *arrays,
        image_shape=spec.image_shape,
        class_names=spec.class_names,
        digest=digest_of(*arrays, heading=spec.heading),
        source=spec.files.origin,
        heading=spec.heading,
    )


def read_image(folder: Path, name: str, size: int) -> "Bytes":
    """One image.

    Args:
      folder: of the data set.
      name: path of the file below it.
      size: rows and columns of the result.

    Returns:
      uint8 [3 * size * size]: all values of red, then green, then blue.

    Raises:
      DataError: the file is no image, or too large.
    """
    try:
        with Image.open(folder / name, formats=("PNG", "JPEG")) as image:
            if math.prod(image.size) > MOST_PIXELS:  # only the header has been read
                raise Image.DecompressionBombError
            if image.mode not in _EIGHT_BITS:
                raise DataError(
                    f"{listed([name])} in {folder} has more than 8 bits a channel ({image.mode}); "
                    "save it with 8 bits"
                )
            turned = ImageOps.exif_transpose(image)
            pixels = turned.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
            return np.asarray(pixels, np.uint8).transpose(2, 0, 1).reshape(-1)
    except Image.DecompressionBombError as error:
        most = f"{MOST_PIXELS:,} pixels"
        raise DataError(f"{listed([name])} in {folder} has more than {most}; make it smaller") from error
    except DataError:
        raise
    except MemoryError as error:
        raise DataError(f"not enough memory to read {listed([name])} in {folder}") from error
    except Exception as error:  # damaged files raise exceptions of many classes
        reason = "it is no PNG or JPEG image, or is damaged"
        if isinstance(error, OSError) and error.strerror:
            reason = error.strerror
        raise DataError(f"cannot read {listed([name])} in {folder}: {reason}") from error
