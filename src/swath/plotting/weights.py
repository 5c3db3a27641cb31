"""Weights as images: the best run's beside the worst's."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from swath.plotting.style import new_figure
from swath.tracking.pictures import draw_weights


def draw_weight_sheets(
    sheets: Sequence[tuple[str, NDArray[np.float32]]], class_names: tuple[str, ...]
) -> Figure:
    """Sheets of weights side by side, as `weights.png` of a run shows them.

    Args:
      sheets: of each, its title and weights, float32 [3072, classes].
      class_names: in the order of the columns.
    """
    figure, axes = new_figure(6.0 * len(sheets), 3.3, len(sheets))
    for place, (title, weights) in zip(axes, sheets, strict=True):
        place.imshow(np.asarray(draw_weights(weights, class_names)))
        place.set_title(title, fontsize=10)
        place.axis("off")
    return figure
