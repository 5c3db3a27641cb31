"""The classifier as an MLflow model: NumPy only, so that it loads without swath and without TensorFlow.

MLflow copies this file into the model and runs it there; it must not import anything of swath.
"""

from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import BAD_REQUEST
from mlflow.pyfunc import PythonModel  # type: ignore[attr-defined]

HEIGHT, WIDTH, CHANNELS = 32, 32, 3


PIXELS = HEIGHT * WIDTH * CHANNELS


EXPECTED = (
    "expected images as whole numbers from 0 to 255, of shape "
    f"[n, {HEIGHT}, {WIDTH}, {CHANNELS}] or [n, {PIXELS}]"
)


class SoftmaxClassifier(PythonModel):
    """Softmax regression on flattened images."""

    # MLflow asks for type hints that it can check, with a warning each time, and knows none for arrays.
    _skip_type_hint_validation = True

    def load_context(self, context: Any) -> None:
        """Read the weights that stand beside this file."""
        with np.load(context.artifacts["weights"]) as arrays:
            self._weights, self._biases = arrays["weights"], arrays["biases"]
            self._shift, self._scale = arrays["shift"], arrays.get("scale")
            self._class_names = [str(name) for name in arrays["class_names"]]

    # MLflow takes a type hint of the input for a schema.
    def predict(self, context: Any, model_input, params: Any = None) -> pd.DataFrame:  # type: ignore[no-untyped-def]
        """Classify images.

        Args:
          context: MLflow's.
          model_input: uint8 [n, 32, 32, 3], or uint8 [n, 3072] with all red values first, then
            green, then blue, as CIFAR-10 keeps them.
          params: none.

        Returns:
          A DataFrame with a row per image: `class_name`, and a column of probabilities per class.

        Raises:
          MlflowException: the input is no batch of images; a server answers with status 400.
        """
        logits = self.logits(_pixels(model_input))
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
        names = [self._class_names[index] for index in logits.argmax(axis=1)]
        table = pd.DataFrame(probabilities.astype(np.float64), columns=self._class_names)
        table.insert(0, "class_name", names)
        return table

    def logits(self, pixels: Any) -> Any:
        """Logits, float32 [n, classes], of uint8 [n, 3072]."""
        inputs = pixels.astype(np.float32) - self._shift
        if self._scale is not None:
            inputs *= self._scale
        return inputs @ self._weights + self._biases


def _pixels(model_input: Any) -> Any:
    """The input as uint8 [n, 3072]."""
    values = model_input.to_numpy() if isinstance(model_input, pd.DataFrame) else model_input
    if isinstance(values, np.ndarray) and values.dtype == object:
        values = values.tolist()
    try:
        images = np.asarray(values)
    except ValueError:
        raise _bad_request("images of different shapes") from None
    if images.shape[1:] not in ((PIXELS,), (HEIGHT, WIDTH, CHANNELS)):
        raise _bad_request(f"shape {list(images.shape)}")
    if images.dtype.kind not in "uif":
        raise _bad_request(f"values of type {images.dtype}")
    if images.size and (images.min() < 0 or images.max() > 255 or (images != np.trunc(images)).any()):
        raise _bad_request(f"values from {images.min()} to {images.max()}")
    rows = images if images.ndim == 2 else images.transpose(0, 3, 1, 2).reshape(len(images), PIXELS)
    return rows.astype(np.uint8)


def _bad_request(found: str) -> MlflowException:
    return MlflowException(f"{EXPECTED}; found {found}", error_code=BAD_REQUEST)


set_model(SoftmaxClassifier())
