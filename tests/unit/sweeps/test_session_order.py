"""What a session asks first."""

import socket
from typing import Any

import pytest
from support.small import run_config, sweep_config

from swath.config import DataConfig
from swath.errors import AwayError, SwathError
from swath.execution import SweepInfo
from swath.sweeps import Session, loading, session
from swath.tracking.reachable import check_reachable


@pytest.mark.parametrize("scheme", ["http", "postgresql"])
def test_store_that_does_not_answer_is_told_before_a_download(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setattr(loading, "load_dataset", lambda *_: pytest.fail("images were asked for"))
    monkeypatch.setattr(session, "MlflowTracker", lambda: pytest.fail("a process was started"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        uri = f"{scheme}://me:secret@127.0.0.1:{taken.getsockname()[1]}/x"
        base = sweep_config()
        settings = sweep_config(tracking=type(base.tracking)(**{**vars(base.tracking), "uri": uri}))
        config = run_config(data=DataConfig("digits", 0))
        nobody: Any = None
        with pytest.raises(SwathError, match=r"does not answer|no database answers") as caught:
            Session(SweepInfo("grid", "0123456789ab", ()), (config,), settings, nobody)
    assert isinstance(caught.value, AwayError)
    assert "secret" not in str(caught.value)


def test_server_that_listens_and_one_behind_a_proxy_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        check_reachable(f"http://127.0.0.1:{server.getsockname()[1]}")
    with pytest.raises(AwayError, match=r"the server https://\S*invalid does not answer"):
        check_reachable("https://me:secret@nowhere.invalid")
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    check_reachable("https://nowhere.invalid")
