"""Confusion matrices, checked on Matplotlib's objects."""

import numpy as np
import pytest

from swath.plotting.figures import draw_confusion
from swath.tracking import Predictions


def test_confusion_has_true_classes_in_rows_and_predicted_ones_in_columns() -> None:
    predictions = Predictions(np.array([1, 1, 0], np.uint8), np.array([0, 0, 0], np.uint8))
    axes = draw_confusion(predictions, ("a", "b"), "title").axes[0]
    counts = {text.get_position(): text.get_text() for text in axes.texts}
    assert counts == {(0, 0): "1", (1, 0): "2", (0, 1): "0", (1, 1): "0"}
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")


@pytest.mark.parametrize(("classes", "numbers", "labels"), [(10, 100, 10), (11, 0, 11), (100, 0, 25)])
def test_confusion_of_many_classes_has_no_numbers_and_fewer_labels(
    classes: int, numbers: int, labels: int
) -> None:
    every = np.arange(classes, dtype=np.uint8)
    names = tuple(f"class {index}" for index in range(classes))
    axes = draw_confusion(Predictions(every, every), names, "title").axes[0]
    assert len(axes.texts) == numbers
    assert [text.get_text() for text in axes.get_yticklabels()] == list(names[:: classes // labels])
