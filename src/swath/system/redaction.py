"""Passwords in store addresses: where they stand, and text without them."""

import re
from urllib.parse import unquote, urlsplit

HIDDEN = "***"


_USERINFO = re.compile(r"(?P<head>[A-Za-z][\w+.-]*://[^\s:/@]*:)(?P<password>[^\s]+)@")


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
