"""swath as a person starts it: a process of its own, in a folder of its own."""

import os
import subprocess
import sys
from pathlib import Path

SWATH = Path(sys.executable).parent / "swath"

SWATH_COMPARE = SWATH.with_name("swath-compare")

SWATH_REPRODUCE = SWATH.with_name("swath-reproduce")

PATCHED = """
import sys
{patch}
from swath.app.main import main
sys.argv[0] = "swath"
main()
"""


CONFIGURATIONS = "tags.`swath.kind` = 'run'"
"""Condition of MLflow's language for the runs of configurations: without the sweep's own run."""


def swath(
    folder: Path, *words: str, patch: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `swath` with some words in `folder`, to its end.

    Args:
      folder: where.
      words: what is typed behind `swath`.
      patch: Python that breaks something in the process before it starts.
      environment: variables added to the environment.
    """
    start = [str(SWATH)] if patch is None else [sys.executable, "-c", PATCHED.format(patch=patch)]
    return subprocess.run(
        [*start, *words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def swath_compare(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `swath-compare` with some words in `folder`, to its end."""
    return _run(SWATH_COMPARE, folder, words, environment)


def swath_reproduce(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `swath-reproduce` with some words in `folder`, to its end."""
    return _run(SWATH_REPRODUCE, folder, words, environment)


def _run(
    command: Path, folder: Path, words: tuple[str, ...], environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(command), *words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
