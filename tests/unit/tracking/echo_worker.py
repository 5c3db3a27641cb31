"""Child process for the tests of typed calls."""

import os
import sys
from pathlib import Path
from typing import Protocol

from swath.tracking import serve


class EchoService(Protocol):
    def note(self, number: int) -> None: ...
    def notes(self) -> list[int]: ...
    def fail(self, text: str) -> None: ...
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

    def die(self) -> None:
        os._exit(3)

    def pid(self) -> int:
        return os.getpid()

    def not_in_the_interface(self) -> None:
        """Cannot be called by the parent."""


if __name__ == "__main__":
    echo: EchoService = Echo()
    serve(int(sys.argv[1]), {EchoService: echo}, lambda error: f"{type(error).__name__}: {error}")
    if "SWATH_TEST_FAREWELL" in os.environ:
        Path(os.environ["SWATH_TEST_FAREWELL"]).write_text("ended")
