"""Downloads from a real server on this machine, well-behaved or not."""

import contextlib
import hashlib
import http.server
import socket
import threading
import time
from functools import partial

import pytest

from swath.datasets import DATASETS, load
from swath.datasets.download import Timeouts, fetch
from swath.errors import DataError

CONTENT = bytes(range(256)) * 200  # 51,200 bytes
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HURRIED = Timeouts(connect_s=0.3, read_s=0.3, silence_s=2, attempts=3, pause_s=0.01)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers as the server's `behaviour` says, a function of the handler; counts the requests."""

    def do_GET(self):
        self.server.requests += 1
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.server.behaviour(self)

    def start(self, length=51_200, status=200):
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *_):
        pass


def sends_all(handler):
    handler.start()
    handler.wfile.write(CONTENT)


def sends_half(handler):
    handler.start()
    handler.wfile.write(CONTENT[: len(CONTENT) // 2])


def says_not_found(handler):
    handler.start(0, status=404)


def hangs(handler):
    handler.server.released.wait(10)


def hangs_half_way(handler):
    sends_half(handler)
    handler.wfile.flush()
    handler.server.released.wait(10)


def trickles_headers(handler):
    while not handler.server.released.wait(0.1):
        handler.wfile.write(b"H")


def sends_slowly(handler):
    handler.start()
    for part in range(0, len(CONTENT), 5_120):
        handler.wfile.write(CONTENT[part : part + 5_120])
        time.sleep(0.1)


def fails_once(handler):
    (sends_half if handler.server.requests == 1 else sends_all)(handler)


@pytest.fixture
def serve():
    """Function: a behaviour to the server that has it, and its address."""
    servers = []

    def start(behaviour):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        server.behaviour, server.requests, server.released = behaviour, 0, threading.Event()
        threading.Thread(target=partial(server.serve_forever, poll_interval=0.02), daemon=True).start()
        servers.append(server)
        return server, f"http://127.0.0.1:{server.server_address[1]}/file.tar.gz"

    yield start
    for server in servers:
        server.released.set()
        server.shutdown()
        server.server_close()


def test_a_download_arrives_whole(serve, tmp_path):
    _, url = serve(sends_all)

    assert fetch(url, SHA256, tmp_path / "file.tar.gz", HURRIED).read_bytes() == CONTENT


def test_a_download_leaves_nothing_else_behind(serve, tmp_path):
    _, url = serve(sends_all)
    fetch(url, SHA256, tmp_path / "file.tar.gz", HURRIED)

    assert [path.name for path in tmp_path.iterdir()] == ["file.tar.gz"]


def test_a_download_shows_its_progress_on_stderr(serve, tmp_path, capsys):
    _, url = serve(sends_all)
    fetch(url, SHA256, tmp_path / "file.tar.gz", HURRIED)

    printed = capsys.readouterr()

    assert "100%" in printed.err and printed.out == ""


def test_a_file_that_is_there_is_not_downloaded_again(serve, tmp_path):
    server, url = serve(sends_all)
    (tmp_path / "file.tar.gz").write_bytes(CONTENT)
    fetch(url, SHA256, tmp_path / "file.tar.gz", HURRIED)

    assert server.requests == 0


def test_a_file_with_another_checksum_is_downloaded_again(serve, tmp_path):
    _, url = serve(sends_all)
    (tmp_path / "file.tar.gz").write_bytes(CONTENT[:1_000])

    assert fetch(url, SHA256, tmp_path / "file.tar.gz", HURRIED).read_bytes() == CONTENT


def test_a_download_that_breaks_off_once_is_tried_again(serve, tmp_path):
    server, url = serve(fails_once)
    fetch(url, SHA256, tmp_path / "file.tar.gz", HURRIED)

    assert server.requests == 2


def test_a_slow_download_may_take_longer_than_any_time_out(serve, tmp_path):
    _, url = serve(sends_slowly)
    patience = Timeouts(connect_s=0.3, read_s=0.5, silence_s=0.5, attempts=1)

    assert fetch(url, SHA256, tmp_path / "file.tar.gz", patience).read_bytes() == CONTENT


def test_a_server_that_is_not_there_is_reported(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/file.tar.gz"

        with pytest.raises(DataError, match="no connection to the server"):
            fetch(url, SHA256, tmp_path / "file.tar.gz", HURRIED)


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (sends_half, "the connection broke off"),
        (says_not_found, "404"),
        (hangs, "did not answer"),
        (hangs_half_way, "no connection|no answer"),
    ],
)
def test_a_download_that_fails_each_time_is_reported(serve, tmp_path, behaviour, reason):
    _, url = serve(behaviour)

    with pytest.raises(DataError, match=reason):
        fetch(url, SHA256, tmp_path / "file.tar.gz", HURRIED)


@pytest.mark.parametrize("behaviour", [sends_half, says_not_found, hangs, hangs_half_way, trickles_headers])
def test_a_download_that_fails_leaves_no_file_behind(serve, tmp_path, behaviour):
    _, url = serve(behaviour)

    with pytest.raises(DataError):
        fetch(url, SHA256, tmp_path / "file.tar.gz", HURRIED)

    assert list(tmp_path.iterdir()) == []


def test_another_file_than_expected_is_refused_at_once(serve, tmp_path):
    server, url = serve(sends_all)

    with pytest.raises(DataError, match="another file than expected"):
        fetch(url, "0" * 64, tmp_path / "file.tar.gz", HURRIED)

    assert (server.requests, list(tmp_path.iterdir())) == (1, [])


def test_an_answer_that_trickles_is_given_up_in_time(serve, tmp_path):
    _, url = serve(trickles_headers)
    started = time.monotonic()

    with pytest.raises(DataError, match="no answer within 1 s"):
        fetch(url, SHA256, tmp_path / "file.tar.gz", Timeouts(connect_s=9, read_s=9, silence_s=1))

    assert time.monotonic() - started < 3


def test_half_a_minute_is_enough_to_give_up_by_the_ordinary_time_outs():
    patience = Timeouts()
    breaks_s = sum(patience.pause_s * 2**attempt for attempt in range(patience.attempts - 1))

    assert patience.attempts * patience.read_s + breaks_s < 30 and patience.silence_s < 30


def test_the_error_says_in_one_line_where_to_put_the_file(serve, tmp_path):
    _, url = serve(says_not_found)

    with pytest.raises(DataError) as error:
        fetch(url, SHA256, tmp_path / "file.tar.gz", HURRIED)

    line = str(error.value)
    assert url in line and str(tmp_path) in line and "data.dir=FOLDER" in line and "\n" not in line


def test_the_official_archive_is_downloaded_once_and_loaded(serve, archive, cache, batches_dir):
    content = archive.read_bytes()

    def sends_archive(handler):
        handler.start(len(content))
        handler.wfile.write(content)

    server, url = serve(sends_archive)
    sha256 = hashlib.sha256(content).hexdigest()
    from_web = partial(load._load_cifar10, DATASETS["cifar10"], None, url=url, sha256=sha256)

    loaded = [from_web(rebuild=False), from_web(rebuild=False), from_web(rebuild=True)]

    assert ([dataset.source for dataset in loaded], server.requests) == ([url] * 3, 1)
    assert loaded[0].digest == load.load_dataset("cifar10", str(batches_dir)).digest


def test_a_download_works_without_a_cache_folder(serve, archive, tmp_path, monkeypatch):
    content = archive.read_bytes()

    def sends_archive(handler):
        handler.start(len(content))
        handler.wfile.write(content)

    _, url = serve(sends_archive)
    (tmp_path / "file").touch()
    monkeypatch.setenv("SWATH_CACHE_DIR", str(tmp_path / "file" / "cache"))
    sha256 = hashlib.sha256(content).hexdigest()

    dataset = load._load_cifar10(DATASETS["cifar10"], None, rebuild=False, url=url, sha256=sha256)

    assert dataset.is_intact()


def test_nothing_is_downloaded_where_a_data_dir_is_given(serve, tmp_path):
    server, url = serve(sends_all)

    with pytest.raises(DataError, match="no CIFAR-10 in"):
        load._load_cifar10(DATASETS["cifar10"], str(tmp_path), rebuild=False, url=url, sha256=SHA256)

    assert server.requests == 0


def test_the_address_and_checksum_are_the_official_ones():
    assert load.ARCHIVE_URL == "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    assert load.ARCHIVE_SHA256 == "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
