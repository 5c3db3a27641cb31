"""The rule that splits one's own images: seeded, equal on every machine, in proportion to the classes."""

import hashlib
from collections.abc import Sequence

SPLIT_RULE = "sixth-1"
"""Name of the rule, part of the digest of a data set that it splits. It seeds the order of the images too."""

TEST_PART = 6
"""One image of this many of each class is a test image, where the user has not set test images apart."""


def split(
    labels: Sequence[int], names: Sequence[bytes], *, sets_test_apart: bool
) -> tuple[list[int], list[int]]:
    """Split images into training and test images.

    The order is by the hash of each name. In both parts the classes are spread evenly, so that the last
    training images, which `data.validation_size` holds back, hold every class in proportion too.

    Args:
      labels: class of each image.
      names: name of each image, unique.
      sets_test_apart: whether a sixth of each class become test images, at least one of two; else none.

    Returns:
      Indices of the training images, and of the test images.
    """
    classes: dict[int, list[tuple[bytes, int]]] = {}
    for index, (label, name) in enumerate(zip(labels, names, strict=True)):
        key = hashlib.sha256(SPLIT_RULE.encode() + b"/" + name).digest()
        classes.setdefault(label, []).append((key, index))
    train: list[tuple[float, bytes, int]] = []
    test: list[tuple[float, bytes, int]] = []
    for members in classes.values():
        members.sort()
        apart = max(len(members) // TEST_PART, int(len(members) > 1)) if sets_test_apart else 0
        test += _spread(members[:apart])
        train += _spread(members[apart:])
    return [index for *_, index in sorted(train)], [index for *_, index in sorted(test)]


def _spread(members: Sequence[tuple[bytes, int]]) -> list[tuple[float, bytes, int]]:
    """Places of the images of a class between 0 and 1, at equal distances."""
    return [((rank + 0.5) / len(members), key, index) for rank, (key, index) in enumerate(members)]
