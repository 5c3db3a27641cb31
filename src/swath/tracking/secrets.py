"""Passwords in store addresses: where they stand, and text without them."""

import re
from urllib.parse import unquote, urlsplit

HIDDEN = "***"
_USERINFO = re.compile(r"(?P<head>[A-Za-z][\w+.-]*://[^\s:/@]*:)(?P<password>[^\s]+)@")


def password_in(uri: str | None) -> str | None:
    """The password that stands in an address, as it is written there; None where there is none."""
    if not uri or "://" not in uri:
        return None
    try:
        return urlsplit(uri).password or None
    except ValueError:  # a port that is no number, say: hide whatever could be meant
        found = _USERINFO.search(uri)
        return found["password"] if found else None


def hide_password(text: str, uri: str | None) -> str:
    """`text` with the password of `uri` replaced wherever it occurs, as written and as it decodes."""
    password = password_in(uri)
    if password is None:
        return text
    for secret in {password, unquote(password)}:
        text = text.replace(secret, HIDDEN)
    return text


def hide_passwords(text: str) -> str:
    """`text` with the password of every address in it replaced."""
    return _USERINFO.sub(rf"\g<head>{HIDDEN}@", text)


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
