"""Whether a server has gone away."""

from mlflow.exceptions import MlflowException


def is_away(error: Exception) -> bool:
    """Whether an error says that a server cannot be reached, or not at the moment."""
    return isinstance(error, MlflowException) and str(error).startswith("API request to ")
