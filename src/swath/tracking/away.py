"""Whether a server has gone away."""

import re

from mlflow.exceptions import MlflowException

_NO_ANSWER = re.compile(r"API request to \S+ failed with (timeout )?exception")
"""What MLflow says where there was no answer, or none but "try later", however often it asked."""


def is_away(error: Exception) -> bool:
    """Whether an error says that a server cannot be reached, or not at the moment."""
    return isinstance(error, MlflowException) and bool(_NO_ANSWER.match(str(error)))
