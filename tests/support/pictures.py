"""Folders and files of small images of one's own."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def picture(brightness: int, seed: int, rows: int = 6, columns: int = 8) -> NDArray[np.uint8]:
    """Noise around a brightness: uint8 [rows, columns, 3]."""
    noise = np.random.default_rng(seed).normal(brightness, 20, (rows, columns, 3))
    return np.clip(noise, 0, 255).astype(np.uint8)


def write_pictures(folder: Path, classes: Mapping[str, int], count: int = 12) -> Path:
    """Write `count` images of each class, half of them PNG, half JPEG, into a folder of its own.

    Args:
      folder: a new folder, or one without these classes.
      classes: brightness of the images, by name of the class.
      count: images of each class.

    Returns:
      `folder`.
    """
    for name, brightness in classes.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            suffix = "png" if number % 2 else "jpg"
            Image.fromarray(picture(brightness, number)).save(folder / name / f"{number}.{suffix}")
    return folder
