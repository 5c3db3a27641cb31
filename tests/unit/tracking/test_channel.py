"""A child process that carries out calls in order."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from swath.tracking.rpc import RemoteError, Worker, WorkerDiedError

HERE = Path(__file__).resolve().parent


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    worker = Worker("echo_worker")
    yield worker
    worker.close()


def test_calls_are_carried_out_in_their_order(worker: Worker) -> None:
    for number in range(100):
        worker.call("note", number)
    assert worker.call("notes").result(timeout=20) == list(range(100))


def test_an_exception_of_the_child_comes_back_as_its_one_line(worker: Worker) -> None:
    with pytest.raises(RemoteError, match=r"^told: no room$"):
        worker.call("fail", "no room").result(timeout=20)


def test_calls_go_on_after_one_that_failed(worker: Worker) -> None:
    worker.call("fail", "x")
    assert worker.call("notes").result(timeout=20) == []


def test_the_death_of_the_child_fails_the_calls_that_wait(worker: Worker) -> None:
    waiting = [worker.call("die"), worker.call("notes")]
    for call in waiting:
        with pytest.raises(WorkerDiedError):
            call.result(timeout=20)


def test_a_call_after_the_death_of_the_child_fails_at_once(worker: Worker) -> None:
    with pytest.raises(WorkerDiedError):
        worker.call("die").result(timeout=20)
    with pytest.raises(WorkerDiedError):
        worker.call("notes").result(timeout=20)


def test_closing_lets_the_child_finish(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    monkeypatch.setenv("SWATH_TEST_FAREWELL", str(tmp_path / "farewell"))
    worker = Worker("echo_worker")
    noted = worker.call("note", 1)
    worker.close()
    assert noted.done()
    assert (tmp_path / "farewell").read_text() == "ended"


def test_the_child_ends_when_the_parent_is_killed(tmp_path: Path) -> None:
    parent = (
        "import time; from swath.tracking.rpc import Worker; worker = Worker('echo_worker');"
        "print(worker.call('pid').result(), flush=True); time.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": str(HERE), "SWATH_TEST_FAREWELL": str(tmp_path / "farewell")}
    process = subprocess.Popen([sys.executable, "-c", parent], env=environment, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 20
    while not (tmp_path / "farewell").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (tmp_path / "farewell").exists()
