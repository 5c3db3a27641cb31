"""Connections to a tracking server: without encryption, each request makes its own.

MLflow's server, over plain HTTP and with more than one process, answers 40 ms late on a connection that is
kept. It sends head and body of an answer apart and without TCP_NODELAY, so the body waits until the client's
system acknowledges the head, which it delays by as much. Its processes also share their work by connections,
so kept ones leave some of them idle. An encrypted connection is kept: to make one takes longer, and what
stands before such a server shares requests out.
"""

from mlflow.tracking.request_header import registry
from mlflow.tracking.request_header.abstract_request_header_provider import RequestHeaderProvider


class _Closing(RequestHeaderProvider):
    def in_context(self) -> bool:
        return True

    def request_headers(self) -> dict[str, str]:
        return {"Connection": "close"}


def spread_requests(uri: str) -> None:
    """Let MLflow's client make a connection for each request, if `uri` is one of plain HTTP."""
    providers = registry._request_header_provider_registry
    if uri.startswith("http://") and not any(isinstance(each, _Closing) for each in providers):
        providers.register(_Closing)
