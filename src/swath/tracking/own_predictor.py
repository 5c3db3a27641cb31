"""Predictor of a model that a package brings: logits from stored arrays, by the model itself.

A logged model holds a copy of this file. It needs swath, TensorFlow and the package, which are among the
requirements of the logged model.
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray


@cache
def _model(described: str) -> Any:
    """The model that a text in the arrays describes."""
    from swath.config import FIELDS
    from swath.errors import SwathError
    from swath.models import code_of, model_of

    given = json.loads(described)
    spec = model_of(given["values"])
    if code_of(spec) != given["code"]:
        found, expected = code_of(spec), given["code"]
        raise SwathError(f"model {spec.name}: its code is {found}, this model was logged with {expected}")
    values = {name: FIELDS[name].constraint.canonical(value) for name, value in given["values"].items()}
    shape = tuple(given["image_shape"])
    return spec.make(values, int(np.prod(shape)), given["classes"], shape)


def logits(arrays: Mapping[str, NDArray[Any]], pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Logits of images.

    Args:
      arrays: those of the model by name, `shift` float32 [pixels], `scale` float32 [pixels] if the images are
        scaled, and `described`, a text with the values of the run, the shape of images and the classes.
      pixels: uint8 [n, pixels]

    Returns:
      float32 [n, classes]

    Raises:
      SwathError: the package of the model is not installed, or its code has changed.
    """
    model = _model(str(arrays["described"]))
    inputs = pixels.astype(np.float32) - arrays["shift"]
    if "scale" in arrays:
        inputs *= arrays["scale"]
    found: NDArray[np.float32] = model.logits(arrays, inputs)
    return found
