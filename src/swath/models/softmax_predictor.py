"""Predictor of softmax regression: logits from stored arrays, with NumPy only.

A logged model holds a copy of this file, so it must not import anything of swath.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def logits(arrays: Mapping[str, NDArray[Any]], pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Logits of images.

    Args:
      arrays: `weights` float32 [pixels, classes], `biases` float32 [classes], `shift` float32 [pixels], and
        `scale` float32 [pixels] if the images are scaled.
      pixels: uint8 [n, pixels]

    Returns:
      float32 [n, classes]
    """
    inputs = pixels.astype(np.float32) - arrays["shift"]
    if "scale" in arrays:
        inputs *= arrays["scale"]
    found: NDArray[np.float32] = inputs @ arrays["weights"] + arrays["biases"]
    return found
