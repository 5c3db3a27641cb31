"""Over plain HTTP each request has a connection of its own; an encrypted connection is kept."""

from collections.abc import Iterator

import pytest
from mlflow.tracking.request_header import registry

from swath.tracking.connections import spread_requests


@pytest.fixture(autouse=True)
def providers() -> Iterator[None]:
    own = registry._request_header_provider_registry._registry
    before = list(own)
    own[:] = [each for each in before if type(each).__module__ != spread_requests.__module__]
    yield
    own[:] = before


def test_plain_http() -> None:
    for _ in range(2):  # opened twice
        spread_requests("http://127.0.0.1:5000")
        assert registry.resolve_request_headers()["Connection"] == "close"


@pytest.mark.parametrize("uri", ["https://tracking.example.org", "sqlite:///mlflow.db", "postgresql://h/d"])
def test_other_stores(uri: str) -> None:
    spread_requests(uri)
    assert "Connection" not in registry.resolve_request_headers()
