"""The confusion matrix of a run."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from swath.plotting.style import new_figure
from swath.reading.files import Predictions
from swath.tracking.artifacts import confusion_counts


def draw_confusion(predictions: Predictions, class_names: Sequence[str], title: str) -> Figure:
    """How many images of each class are taken for which: rows are true classes, columns predicted ones.

    Shades are shares of a row; numbers are images.

    Args:
      predictions: of the run.
      class_names: in the order of their numbers.
      title: above the picture.
    """
    counts = confusion_counts(predictions.labels, predictions.classes, len(class_names))
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    figure, (axes,) = new_figure(6.4, 5.4)
    image = axes.imshow(shares, cmap="Greys", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(len(class_names)), class_names, rotation=45, ha="right")
    axes.set_yticks(range(len(class_names)), class_names)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.set_title(title, fontsize=10)
    figure.colorbar(image, ax=axes, label="share of the images of the true class")
    return figure
