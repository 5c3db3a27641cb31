"""Passwords in the addresses of tracking stores, found and hidden."""

import re
from urllib.parse import unquote, urlsplit

HIDDEN = "***"
"""Replaces a password."""


_USERINFO = re.compile(r"(?P<head>[A-Za-z][\w+.-]*://[^\s:/@]*:)(?P<password>[^\s]+)@")


_QUERY = re.compile(r"(?P<head>[?&]\w*password=)(?P<password>[^&\s'\"]+)", re.IGNORECASE)


def passwords_in(uri: str | None) -> list[str]:
    """The passwords in an address, as written: before the @, or as the value of `password=`."""
    if not uri or "://" not in uri:
        return []
    try:
        before_the_host = urlsplit(uri).password
    except ValueError:  # for example a port that is not a number: hide whatever may be a password
        found = _USERINFO.search(uri)
        before_the_host = found["password"] if found else None
    queried = [found["password"] for found in _QUERY.finditer(uri)]
    return [password for password in (before_the_host, *queried) if password]


def hide_password(text: str, uri: str | None) -> str:
    """Replace the passwords of `uri` in `text`, as written and decoded."""
    for password in passwords_in(uri):
        for secret in {password, unquote(password)}:
            text = text.replace(secret, HIDDEN)
    return text


def hide_passwords(text: str) -> str:
    """Replace the passwords of all addresses in `text`."""
    return _QUERY.sub(rf"\g<head>{HIDDEN}", _USERINFO.sub(rf"\g<head>{HIDDEN}@", text))


def real_uri(uri: str | None, environment_uri: str | None) -> str | None:
    """Restore an address whose password is hidden.

    Args:
      uri: from a configuration, or None.
      environment_uri: value of $MLFLOW_TRACKING_URI, with its password, or None.

    Returns:
      `environment_uri` if hiding its password gives `uri`, else `uri`.
    """
    if (
        uri is not None
        and environment_uri is not None
        and hide_password(environment_uri, environment_uri) == uri
    ):
        return environment_uri
    return uri
