"""How MLflow behaves in the processes that are swath's own, and its errors in one line."""

import os
import re

from swath.errors import SwathError
from swath.system import hide_password, hide_passwords

_LOGIN = re.compile(r"error code 40[13]\b")


LOGIN_VARIABLES = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"


NO_ANSWER = re.compile(r"API request to (?P<server>https?://[^/\s]+)\S* failed with (timeout )?exception")
"""What MLflow says where there was no answer, or none but "try later", however often it asked."""


_WHY = re.compile(r"(?<=\] )[A-Z][\w ]+|timed out")


_DRIVER = re.compile(r"\((sqlite3|psycopg2?|pymysql)\.\w+\) ")


TRACKING_VARIABLE = "MLFLOW_TRACKING_URI"


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


def enable_retries() -> None:
    """From now on wait for a server that goes away, unless the user has said for how long."""
    if os.environ.get(RETRIES) == SETTINGS[RETRIES]:
        os.environ[RETRIES] = PATIENT_RETRIES


def one_line(error: Exception, uri: str | None) -> str:
    """An error of the store's as one line without passwords; 'MLflow: ...' where it is not swath's own."""
    text = str(error) if isinstance(error, SwathError) else f"MLflow: {error}"
    # The first line says what; SQLAlchemy appends the statement and a link on the next ones.
    line = next((part.strip() for part in text.splitlines() if part.strip()), type(error).__name__)
    if _LOGIN.search(line):
        line = f"the server asks for a login; set {LOGIN_VARIABLES} ({line})"
    if away := NO_ANSWER.search(line):
        why = _WHY.search(line)
        line = (
            f"the server {away['server']} does not answer ({why[0] if why else line}); is it running there?"
        )
    return hide_passwords(hide_password(_DRIVER.sub("", line), uri))
