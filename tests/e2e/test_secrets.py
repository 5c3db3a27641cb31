"""A password in a store's address is written nowhere."""

import base64
import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command import swath

MARKER = "MARKER-7f3a"
WORDS = ["data=digits", "max_steps=2"]
FORMS = {MARKER.encode(), base64.b64encode(f"me:{MARKER}".encode())}


class _Refusing(http.server.BaseHTTPRequestHandler):
    """A tracking server that asks who is there and lets nobody in."""

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
    """Address of a server, with a password in it."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Refusing) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://me:{MARKER}@127.0.0.1:{running.server_port}"
        running.shutdown()


def leaks(folder: Path) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert all(os.access(path, os.R_OK) for path in files)
    return [path for path in files if any(form in path.read_bytes() for form in FORMS)]


@pytest.mark.parametrize("way", ["override", "environment", "sweep", "file"])
def test_password_of_a_server_reaches_the_server_and_nothing_else(
    way: str, server: str, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    environment = {}
    words = [*WORDS, f"tracking.uri='{server}'"]
    if way == "sweep":
        words = ["-m", "seed=0,1", *words]
    elif way == "environment":
        words, environment = WORDS, {"MLFLOW_TRACKING_URI": server}
    elif way == "file":
        configs = tmp_path / "configs"
        configs.mkdir()
        lines = ["defaults: [config, _self_]", "tracking:", f"  uri: {server}"]
        (configs / "mine.yaml").write_text("\n".join(lines), encoding="utf-8")
        words = ["--config-dir", str(configs), "-cn", "mine", *WORDS]
    done = swath(work, *words, **environment)
    assert done.returncode == 1
    assert MARKER not in done.stdout + done.stderr
    assert leaks(work) == []
    assert any(header.startswith("Basic ") for header in _Refusing.seen)


def test_password_of_a_store_that_works_is_in_no_file_of_the_run(tmp_path: Path) -> None:
    # SQLite takes no password; the address carries one all the same, as a query that SQLite ignores.
    uri = f"sqlite:///mlflow.db?password={MARKER}"
    done = swath(tmp_path, "-m", "seed=0,1", *WORDS, f"tracking.uri='{uri}'")
    assert MARKER not in done.stdout + done.stderr
    assert leaks(tmp_path) == []


def test_password_is_not_shown_with_the_configuration(tmp_path: Path) -> None:
    done = swath(tmp_path, "--cfg", "job", f"tracking.uri=http://me:{MARKER}@host")
    assert done.returncode == 0, done.stderr
    assert "http://me:***@host" in done.stdout
    assert MARKER not in done.stdout + done.stderr
