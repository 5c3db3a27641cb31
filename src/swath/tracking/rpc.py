"""A child process that carries out calls in order, and the parent's end of it."""

import contextlib
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from multiprocessing.connection import Connection, Pipe
from typing import Any

from swath.errors import SwathError

DIED = "the tracking process has died"


class WorkerDiedError(SwathError):
    """The child process has ended although nobody told it to."""


class RemoteError(SwathError):
    """A call in the child process failed; the text is the child's, one line."""


class Worker:
    """Calls functions of a child process, one after the other, without waiting for them.

    A child rather than a thread, because MLflow is Python through and through: in the training process it
    would take the interpreter lock from TensorFlow, and its import would wait for TensorFlow's.

    The child ends when the pipe closes, so it outlives the parent by no more than its last call, however
    the parent ended.
    """

    def __init__(self, module: str) -> None:
        """Start `python -m module FD`, which calls `serve(FD, ...)`; FD is the child's end of the pipe."""
        self._pipe, child_end = Pipe()
        # Ctrl-C reaches the child too; it waits until the child has said what it makes of it.
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, str(child_end.fileno())],
                pass_fds=[child_end.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
        child_end.close()
        self._lock = threading.Lock()
        self._dead = False
        self._pending: dict[int, Future[Any]] = {}
        self._calls = 0
        self._reader = threading.Thread(target=self._read_replies, name="swath-worker-replies", daemon=True)
        self._reader.start()

    def call(self, function: str, *arguments: Any) -> Future[Any]:
        """Have the child call `function(*arguments)`. Blocks only while the pipe is full.

        Returns:
          A future of what the function returns; it raises `RemoteError` or `WorkerDiedError`.
        """
        future: Future[Any] = Future()
        with self._lock:
            if self._dead:
                future.set_exception(WorkerDiedError(DIED))
                return future
            self._calls += 1
            self._pending[self._calls] = future
            try:
                self._pipe.send((self._calls, function, arguments))
            except OSError:
                # The reader meets the end of the pipe as well; it waits for the lock.
                del self._pending[self._calls]
                future.set_exception(WorkerDiedError(DIED))
        return future

    def close(self) -> None:
        """Let the child finish what it was told, then end."""
        with self._lock:
            if not self._pipe.closed:
                with contextlib.suppress(OSError):
                    self._pipe.send(None)
        self._reader.join()
        self._process.wait()
        self._pipe.close()

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
                future.set_exception(RemoteError(error))
        with self._lock:
            self._dead = True
            left, self._pending = self._pending, {}
        for future in left.values():
            future.set_exception(WorkerDiedError(DIED))


def serve(
    descriptor: int, functions: dict[str, Callable[..., Any]], describe: Callable[[Exception], str]
) -> None:
    """The child's side: carry out calls until the parent says so or is gone.

    Args:
      descriptor: file descriptor of the child's end of the pipe.
      functions: what may be called.
      describe: the one line that an exception becomes.
    """
    pipe = Connection(descriptor)
    while True:
        try:
            message = pipe.recv()
        except (EOFError, OSError, pickle.UnpicklingError):
            return
        if message is None:
            return
        number, function, arguments = message
        try:
            reply: tuple[int, Any, str | None] = (number, functions[function](*arguments), None)
        except Exception as error:  # every failure belongs to the caller, not to this loop
            reply = (number, None, describe(error))
        try:
            pipe.send(reply)
        except OSError:
            return
