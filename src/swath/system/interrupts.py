"""Signals that interrupt a command, wherever its main thread waits."""

import os
import signal
import threading
import time
from collections.abc import Iterable
from types import FrameType

WAKE = signal.SIGURG
"""The signal that wakes the main thread; by default it is ignored, and no library of this project uses it."""

WAKE_EVERY_S = 0.05


class Interrupted(KeyboardInterrupt):
    """A signal has interrupted the command.

    Attributes:
      exit_status: 128 plus the number of the signal, as shells report it.
    """

    def __init__(self, number: int) -> None:
        self.exit_status = 128 + number
        super().__init__(signal.Signals(number).name)


def interrupt_on(numbers: Iterable[int]) -> None:
    """Make signals raise `Interrupted` in the main thread, as Ctrl-C does; call this in the main thread.

    Args:
      numbers: numbers of signals; they are added to those of earlier calls.
    """
    global _waker
    if _waker is None or _waker.process != os.getpid():  # a fork has no threads
        _waker = _Waker()
    for number in numbers:
        _waker.numbers.add(number)
        signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted(number)


class _Waker:
    """A thread that wakes the main thread after each signal, until it has run the signal's handler.

    Python notes a signal at once, but runs its handler between two instructions of the main thread. A signal
    that comes just before that thread sleeps, while it still waits for the interpreter's lock, does not
    interrupt the sleep: the command would train on until something else wakes it. Code that sets a wakeup
    descriptor or a handler of `WAKE` of its own in a command ends this.
    """

    def __init__(self) -> None:
        self.process = os.getpid()
        self.numbers: set[int] = set()
        self._is_awake = False
        arrived, written = os.pipe()
        os.set_blocking(written, False)
        signal.signal(WAKE, self._note)
        signal.set_wakeup_fd(written, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, args=(arrived,), name="swath-waker", daemon=True).start()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._is_awake = True

    def _watch(self, arrived: int) -> None:
        """Read the numbers of signals as they come, one byte each, and wake the main thread."""
        main = threading.main_thread().ident
        assert main is not None
        while noted := os.read(arrived, 64):
            if self.numbers.isdisjoint(noted):
                continue
            # Handlers run in one go: once that of WAKE has, those of the signals before it have too.
            self._is_awake = False
            while not self._is_awake and signal.getsignal(WAKE) == self._note:
                signal.pthread_kill(main, WAKE)
                time.sleep(WAKE_EVERY_S)


_waker: _Waker | None = None
