"""The inputs of a batch: the chosen images less the mean image, whatever the number of pixels."""

import numpy as np
import pytest

from swath.datasets import Dataset
from swath.models import tf
from swath.training import make_device_data

CHOSEN = [7, 0, 19, 7]


@pytest.mark.parametrize(
    ("pixels", "blocks"),
    [(1, 1), (64, 1), (256, 1), (257, 2), (784, 4), (961, 4), (3072, 12)],
)
def test_batch_has_the_chosen_images_and_zeros_after_them(pixels: int, blocks: int) -> None:
    generator = np.random.default_rng(pixels)
    images = generator.integers(0, 256, (20, pixels), np.uint8)
    labels = generator.integers(0, 3, 20).astype(np.uint8)
    shape = (1, 1, pixels)
    data = make_device_data(
        Dataset("digits", images, labels, images[:4], labels[:4], shape, ("a", "b", "c"), "digest", "a test"),
        0,
        "mean_image",
    )
    inputs, found = data.batch(data.train.images, data.train.labels, tf.constant(CHOSEN))
    assert len(inputs) == blocks
    whole = np.concatenate([block.numpy() for block in inputs], axis=1)
    expected = images[CHOSEN].astype(np.float64) - images.mean(axis=0)
    np.testing.assert_allclose(whole[:, :pixels], expected, atol=1e-4)
    assert not whole[:, pixels:].any()
    assert found.numpy().tolist() == labels[CHOSEN].tolist()
