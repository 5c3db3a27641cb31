"""Passwords in store addresses: where they stand, and text without them."""

import re
from urllib.parse import unquote, urlsplit

from swath.errors import SwathError

HIDDEN = "***"
_USERINFO = re.compile(r"(?P<head>[A-Za-z][\w+.-]*://[^\s:/@]*:)(?P<password>[^\s]+)@")
_LOGIN = re.compile(r"error code 40[13]\b")
LOGIN_VARIABLES = "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
NO_ANSWER = re.compile(r"API request to (?P<server>https?://[^/\s]+)\S* failed with (timeout )?exception")
"""What MLflow says where there was no answer, or none but "try later", however often it asked."""

_WHY = re.compile(r"(?<=\] )[A-Z][\w ]+|timed out")
_DRIVER = re.compile(r"\((sqlite3|psycopg2?|pymysql)\.\w+\) ")
_QUERY = re.compile(r"(?P<head>[?&]\w*password=)(?P<password>[^&\s'\"]+)", re.IGNORECASE)


def passwords_in(uri: str | None) -> list[str]:
    """The passwords in an address, as they are written there: before the @, or as a `password=`."""
    if not uri or "://" not in uri:
        return []
    try:
        before_the_host = urlsplit(uri).password
    except ValueError:  # a port that is no number, say: hide whatever could be meant
        found = _USERINFO.search(uri)
        before_the_host = found["password"] if found else None
    queried = [found["password"] for found in _QUERY.finditer(uri)]
    return [password for password in (before_the_host, *queried) if password]


def hide_password(text: str, uri: str | None) -> str:
    """`text` with the passwords of `uri` replaced wherever they occur, as written and as they decode."""
    for password in passwords_in(uri):
        for secret in {password, unquote(password)}:
            text = text.replace(secret, HIDDEN)
    return text


def hide_passwords(text: str) -> str:
    """`text` with the password of every address in it replaced."""
    return _QUERY.sub(rf"\g<head>{HIDDEN}", _USERINFO.sub(rf"\g<head>{HIDDEN}@", text))


def real_uri(uri: str | None, environment_uri: str | None) -> str | None:
    """The address that was meant by one whose password is hidden.

    Args:
      uri: from a configuration; None where it names none.
      environment_uri: what MLFLOW_TRACKING_URI holds, where the address is kept whole.
    """
    if (
        uri is not None
        and environment_uri is not None
        and hide_password(environment_uri, environment_uri) == uri
    ):
        return environment_uri
    return uri


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
