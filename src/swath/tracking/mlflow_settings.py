"""How MLflow behaves in the processes that are swath's own."""

import os

RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"

SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # A server that does not answer at the start is reported after seconds; MLflow's own way takes minutes.
    RETRIES: "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}

PATIENT_RETRIES = "5"
"""A server that has answered before may be restarting: after 0, 4, 8, 16 and 32 seconds it is asked again."""


def settle() -> None:
    """Set what the user's environment does not; to be called before MLflow is imported."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)


def be_patient() -> None:
    """From now on wait for a server that goes away, unless the user has said for how long."""
    if os.environ.get(RETRIES) == SETTINGS[RETRIES]:
        os.environ[RETRIES] = PATIENT_RETRIES
