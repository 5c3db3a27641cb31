"""Data sets of one's own: what is known of them is read from their files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from swath.datasets.cached import CachedSpec
from swath.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from swath.datasets.source import Source

MOST_CLASSES = 256
"""Labels are uint8."""

MOST_SIDE = 512
"""Rows or columns of an image: there is a weight for each pixel, lane and class, and each block of pixels has
operations of its own, so that a program takes half a minute to compile at 512 and many minutes at 1,024."""

_RESERVED = "class_name"
"""A column beside those of the classes in what a logged model predicts."""


@dataclass(frozen=True)
class OwnSpec(CachedSpec):
    """What was found in the files of a data set of one's own, by their names and headers.

    Attributes:
      files: the place of the files, and their state when they were looked at.
      rule: how images become training and test images of this shape.
    """

    files: Source
    rule: str

    @property
    def heading(self) -> str:
        """Shape, classes and numbers of images, and how they were read and split."""
        shape, counts = list(self.image_shape), [self.train_images, self.test_images]
        return json.dumps([shape, list(self.class_names), counts, self.rule]) + "\n"

    def check_available(self, directory: str | None = None) -> None:
        """Succeed: the files have been found."""

    def source(self, directory: str | None, folder: Path) -> Source:
        """The files that were found."""
        return self.files


def check_class_names(names: Sequence[str], where: str) -> None:
    """Check the names of classes.

    Args:
      names: in the order of the labels.
      where: what holds them, in messages.

    Raises:
      DataError: there are fewer than two or more than `MOST_CLASSES`, or a name cannot be shown.
    """
    if not 2 <= len(names) <= MOST_CLASSES:
        raise DataError(f"{where} has {len(names):,} classes, expected 2 to {MOST_CLASSES}")
    for name in names:
        if not name.strip() or not name.isprintable() or name == _RESERVED:
            raise DataError(f"{where}: {name!r} cannot be the name of a class; give it another name")
    if len(set(names)) < len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise DataError(f"{where}: two classes have the name {twice!r}")


def listed(names: Sequence[str]) -> str:
    """Names in a message: the first three, and how many there are."""
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return ", ".join(shown(name) for name in names[:3]) + more


def shown(name: str) -> str:
    """A name from the user's disk or file without characters that a terminal would act on."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)[:80]
