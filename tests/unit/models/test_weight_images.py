"""Pictures of weights for images of any shape and any number of classes."""

import numpy as np
import pytest

from swath.models.weight_images import draw_weights


def drawn(image_shape: tuple[int, int, int], names: tuple[str, ...]) -> tuple[int, int]:
    weights = np.random.default_rng(0).normal(size=(np.prod(image_shape), len(names))).astype(np.float32)
    return draw_weights({"weights": weights}, image_shape, names).size


@pytest.mark.parametrize(
    ("image_shape", "classes", "size"),
    [
        ((3, 32, 32), 10, (688, 312)),  # five in a row, each pixel four times as large
        ((1, 28, 28), 10, (608, 280)),
        ((3, 32, 32), 100, (2048, 1072)),  # fifteen in a row
        ((3, 300, 200), 2, (194, 160)),  # made smaller
        ((1, 1, 1), 2, (280, 160)),
        ((1, 1, 1000), 3, (416, 33)),
    ],
)
def test_picture_is_about_twice_as_wide_as_high(
    image_shape: tuple[int, int, int], classes: int, size: tuple[int, int]
) -> None:
    assert drawn(image_shape, tuple(f"class {number}" for number in range(classes))) == size


def test_a_long_name_does_not_widen_its_image() -> None:
    assert drawn((1, 8, 8), ("a", "b")) == drawn((1, 8, 8), ("a" * 500, "\u732b"))


def test_grey_is_no_weight_and_white_the_largest() -> None:
    weights = np.array([[0, 1], [1, 0]], np.float32)

    picture = draw_weights({"weights": weights}, (1, 1, 2), ("a", "b"))

    first = [picture.getpixel((8 + column, 8 + 16 + 32)) for column in (10, 100)]
    assert first == [(127, 127, 127), (255, 255, 255)]
