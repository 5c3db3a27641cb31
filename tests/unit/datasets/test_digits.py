"""The digits data set from scikit-learn."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from swath.datasets import Dataset, check_available, load_dataset, rebuild_dataset
from swath.datasets.digits import DIGITS, enlarge


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits")


def test_digits_have_the_declared_shapes(digits: Dataset) -> None:
    train, test = (DIGITS.train_images, DIGITS.pixels), (DIGITS.test_images, DIGITS.pixels)

    assert (digits.train_images.shape, digits.test_images.shape) == (train, test)
    assert (digits.image_shape, digits.num_classes) == (DIGITS.image_shape, 10)


def test_every_sixth_digit_from_the_first_is_a_test_image(digits: Dataset) -> None:
    assert np.array_equal(digits.test_labels, load_digits().target[::6])


def test_training_digits_keep_their_order(digits: Dataset) -> None:
    target = load_digits().target

    assert digits.train_labels[:10].tolist() == [*target[1:6], *target[7:12]]


def test_pixel_becomes_a_4_by_4_block_in_three_channels() -> None:
    image = np.zeros((1, 8, 8))
    image[0, 1, 2] = 16

    enlarged = enlarge(image, (3, 32, 32)).reshape(3, 32, 32)

    assert (enlarged[:, 4:8, 8:12] == 255).all() and enlarged.sum(dtype=int) == 3 * 16 * 255


@pytest.mark.parametrize(("value", "pixel"), [(0, 0), (1, 16), (7, 112), (8, 128), (15, 239), (16, 255)])
def test_values_are_stretched_and_rounded(value: int, pixel: int) -> None:
    assert enlarge(np.full((1, 8, 8), float(value)), (1, 8, 8)).max() == pixel


def test_digits_are_read_only(digits: Dataset) -> None:
    with pytest.raises(ValueError, match="read-only"):
        digits.train_images[0, 0] = 1


def test_digits_are_intact(digits: Dataset) -> None:
    assert digits.is_intact()


def test_digits_are_the_same_on_every_load(digits: Dataset) -> None:
    assert rebuild_dataset("digits").digest == digits.digest


def test_digits_are_available_for_any_data_dir() -> None:
    check_available("digits", "/no/such/folder")
