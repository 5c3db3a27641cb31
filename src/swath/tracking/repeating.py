"""Repeats what fails because the store, or its place of artifacts, is away for a moment."""

import os
import time
from collections.abc import Callable
from typing import TypeVar

from swath.errors import AwayError
from swath.tracking.databases import is_passing
from swath.tracking.mlflow_setup import RETRIES_ONCE_OPEN, RETRIES_VARIABLE

T = TypeVar("T")


FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0


def patience_s() -> float:
    """Seconds for which calls are repeated: as long as MLflow's client repeats requests to a server.

    That waits for 0, 4, 8, 16 and 32 s; `MLFLOW_HTTP_REQUEST_MAX_RETRIES` is the number of repeats.
    """
    retries = os.environ.get(RETRIES_VARIABLE, RETRIES_ONCE_OPEN)
    return float(2 ** (int(retries) + 1) - 4) if retries.isdecimal() and int(retries) > 1 else 0.0


def patiently(call: Callable[[], T], again: Callable[[], T] | None = None) -> T:
    """Call a function, and again as long as the database or the place of artifacts is away.

    A transaction whose COMMIT was not answered may have been carried out.

    Args:
      call: works on a database, or raises `AwayError`.
      again: called instead of `call` after the first failure; finds out what has been carried out.

    Raises:
      Exception: the error of the last attempt.
    """
    started, pause_s = time.monotonic(), FIRST_PAUSE_S
    attempt = call
    while True:
        try:
            return attempt()
        except Exception as error:
            passes = isinstance(error, AwayError) or is_passing(error)
            if not passes or time.monotonic() - started >= patience_s():
                raise
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        attempt = again or call
