"""Signals that ask a command to end: the same orderly end for each of them."""

import signal
from types import FrameType

ASKED_TO_END = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """Somebody or something has asked the command to end.

    Attributes:
      exit_status: 128 and the number of the signal, as a shell counts it.
    """

    def __init__(self, number: int) -> None:
        self.exit_status = 128 + number
        super().__init__(signal.Signals(number).name)


def end_orderly() -> None:
    """Have SIGTERM (a scheduler) and SIGHUP (a lost terminal) end a command as Ctrl-C does.

    A signal that the caller has had ignored, as `nohup` does, stays ignored.
    """
    for number in ASKED_TO_END:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted(number)
