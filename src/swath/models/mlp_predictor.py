"""Predictor of the multilayer perceptron: logits from stored arrays, with NumPy only.

A logged model holds a copy of this file, so it must not import anything of swath.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def logits(arrays: Mapping[str, NDArray[Any]], pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Logits of images.

    Args:
      arrays: for each layer from 1 up `weights_N` float32 [inputs, units] and `biases_N` float32 [units],
        `shift` float32 [pixels], and `scale` float32 [pixels] if the images are scaled.
      pixels: uint8 [n, pixels]

    Returns:
      float32 [n, classes]
    """
    values: NDArray[np.float32] = pixels.astype(np.float32) - arrays["shift"]
    if "scale" in arrays:
        values *= arrays["scale"]
    last = sum(name.startswith("weights_") for name in arrays)
    for layer in range(1, last + 1):
        values = values @ arrays[f"weights_{layer}"] + arrays[f"biases_{layer}"]
        if layer < last:
            values = np.maximum(values, np.float32(0))
    return values
