"""How MLflow behaves in the processes that are swath's own."""

import os

SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # A server that does not answer is reported after seconds; MLflow's own way takes minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


def settle() -> None:
    """Set what the user's environment does not; to be called before MLflow is imported."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
