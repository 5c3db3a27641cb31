"""Whether a store answers at all, asked before images are downloaded. Does not import MLflow."""

import os
import socket
from urllib.parse import urlsplit

from swath.errors import AwayError
from swath.tracking.address import is_server
from swath.tracking.databases import CONNECT_S, check_database
from swath.tracking.mlflow_setup import PROXY_VARIABLES, database_file

PORTS = {"http": 80, "https": 443}


def check_reachable(uri: str) -> None:
    """Check that a database lets this user in, or that somebody listens where a server should be.

    Takes at most about `CONNECT_S` seconds. A server behind a proxy is not asked.

    Args:
      uri: address of a store, with its password; SQLite files are not tried.

    Raises:
      UsageError: the address cannot be understood, or its driver is not installed.
      AwayError: nobody answers.
      SwathError: the database does not exist, or refuses the login.
    """
    if database_file(uri) is not None:
        return
    if not is_server(uri):
        check_database(uri)
        return
    if any(os.environ.get(name) for name in PROXY_VARIABLES):
        return
    parts = urlsplit(uri)
    try:
        port = parts.port or PORTS[parts.scheme]
        socket.create_connection((parts.hostname or "", port), CONNECT_S).close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        raise AwayError(f"the server {place} does not answer ({reason}); is it running there?") from error
