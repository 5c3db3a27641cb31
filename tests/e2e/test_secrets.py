"""Passwords in store addresses are neither printed nor written."""

import base64
import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command import swath

MARKER = "MARKER-7f3a"
COMMAND = ["data=digits", "max_steps=2"]
FORMS = {MARKER.encode(), base64.b64encode(f"me:{MARKER}".encode())}


class _Refusing(http.server.BaseHTTPRequestHandler):
    """A tracking server that answers every request with 401."""

    seen: list[str] = []  # noqa: RUF012

    def _refuse(self) -> None:
        self.seen.append(self.headers.get("Authorization", ""))
        self.send_response(401)
        self.end_headers()

    do_GET = do_POST = _refuse  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    """Address of the server, including a password."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as http_server:
        threading.Thread(target=http_server.serve_forever, daemon=True).start()
        yield f"http://me:{MARKER}@127.0.0.1:{http_server.server_port}"
        http_server.shutdown()


def leaks(folder: Path) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert all(os.access(path, os.R_OK) for path in files)
    return [path for path in files if any(form in path.read_bytes() for form in FORMS)]


@pytest.mark.parametrize("given_by", ["override", "environment", "sweep", "file"])
def test_server_password_is_sent_to_the_server_only(given_by: str, server: str, tmp_path: Path) -> None:
    workdir = tmp_path / "work"
    workdir.mkdir()
    environment = {}
    arguments = [*COMMAND, f"tracking.uri='{server}'"]
    if given_by == "sweep":
        arguments = ["-m", "seed=0,1", *arguments]
    elif given_by == "environment":
        arguments, environment = COMMAND, {"MLFLOW_TRACKING_URI": server}
    elif given_by == "file":
        configs = tmp_path / "configs"
        configs.mkdir()
        lines = ["defaults: [config, _self_]", "tracking:", f"  uri: {server}"]
        (configs / "mine.yaml").write_text("\n".join(lines), encoding="utf-8")
        arguments = ["--config-dir", str(configs), "-cn", "mine", *COMMAND]
    done = swath(workdir, *arguments, **environment)
    assert done.returncode == 1
    assert MARKER not in done.stdout + done.stderr
    assert leaks(workdir) == []
    assert any(header.startswith("Basic ") for header in _Refusing.seen)


def test_store_password_is_written_to_no_file(tmp_path: Path) -> None:
    # SQLite takes no password; it ignores one in the query of its address.
    uri = f"sqlite:///mlflow.db?password={MARKER}"
    done = swath(tmp_path, "-m", "seed=0,1", *COMMAND, f"tracking.uri='{uri}'")
    assert MARKER not in done.stdout + done.stderr
    assert leaks(tmp_path) == []


def test_password_is_hidden_in_the_printed_config(tmp_path: Path) -> None:
    done = swath(tmp_path, "--cfg", "job", f"tracking.uri=http://me:{MARKER}@host")
    assert done.returncode == 0, done.stderr
    assert "http://me:***@host" in done.stdout
    assert MARKER not in done.stdout + done.stderr
