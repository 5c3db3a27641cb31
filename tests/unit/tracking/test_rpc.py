"""Typed calls to a child process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol

import pytest

from swath.errors import passes
from swath.tracking.rpc import RemoteError, Worker, WorkerDiedError

HERE = Path(__file__).resolve().parent


class EchoService(Protocol):
    """The interface of `echo_worker`; calls are sent by qualified name."""

    def note(self, number: int) -> None: ...
    def notes(self) -> list[int]: ...
    def fail(self, text: str) -> None: ...
    def stay_away(self) -> None: ...
    def pause(self, seconds: float) -> None: ...
    def die(self) -> None: ...
    def not_in_the_interface(self) -> None: ...


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    worker = Worker("echo_worker")
    yield worker
    worker.close()


def test_calls_are_carried_out_in_order(worker: Worker) -> None:
    for number in range(100):
        worker.call(EchoService.note, number)
    assert worker.call(EchoService.notes).result(timeout=20) == list(range(100))


def test_failure_says_whether_it_may_pass(worker: Worker) -> None:
    failures = [worker.call(EchoService.fail, "no"), worker.call(EchoService.stay_away)]
    errors = [failure.exception(timeout=20) for failure in failures]
    assert [passes(error) for error in errors] == [False, True]


def test_calls_that_wait_are_carried_out_together_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    monkeypatch.setenv("SWATH_TEST_TOGETHER", "yes")
    worker = Worker("echo_worker")
    worker.call(EchoService.pause, 0.5)
    for number in range(100):
        worker.call(EchoService.note, number)
    failed = worker.call(EchoService.fail, "no room")
    for number in range(3):
        worker.call(EchoService.note, number)
    last = worker.call(EchoService.note, 3)
    worker.close()  # behind them, and nothing is lost
    with pytest.raises(RemoteError, match="no room"):
        failed.result(timeout=20)
    assert last.result(timeout=20) is None


def test_what_waits_together_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    monkeypatch.setenv("SWATH_TEST_TOGETHER", "yes")
    worker = Worker("echo_worker")
    worker.call(EchoService.pause, 0.5)
    for number in range(100):
        worker.call(EchoService.note, number)
    worker.call(EchoService.pause, 0.5)
    for number in range(100, 103):
        worker.call(EchoService.note, number)
    noted = worker.call(EchoService.notes).result(timeout=20)
    worker.close()
    assert noted == [-64, *range(64), -36, *range(64, 100), -3, *range(100, 103)]


def test_signal_in_the_middle_of_a_message_breaks_nothing(worker: Worker) -> None:
    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        worker.call(EchoService.pause, 1.0)
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        called = 0
        with pytest.raises(KeyboardInterrupt):  # at once, though the pipe is full
            while called < 100:
                worker.call(EchoService.fail, "x" * 5_000_000)
                worker.call(EchoService.note, called)
                called += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert called < 100
    worker.call(EchoService.note, 100)  # what was interrupted is not called
    assert worker.call(EchoService.notes).result(timeout=20) == [*range(called), 100]


def test_exception_of_the_child_is_raised_with_its_line(worker: Worker) -> None:
    with pytest.raises(RemoteError, match=r"^ValueError: no room$"):
        worker.call(EchoService.fail, "no room").result(timeout=20)


def test_only_methods_of_the_interface_can_be_called(worker: Worker) -> None:
    with pytest.raises(RemoteError, match="KeyError"):
        worker.call(EchoService.not_in_the_interface).result(timeout=20)


def test_calls_after_a_failed_one_are_carried_out(worker: Worker) -> None:
    worker.call(EchoService.fail, "x")
    assert worker.call(EchoService.notes).result(timeout=20) == []


def test_death_of_the_child_fails_pending_calls(worker: Worker) -> None:
    waiting: list[Future[Any]] = [worker.call(EchoService.die), worker.call(EchoService.notes)]
    for call in waiting:
        with pytest.raises(WorkerDiedError):
            call.result(timeout=20)


def test_call_after_the_death_of_the_child_fails(worker: Worker) -> None:
    with pytest.raises(WorkerDiedError):
        worker.call(EchoService.die).result(timeout=20)
    with pytest.raises(WorkerDiedError):
        worker.call(EchoService.notes).result(timeout=20)


def test_close_waits_until_the_child_has_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    monkeypatch.setenv("SWATH_TEST_FAREWELL", str(tmp_path / "farewell"))
    worker = Worker("echo_worker")
    noted = worker.call(EchoService.note, 1)
    worker.close()
    assert noted.done()
    assert (tmp_path / "farewell").read_text() == "ended"


def test_the_child_ends_when_the_parent_is_killed(tmp_path: Path) -> None:
    parent = (
        "import time; from echo_worker import EchoService; from swath.tracking.rpc import Worker;"
        "worker = Worker('echo_worker');"
        "print(worker.call(EchoService.pid).result(), flush=True); time.sleep(60)"
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
