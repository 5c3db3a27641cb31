"""Downloads from a real local server, including servers that misbehave."""

import contextlib
import hashlib
import http.server
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from support.batches import SMALL

from swath.datasets.cifar import CIFAR10, BatchedSpec
from swath.datasets.download import Timeouts, fetch
from swath.errors import DataError

CONTENT = bytes(range(256)) * 200  # 51,200 bytes
SHA256 = hashlib.sha256(CONTENT).hexdigest()
TIMEOUTS = Timeouts(connect_s=10, read_s=10, total_s=30, retries=0)
IMPATIENT = replace(TIMEOUTS, read_s=0.3)
"""For servers that say nothing for longer; any other may need longer on a busy machine."""


class Server(http.server.ThreadingHTTPServer):
    """Counts requests and answers each one by calling `behaviour` with the handler."""

    daemon_threads = True

    def __init__(self, behaviour: "Behaviour") -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behaviour = behaviour
        self.requests = 0
        self.released = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/file.tar.gz"


class Handler(http.server.BaseHTTPRequestHandler):
    """Calls the `behaviour` of the server."""

    server: Server

    def do_GET(self) -> None:
        self.server.requests += 1
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.server.behaviour(self)

    def start(self, length: int = 51_200, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


Behaviour = Callable[[Handler], None]


def sends_all(handler: Handler) -> None:
    handler.start()
    handler.wfile.write(CONTENT)


def sends_half(handler: Handler) -> None:
    handler.start()
    handler.wfile.write(CONTENT[: len(CONTENT) // 2])


def sends_not_found(handler: Handler) -> None:
    handler.start(0, status=404)


def hangs(handler: Handler) -> None:
    handler.server.released.wait(10)


def hangs_half_way(handler: Handler) -> None:
    sends_half(handler)
    handler.wfile.flush()
    handler.server.released.wait(10)


def trickles_headers(handler: Handler) -> None:
    while not handler.server.released.wait(0.1):
        handler.wfile.write(b"H")


def sends_slowly(handler: Handler) -> None:
    handler.start()
    for part in range(0, len(CONTENT), 5_120):
        handler.wfile.write(CONTENT[part : part + 5_120])
        time.sleep(0.05)


def fails_once(handler: Handler) -> None:
    (sends_half if handler.server.requests == 1 else sends_all)(handler)


def sends(content: bytes) -> Behaviour:
    def send(handler: Handler) -> None:
        handler.start(len(content))
        handler.wfile.write(content)

    return send


@pytest.fixture
def serve() -> Iterator[Callable[[Behaviour], Server]]:
    """Function that starts a server with a given behaviour."""
    servers = []

    def start(behaviour: Behaviour) -> Server:
        server = Server(behaviour)
        threading.Thread(target=partial(server.serve_forever, poll_interval=0.02), daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.released.set()
        server.shutdown()
        server.server_close()


Serve = Callable[[Behaviour], Server]


def test_download_is_complete_and_leaves_no_other_file(serve: Serve, tmp_path: Path) -> None:
    path = fetch(serve(sends_all).url, SHA256, tmp_path / "file.tar.gz", TIMEOUTS)

    assert path.read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["file.tar.gz"]


def test_a_download_shows_its_progress_on_stderr(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch(serve(sends_all).url, SHA256, tmp_path / "file.tar.gz", TIMEOUTS)

    printed = capsys.readouterr()
    assert "file.tar.gz: 100%" in printed.err and printed.out == ""


def test_progress_in_a_log_file_is_a_few_lines(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch(serve(sends_slowly).url, SHA256, tmp_path / "file.tar.gz", TIMEOUTS)

    assert capsys.readouterr().err.count("\r") <= 4


def test_existing_file_is_not_downloaded_again(serve: Serve, tmp_path: Path) -> None:
    server = serve(sends_all)
    (tmp_path / "file.tar.gz").write_bytes(CONTENT)

    fetch(server.url, SHA256, tmp_path / "file.tar.gz", TIMEOUTS)

    assert server.requests == 0


def test_a_file_with_another_checksum_is_downloaded_again(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "file.tar.gz").write_bytes(CONTENT[:1_000])

    path = fetch(serve(sends_all).url, SHA256, tmp_path / "file.tar.gz", TIMEOUTS)

    assert path.read_bytes() == CONTENT


def test_files_of_a_killed_download_are_removed(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / ".file.tar.gz.download").mkdir()
    (tmp_path / ".file.tar.gz.download" / "half").write_bytes(CONTENT[:1_000])

    fetch(serve(sends_all).url, SHA256, tmp_path / "file.tar.gz", TIMEOUTS)

    assert [path.name for path in tmp_path.iterdir()] == ["file.tar.gz"]


def test_interrupted_download_is_retried(serve: Serve, tmp_path: Path) -> None:
    server = serve(fails_once)

    path = fetch(server.url, SHA256, tmp_path / "file.tar.gz", replace(TIMEOUTS, retries=1))

    assert (server.requests, path.read_bytes()) == (2, CONTENT)


def test_slow_download_may_take_longer_than_the_read_timeout(serve: Serve, tmp_path: Path) -> None:
    path = fetch(serve(sends_slowly).url, SHA256, tmp_path / "file.tar.gz", IMPATIENT)

    assert path.read_bytes() == CONTENT


def test_unreachable_server_is_reported(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/file.tar.gz"

        with pytest.raises(DataError, match="no connection to the server"):
            fetch(url, SHA256, tmp_path / "file.tar.gz", TIMEOUTS)


@pytest.mark.parametrize(
    ("behaviour", "timeouts", "reason"),
    [
        (sends_half, TIMEOUTS, "the connection broke off"),
        (sends_not_found, TIMEOUTS, "404"),
        (hangs, IMPATIENT, "did not answer"),
        (hangs_half_way, IMPATIENT, "no connection"),
        (trickles_headers, replace(TIMEOUTS, total_s=1), "not complete after 1 s"),
    ],
)
def test_failed_download_is_reported_and_leaves_no_file(
    serve: Serve, tmp_path: Path, behaviour: Behaviour, timeouts: Timeouts, reason: str
) -> None:
    with pytest.raises(DataError, match=reason):
        fetch(serve(behaviour).url, SHA256, tmp_path / "file.tar.gz", timeouts)

    assert list(tmp_path.iterdir()) == []


def test_unexpected_file_is_refused_without_a_retry(serve: Serve, tmp_path: Path) -> None:
    server = serve(sends_all)

    with pytest.raises(DataError, match="another file than expected"):
        fetch(server.url, "0" * 64, tmp_path / "file.tar.gz", replace(TIMEOUTS, retries=2))

    assert (server.requests, list(tmp_path.iterdir())) == (1, [])


def test_retries_stop_at_the_total_timeout(serve: Serve, tmp_path: Path) -> None:
    started = time.monotonic()

    with pytest.raises(DataError, match=r"not complete after 0\.5 s"):
        fetch(
            serve(hangs).url,
            SHA256,
            tmp_path / "file.tar.gz",
            replace(IMPATIENT, retries=99, total_s=0.5),
        )

    assert time.monotonic() - started < 10


def test_silent_server_fails_within_half_a_minute_by_default() -> None:
    timeouts = Timeouts()
    breaks_s = sum(range(1, timeouts.retries + 1))

    assert (timeouts.retries + 1) * max(timeouts.connect_s, timeouts.read_s) + breaks_s < 30


def test_error_is_one_line_with_the_folder_for_the_file(serve: Serve, tmp_path: Path) -> None:
    server = serve(sends_not_found)

    with pytest.raises(DataError) as error:
        fetch(server.url, SHA256, tmp_path / "file.tar.gz", TIMEOUTS)

    line = str(error.value)
    assert server.url in line and str(tmp_path) in line and "data.dir=FOLDER" in line and "\n" not in line


def served(url: str, content: bytes) -> BatchedSpec:
    """The small data set, with its official archive at another address."""
    sha256 = hashlib.sha256(content).hexdigest()
    return replace(SMALL, layout=replace(SMALL.layout, url=url, sha256=sha256))


def test_the_official_archive_is_downloaded_once_and_loaded(
    serve: Serve, archive: Path, batches_dir: Path
) -> None:
    server = serve(sends(archive.read_bytes()))
    spec = served(server.url, archive.read_bytes())

    loaded = [spec.load(), spec.load(), spec.load(rebuild=True)]

    assert ([dataset.source for dataset in loaded], server.requests) == ([server.url] * 3, 1)
    assert loaded[0].digest == SMALL.load(str(batches_dir)).digest


def test_a_download_works_without_a_cache_folder(
    serve: Serve, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(sends(archive.read_bytes()))
    (tmp_path / "file").touch()
    monkeypatch.setenv("SWATH_CACHE_DIR", str(tmp_path / "file" / "cache"))

    dataset = served(server.url, archive.read_bytes()).load()

    assert dataset.is_intact()


def test_nothing_is_downloaded_if_a_data_dir_is_given(serve: Serve, tmp_path: Path) -> None:
    server = serve(sends_all)

    with pytest.raises(DataError, match="no CIFAR-10 in"):
        served(server.url, CONTENT).load(str(tmp_path))

    assert server.requests == 0


def test_the_address_and_checksum_of_cifar10_are_the_official_ones() -> None:
    assert CIFAR10.layout.url == "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    assert CIFAR10.layout.sha256 == "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
