"""A child for the tests of the channel: echoes, fails, dies."""

import os
import sys
from pathlib import Path

from swath.tracking import serve


def fail(text: str) -> None:
    raise ValueError(text)


if __name__ == "__main__":
    calls: list[int] = []
    functions = {
        "note": calls.append,
        "notes": lambda: calls,
        "fail": fail,
        "die": lambda: os._exit(3),
        "pid": os.getpid,
    }
    serve(int(sys.argv[1]), functions, lambda error: f"told: {error}")
    if "SWATH_TEST_FAREWELL" in os.environ:
        Path(os.environ["SWATH_TEST_FAREWELL"]).write_text("ended")
