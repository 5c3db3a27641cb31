"""Weights as pictures: what each class's weights look like as an image."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from swath.datasets import IMAGE_SHAPE

_SCALE = 4


_GAP = 8


_LABEL = 16


_ROW = 5


def draw_weights(weights: NDArray[np.float32], class_names: tuple[str, ...]) -> Image.Image:
    """Each class's weights as a labelled 32 x 32 picture, five in a row.

    Middle grey is a weight of zero; a channel is brighter where more of that colour speaks for the class. One
    scale for all classes, set by the 99.5th percentile of the absolute weights so that a few extremes do not
    leave the rest grey.

    Args:
      weights: float32 [3072, classes]
      class_names: in the order of the columns
    """
    height, width = IMAGE_SHAPE[1] * _SCALE, IMAGE_SHAPE[2] * _SCALE
    rows = -(-len(class_names) // _ROW)
    sheet = Image.new("RGB", (_GAP + _ROW * (width + _GAP), _GAP + rows * (height + _LABEL + _GAP)), "white")
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=12)
    for index, (name, picture) in enumerate(zip(class_names, _pictures(weights), strict=True)):
        left = _GAP + index % _ROW * (width + _GAP)
        top = _GAP + index // _ROW * (height + _LABEL + _GAP)
        pen.text((left, top), name, fill="black", font=font)
        sheet.paste(picture.resize((width, height), Image.Resampling.NEAREST), (left, top + _LABEL))
    return sheet


def _pictures(weights: NDArray[np.float32]) -> list[Image.Image]:
    largest = float(np.percentile(np.abs(weights), 99.5)) or 1.0
    levels = np.clip(127.5 + 127.5 * weights.T / largest, 0, 255).astype(np.uint8)
    return [
        Image.fromarray(np.ascontiguousarray(row.reshape(IMAGE_SHAPE).transpose(1, 2, 0))) for row in levels
    ]
