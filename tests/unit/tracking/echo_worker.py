"""Child process for the tests of typed calls."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from swath.errors import AwayError
from swath.tracking import serve
from swath.tracking.rpc import Call, Outcome


class EchoService(Protocol):
    def note(self, number: int) -> None: ...
    def notes(self) -> list[int]: ...
    def fail(self, text: str) -> None: ...
    def stay_away(self) -> None: ...
    def pause(self, seconds: float) -> None: ...
    def die(self) -> None: ...
    def pid(self) -> int: ...


class Echo:
    def __init__(self) -> None:
        self._noted: list[int] = []

    def note(self, number: int) -> None:
        self._noted.append(number)

    def notes(self) -> list[int]:
        return self._noted

    def fail(self, text: str) -> None:
        raise ValueError(text)

    def stay_away(self) -> None:
        raise AwayError("nobody answers")

    def pause(self, seconds: float) -> None:
        time.sleep(seconds)

    def die(self) -> None:
        os._exit(3)

    def pid(self) -> int:
        return os.getpid()

    def not_in_the_interface(self) -> None:
        """Cannot be called by the parent."""


class Together:
    """Carries out notes that wait together, after a note of their number, negative."""

    methods = ("EchoService.note",)

    def __init__(self, echo: EchoService) -> None:
        self._echo = echo

    def carry_out(self, calls: Sequence[Call], one: Callable[[Call], Outcome]) -> list[Outcome]:
        self._echo.note(-len(calls))
        return [one(call) for call in calls]


if __name__ == "__main__":
    echo: EchoService = Echo()
    together = Together(echo) if "SWATH_TEST_TOGETHER" in os.environ else None
    serve(int(sys.argv[1]), {EchoService: echo}, lambda error: f"{type(error).__name__}: {error}", together)
    if "SWATH_TEST_FAREWELL" in os.environ:
        Path(os.environ["SWATH_TEST_FAREWELL"]).write_text("ended")
