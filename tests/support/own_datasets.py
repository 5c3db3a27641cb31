"""Data sets of packages and programs for tests."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from swath.config import add_declared
from swath.config.additions import DATA, remove
from swath.datasets import Images, OwnDataset

PACKAGE = '''
"""Stripes: images of horizontal and vertical stripes, read from a file of the user."""
from swath.config import Range, data_field
from swath.datasets import OwnDataset

STRIPES = OwnDataset(
    "stripes",
    "stripes.files:find",
    {"side": data_field(8, Range(4, most=64), "Rows and columns of an image.", unit="pixels")},
    "Horizontal and vertical stripes.",
)
'''

FILES = """
import numpy as np
from swath.datasets import Images

CLASSES = ("horizontal", "vertical")


def find(fields, place):
    if place is None or not (place / "seed.txt").exists():
        raise FileNotFoundError(f"no seed.txt in {place}; expected data.dir=FOLDER with it")
    file, side = place / "seed.txt", fields["side"]

    def read():
        generator = np.random.default_rng(int(file.read_text()))
        labels = np.arange(180) % 2
        images = generator.integers(0, 60, (180, side, side, 1))
        images[labels == 0, ::2] += 150
        images[labels == 1, :, ::2] += 150
        images = images.astype(np.uint8)
        return images[:120], labels[:120], images[120:], labels[120:]

    return Images((side, side, 1), CLASSES, 120, 60, read, (file,))
"""


def write_stripes(folder: Path) -> None:
    """Write the package `stripes` with metadata, as an installer leaves it in a folder of `sys.path`."""
    (folder / "stripes").mkdir(parents=True)
    (folder / "stripes" / "__init__.py").write_text(PACKAGE, encoding="utf-8")
    (folder / "stripes" / "files.py").write_text(FILES, encoding="utf-8")
    info = folder / "stripes-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stripes\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[swath.datasets]\nstripes = stripes:STRIPES\n", encoding="utf-8")


def dots(**changes: Any) -> Images:
    """Images of one bright dot, whose row is the class, with changes of what is told."""
    labels = np.arange(30) % 3
    images = np.zeros((30, 4, 5, 3), np.uint8)
    images[np.arange(30), labels, labels, 1] = 250
    told = {
        "shape": (4, 5, 3),
        "class_names": ("top", "middle", "low"),
        "train_images": 24,
        "test_images": 6,
        "read": lambda: (images[:24], labels[:24], images[24:], labels[24:]),
    }
    return Images(**{**told, **changes})


def find_dots(fields: Mapping[str, Any], place: Path | None) -> Images:
    return dots()


@contextlib.contextmanager
def dataset_added(own: OwnDataset) -> Iterator[None]:
    """Add a data set as a program does, for a while."""
    add_declared(own)
    try:
        yield
    finally:
        remove(DATA, own.name)
