"""A classifier as an MLflow model: a predictor file and its arrays, loaded without swath and TensorFlow.

MLflow copies this file into the model and runs it there, so it must not import anything of swath.
"""

import importlib.util
import math
from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.protos.databricks_pb2 import BAD_REQUEST
from mlflow.pyfunc import PythonModel  # type: ignore[attr-defined]


class ImageClassifier(PythonModel):
    """Classifies images with the `logits` function of a predictor file."""

    # MLflow warns each time about type hints that it cannot check, and it knows none for arrays.
    _skip_type_hint_validation = True

    def load_context(self, context: Any) -> None:
        """Load the arrays and the predictor of the model.

        The arrays include `class_names`, and `image_shape` as [channels, rows, columns].
        """
        with np.load(context.artifacts["arrays"]) as arrays:
            self._arrays = dict(arrays)
        self._class_names = [str(name) for name in self._arrays.pop("class_names")]
        self._image_shape = tuple(int(length) for length in self._arrays.pop("image_shape"))
        spec = importlib.util.spec_from_file_location("predictor", context.artifacts["predictor"])
        assert spec is not None and spec.loader is not None
        self._predictor = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self._predictor)

    # MLflow takes a type hint of the input for a schema.
    def predict(self, context: Any, model_input, params: Any = None) -> pd.DataFrame:  # type: ignore[no-untyped-def]
        """Classify images.

        Args:
          context: unused.
          model_input: whole numbers 0..255: [n, rows, columns, channels], or [n, pixels] with all values of
            the first channel first, as CIFAR-10 stores images.
          params: unused.

        Returns:
          A DataFrame with a row per image: `class_name`, and a column of probabilities per class.

        Raises:
          MlflowException: the input is not a batch of images; a server answers with status 400.
        """
        logits = self._predictor.logits(self._arrays, self._pixels(model_input))
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
        names = [self._class_names[index] for index in logits.argmax(axis=1)]
        table = pd.DataFrame(probabilities.astype(np.float64), columns=self._class_names)
        table.insert(0, "class_name", names)
        return table

    def _pixels(self, model_input: Any) -> Any:
        """The input as uint8 [n, pixels]."""
        values = model_input.to_numpy() if isinstance(model_input, pd.DataFrame) else model_input
        if isinstance(values, np.ndarray) and values.dtype == object:
            values = values.tolist()
        try:
            images = np.asarray(values)
        except ValueError:
            raise self._bad_request("images of different shapes") from None
        channels, rows, columns = self._image_shape
        pixels = math.prod(self._image_shape)
        if images.shape[1:] not in ((pixels,), (rows, columns, channels)):
            raise self._bad_request(f"shape {list(images.shape)}")
        if images.dtype.kind not in "uif":
            raise self._bad_request(f"values of type {images.dtype}")
        if images.size and (images.min() < 0 or images.max() > 255 or (images != np.trunc(images)).any()):
            raise self._bad_request(f"values from {images.min()} to {images.max()}")
        flat = images if images.ndim == 2 else images.transpose(0, 3, 1, 2).reshape(len(images), pixels)
        return flat.astype(np.uint8)

    def _bad_request(self, found: str) -> MlflowException:
        channels, rows, columns = self._image_shape
        expected = (
            f"expected images as whole numbers from 0 to 255, of shape [n, {rows}, {columns}, {channels}] "
            f"or [n, {math.prod(self._image_shape)}]"
        )
        return MlflowException(f"{expected}; found {found}", error_code=BAD_REQUEST)


set_model(ImageClassifier())
