"""Passwords are hidden in messages."""

import pytest

from swath.system import hide_password, hide_passwords, passwords_in, real_uri
from swath.tracking import error_line

ADDRESSES = [
    ("postgresql://user:MARKER@host/db", "MARKER"),
    ("http://user:MARKER@127.0.0.1:5000", "MARKER"),
    ("postgresql://user:a%40b%2Fc@host/db", "a%40b%2Fc"),
    ("postgresql://user:p@ss@host:5432/db", "p@ss"),
    ("postgresql://:MARKER@host/db", "MARKER"),
    ("postgresql://host/db?user=me&password=MARKER&sslmode=require", "MARKER"),
    ("mysql+pymysql://user:pässwört@host/db", "pässwört"),
]


@pytest.mark.parametrize(("uri", "password"), ADDRESSES)
def test_the_password_of_an_address_is_found(uri: str, password: str) -> None:
    assert passwords_in(uri) == [password]


@pytest.mark.parametrize("uri", [None, "", "sqlite:///mlflow.db", "http://host:5000", "http://user@host"])
def test_an_address_without_a_password_has_none(uri: str | None) -> None:
    assert passwords_in(uri) == []


@pytest.mark.parametrize(("uri", "password"), ADDRESSES)
def test_a_message_that_quotes_the_address_shows_no_password(uri: str, password: str) -> None:
    assert password not in hide_password(f"cannot reach {uri}: refused {uri}", uri)
    assert password not in hide_passwords(f"tracking.uri={uri}: expected another")


def test_url_decoded_password_is_hidden() -> None:
    uri = "postgresql://user:a%40b@host/db"
    assert hide_password("login with a@b failed", uri) == "login with *** failed"


def test_text_without_an_address_stays_as_it_is() -> None:
    assert (
        hide_passwords("learning_rate=-1: expected more @ once") == "learning_rate=-1: expected more @ once"
    )


def test_redacted_address_is_restored_from_the_environment() -> None:
    assert real_uri("http://u:***@h", "http://u:MARKER@h") == "http://u:MARKER@h"
    assert real_uri("http://u:***@other", "http://u:MARKER@h") == "http://u:***@other"
    assert real_uri(None, "http://u:MARKER@h") is None


UNREACHABLE = (
    "API request to http://u:MARKER@host:9/api/2.0/mlflow/experiments/get-by-name failed with {}exception {}"
)


@pytest.mark.parametrize(
    ("kind", "reason", "shown_reason"),
    [
        ("", "Pool(host='host'): Max retries (Caused by Error('[Errno 111] Connection refused'))", "refused"),
        ("", "Pool(host='host'): (Caused by Error(\"[Errno -2] Name or service not known\"))", "not known"),
        ("timeout ", "Pool(host='host', port=9): Read timed out. (read timeout=10)", "timed out"),
    ],
)
def test_unreachable_server_is_reported_with_the_reason(kind: str, reason: str, shown_reason: str) -> None:
    line = error_line(ValueError(UNREACHABLE.format(kind, reason)), "http://u:MARKER@host:9")
    assert line.startswith("the server http://u:***@host:9 does not answer (")
    assert line.endswith(f"{shown_reason}); is it running there?")
