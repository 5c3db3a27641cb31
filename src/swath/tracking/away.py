"""Whether a server has gone away."""

from mlflow.exceptions import MlflowException

from swath.tracking.secrets import NO_ANSWER


def is_away(error: Exception) -> bool:
    """Whether an error says that a server cannot be reached, or not at the moment."""
    return isinstance(error, MlflowException) and bool(NO_ANSWER.match(str(error)))
