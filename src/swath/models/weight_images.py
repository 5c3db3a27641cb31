"""Draws the weights of each class as an image."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_TILE = 128
"""Longer side of the image of a class, at most: a pixel of the data is drawn as a square, or with others."""

_GAP = 8

_LABEL = 16

_UNIT_TILE = 64
"""The same for a unit of a hidden layer."""

_UNIT_ROW = 10


def draw_weights(
    arrays: Mapping[str, NDArray[np.float32]],
    image_shape: tuple[int, int, int],
    class_names: tuple[str, ...],
) -> Image.Image:
    """Draw the weights of each class as a labelled image, about twice as wide as high.

    Middle grey is a weight of zero. A channel is brighter where its weight is greater. All classes share one
    scale, the 99.5th percentile of the absolute weights, so that a few extreme weights do not make all others
    grey.

    Args:
      arrays: contains `weights`, float32 [pixels, classes].
      image_shape: channels (1 or 3), rows, columns.
      class_names: in the order of the columns of the weights.

    Returns:
      The picture; its `info["scale"]` is the weight that has the brightest colour.
    """
    height, width, filter_ = _tile(image_shape, _TILE)
    columns = math.ceil(math.sqrt(2 * len(class_names)))  # ten classes in two rows of five
    rows = -(-len(class_names) // columns)
    sheet = Image.new(
        "RGB", (_GAP + columns * (width + _GAP), _GAP + rows * (height + _LABEL + _GAP)), "white"
    )
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=12)
    for index, (name, image) in enumerate(
        zip(class_names, _class_images(arrays["weights"], image_shape), strict=True)
    ):
        left = _GAP + index % columns * (width + _GAP)
        top = _GAP + index // columns * (height + _LABEL + _GAP)
        pen.text((left, top), _shortened(name, width, font), fill="black", font=font)
        sheet.paste(image.resize((width, height), filter_), (left, top + _LABEL))
    sheet.info["scale"] = _largest(arrays["weights"])
    return sheet


def _tile(image_shape: tuple[int, int, int], most: int) -> tuple[int, int, Image.Resampling]:
    """Rows and columns of a tile whose longer side is at most `most`, and how an image is resized to it."""
    longer = max(image_shape[1:])
    height, width = (
        max(1, side * (most // longer) if longer <= most else side * most // longer)
        for side in image_shape[1:]
    )
    return height, width, Image.Resampling.NEAREST if longer <= most else Image.Resampling.BOX


MOST_UNITS = 100
"""Units that a picture shows, the ones with the largest weights in the next layer first."""


def draw_units(
    arrays: Mapping[str, NDArray[np.float32]],
    image_shape: tuple[int, int, int],
    class_names: tuple[str, ...],
) -> Image.Image:
    """Draw the weights of the first hidden layer, a tile for each unit, ten in a row.

    The units come in the order of the sum of their absolute weights in the next layer, at most `MOST_UNITS`
    of them. Grey levels and scale are those of `draw_weights`.

    Args:
      arrays: `weights_1` float32 [pixels, units] and `weights_2` float32 [units, next units].
      image_shape: channels (1 or 3), rows, columns.
      class_names: not used: a unit has no class.

    Returns:
      The picture; its `info["scale"]` is the weight that has the brightest colour.
    """
    order = np.argsort(-np.abs(arrays["weights_2"]).sum(axis=1), kind="stable")[:MOST_UNITS]
    weights = arrays["weights_1"][:, order]
    height, width, filter_ = _tile(image_shape, _UNIT_TILE)
    rows = -(-len(order) // _UNIT_ROW)
    columns = min(len(order), _UNIT_ROW)
    size = (_GAP + columns * (width + _GAP), _GAP + rows * (height + _GAP))
    sheet = Image.new("RGB", size, "white")
    for index, image in enumerate(_class_images(weights, image_shape)):
        row, column = divmod(index, _UNIT_ROW)
        place = (_GAP + column * (width + _GAP), _GAP + row * (height + _GAP))
        sheet.paste(image.resize((width, height), filter_), place)
    sheet.info["scale"] = _largest(weights)
    return sheet


def _shortened(name: str, width: int, font: Any) -> str:
    """A name that is no wider than its image."""
    if font.getlength(name) <= width:
        return name
    kept = next((end for end in range(len(name), 0, -1) if font.getlength(f"{name[:end]}...") <= width), 1)
    return f"{name[:kept]}..."


def _largest(weights: NDArray[np.float32]) -> float:
    """The weight that has the brightest colour."""
    return float(np.percentile(np.abs(weights), 99.5)) or 1.0


def _class_images(weights: NDArray[np.float32], image_shape: tuple[int, int, int]) -> list[Image.Image]:
    largest = _largest(weights)
    levels = np.clip(127.5 + 127.5 * weights.T / largest, 0, 255).astype(np.uint8)
    shaped = [np.ascontiguousarray(row.reshape(image_shape).transpose(1, 2, 0)) for row in levels]
    return [Image.fromarray(each[:, :, 0] if image_shape[0] == 1 else each) for each in shaped]
