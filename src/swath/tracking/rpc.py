"""Typed calls of a child process over a pipe, carried out in order."""

import contextlib
import itertools
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe
from multiprocessing.reduction import ForkingPickler
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from swath.errors import SwathError, passes

P = ParamSpec("P")


T = TypeVar("T")


DIED = "the tracking process has died"

ROOM = 4
"""Calls that wait for room in the pipe; who makes another one waits too."""

CLEARING_S = 3.0
"""Seconds in which a child that is stopped in the middle of a call may clear up."""


class WorkerDiedError(SwathError):
    """The child process has exited unexpectedly."""

    passes = True


class RemoteError(SwathError):
    """A call in the child process failed; the text is the child's message in one line.

    Args:
      line: the message.
      exit_status: exit status of a command that this error ends.
      passes: whether the same may succeed later.
    """

    def __init__(self, line: str, exit_status: int = SwathError.exit_status, passes: bool = False) -> None:
        super().__init__(line)
        self.exit_status = exit_status
        self.passes = passes


class Worker:
    """Calls methods of services in a child process, one after the other, without waiting for them.

    A process rather than a thread: MLflow is pure Python, so in the training process it would compete with
    TensorFlow for the interpreter lock, and their imports would wait for each other.

    The child ends when the pipe closes, so it outlives the parent by the calls that are in the pipe, however
    the parent ended.
    """

    def __init__(self, module: str) -> None:
        """Start `python -m module FD`, which calls `serve(FD, ...)`; FD is the child's end of the pipe."""
        self._pipe, child_end = Pipe()
        # Ctrl-C reaches the child too; block it until the child has installed its own handlers.
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process = subprocess.Popen(
                # -P: a file random.py or mlflow.py in the working folder is not imported.
                [sys.executable, "-P", "-m", module, str(child_end.fileno())],
                env={name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"},
                pass_fds=[child_end.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
        child_end.close()
        self._lock = threading.Lock()
        self._ended = False
        self._pending: dict[int, Future[Any]] = {}
        self._numbers = itertools.count(1)
        self._room = threading.Semaphore(ROOM)
        self._unsent: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read_replies, name="swath-worker-replies", daemon=True)
        self._reader.start()
        self._sender = threading.Thread(target=self._send_calls, name="swath-worker-calls", daemon=True)
        self._sender.start()

    def call(
        self, method: Callable[Concatenate[Any, P], T], *arguments: P.args, **named: P.kwargs
    ) -> Future[T]:
        """Call a method of a service in the child. Blocks only while the pipe is full.

        If a signal interrupts that, the method is not called.

        Args:
          method: method of a service's interface, such as `TrackingService.log_steps`.
          *arguments: picklable arguments of the method.
          **named: picklable arguments of the method.

        Returns:
          A future of the method's result; it raises `RemoteError` or `WorkerDiedError`.
        """
        future: Future[T] = Future()
        number = next(self._numbers)
        message = ForkingPickler.dumps((number, method.__qualname__, arguments, named))
        self._room.acquire()
        try:
            with self._lock:
                if self._ended:
                    self._room.release()
                    future.set_exception(WorkerDiedError(DIED))
                    return future
                self._pending[number] = future
            self._unsent.put(message)
        except BaseException:
            self._room.release()
            raise
        return future

    def close(self) -> None:
        """Wait until the child has finished all calls and has ended."""
        self._unsent.put(None)
        self._reader.join()
        self._process.wait()
        self._sender.join()
        self._pipe.close()

    def _send_calls(self) -> None:
        """Send whole messages: in the main thread, a signal would cut one in half while the pipe is full."""
        while (message := self._unsent.get()) is not None:
            with contextlib.suppress(OSError):  # the reader meets the end of the pipe too
                self._pipe.send_bytes(message)
            self._room.release()
        with contextlib.suppress(OSError):
            self._pipe.send(None)

    def stop_at_once(self) -> None:
        """End the child in the middle of a call; it may still remove what it has made so far."""
        self._process.terminate()
        try:
            self._process.wait(CLEARING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _read_replies(self) -> None:
        while True:
            try:
                number, result, error = self._pipe.recv()
            except (EOFError, OSError):
                break
            future = self._pending.pop(number)
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(RemoteError(*error))
        with self._lock:
            self._ended = True
            left, self._pending = self._pending, {}
        for future in left.values():
            future.set_exception(WorkerDiedError(DIED))


@dataclass(frozen=True)
class Call:
    """A call that waits in the pipe.

    Attributes:
      method: qualified name of the method, such as `TrackingService.log_steps`.
      arguments: by position.
      named: by name.
    """

    method: str
    arguments: tuple[Any, ...] = ()
    named: Mapping[str, Any] = field(default_factory=dict)


Outcome = tuple[Any, Exception | None]
"""Result of a call, and the error that it raised."""


class CarriesOutMany(Protocol):
    """Carries out calls that wait together faster than one after the other."""

    methods: Collection[str]
    """Qualified names of the methods whose calls may be carried out together."""

    def carry_out(self, calls: Sequence[Call], one: Callable[[Call], Outcome]) -> list[Outcome]:
        """The outcome of each call.

        Args:
          calls: calls of `methods`, in the order in which they were made.
          one: carries out a call; raises nothing.
        """


MOST_TOGETHER = 64
"""Calls that are taken out of the pipe at a time; the rest waits there, where memory is bounded."""


def serve(
    descriptor: int,
    services: Mapping[Any, object],
    describe: Callable[[Exception], str],
    together: CarriesOutMany | None = None,
    may_pass: Callable[[Exception], bool] = passes,
) -> None:
    """Carry out calls in the child process until the parent closes the pipe.

    Args:
      descriptor: file descriptor of the child's end of the pipe.
      services: implementation of each interface; the public methods of an interface can be called.
      describe: turns an exception into one line.
      together: carries out consecutive calls that wait in the pipe; None if each is carried out alone.
      may_pass: tells whether what an exception stands for may succeed later.
    """
    methods = {
        f"{interface.__qualname__}.{name}": getattr(implementation, name)
        for interface, implementation in services.items()
        for name, member in vars(interface).items()
        if callable(member) and not name.startswith("_")
    }

    def one(call: Call) -> Outcome:
        try:
            return methods[call.method](*call.arguments, **call.named), None
        except Exception as error:  # every failure belongs to the caller, not to the loop
            return None, error

    pipe = Connection(descriptor)
    for waiting in _waiting(pipe, () if together is None else together.methods):
        calls = [call for _, call in waiting]
        if together is None or len(calls) == 1:
            outcomes = [one(call) for call in calls]
        else:
            outcomes = together.carry_out(calls, one)
        for (number, _), (result, error) in zip(waiting, outcomes, strict=True):
            status = getattr(error, "exit_status", SwathError.exit_status)
            failure = None if error is None else (describe(error), status, may_pass(error))
            # Where the parent has died, nobody waits for the reply; what it had sent is stored all the same.
            with contextlib.suppress(OSError):
                pipe.send((number, result, failure))


def _waiting(pipe: Connection, together: Collection[str]) -> Iterator[list[tuple[int, Call]]]:
    """Calls with their numbers until the pipe ends: one, or those of the methods `together` that wait."""
    ahead: tuple[int, Call] | None = None
    while (first := ahead or _received(pipe)) is not None:
        waiting, ahead = [first], None
        while waiting[-1][1].method in together and len(waiting) < MOST_TOGETHER and pipe.poll(0):
            following = _received(pipe)
            if following is None:
                yield waiting
                return
            if following[1].method not in together:
                ahead = following
                break
            waiting.append(following)
        yield waiting


def _received(pipe: Connection) -> tuple[int, Call] | None:
    """The next call and its number; None if the parent has closed the pipe."""
    try:
        message = pipe.recv()
    except (EOFError, OSError, pickle.UnpicklingError):
        return None
    return None if message is None else (message[0], Call(*message[1:]))
