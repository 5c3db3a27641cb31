"""Statistics of pixels do not depend on how the images are split into blocks."""

import numpy as np
import pytest

from swath.datasets import pixel_statistics

IMAGES = np.random.default_rng(0).integers(0, 256, (700, 3072), dtype=np.uint8)


def test_mean_image_is_the_mean_in_float64_rounded_once() -> None:
    exact = IMAGES.astype(np.int64).sum(axis=0) / 700
    assert pixel_statistics(IMAGES, "mean_image").shift.tobytes() == exact.astype(np.float32).tobytes()


def test_sums_stay_exact_for_the_brightest_images() -> None:
    white = np.full((50_000, 8), 255, np.uint8)
    white[0, 0] = 254
    shift = pixel_statistics(white, "mean_image").shift
    assert shift[0] == np.float32((255 * 50_000 - 1) / 50_000)


def test_standardize_divides_by_the_standard_deviation() -> None:
    statistics = pixel_statistics(IMAGES, "standardize")
    assert statistics.scale is not None
    np.testing.assert_allclose(statistics.scale, 1 / IMAGES.std(axis=0, dtype=np.float64), rtol=1e-6)


def test_standardize_leaves_a_pixel_that_never_varies_at_zero() -> None:
    images = IMAGES.copy()
    images[:, 5] = 77
    statistics = pixel_statistics(images, "standardize")
    assert statistics.scale is not None
    assert (77 - statistics.shift[5]) * statistics.scale[5] == 0


def test_none_leaves_pixels_as_they_are() -> None:
    statistics = pixel_statistics(IMAGES, "none")
    assert not statistics.shift.any()
    assert statistics.scale is None


def test_an_unknown_preprocessing_is_refused() -> None:
    with pytest.raises(ValueError, match="whiten"):
        pixel_statistics(IMAGES, "whiten")
