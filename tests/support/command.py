"""swath as a person starts it: a process of its own, in a folder of its own."""

import os
import subprocess
import sys
from pathlib import Path

from support.forks import tracking_server, training_server

SWATH = Path(sys.executable).parent / "swath"

SWATH_COMPARE = SWATH.with_name("swath-compare")

SWATH_REPRODUCE = SWATH.with_name("swath-reproduce")

PATCHED = """
import sys
{patch}
from swath.cli.entry import swath
sys.argv[0] = "swath"
swath()
"""


CONFIGURATIONS = "tags.`swath.kind` = 'run'"
"""Condition of MLflow's language for the runs of configurations: without the sweep's own run."""


READ_BY_IMPORTS = ("TF_", "PYTHON", "OMP_", "ONEDNN_", "OPENBLAS_", "LC_", "LANG")
"""Beginnings of names of variables that take effect when a process starts."""


def swath(
    folder: Path, *words: str, patch: str | None = None, real: bool = False, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Run `swath` with some words in `folder`, to its end.

    Args:
      folder: where.
      words: what is typed behind `swath`.
      patch: Python that breaks something in the process before it starts.
      real: whether to start the command as a person does; else in a fork of a process that has loaded
        TensorFlow, where nothing speaks against it.
      environment: variables added to the environment.
    """
    if not real and not any(name.startswith(READ_BY_IMPORTS) for name in environment):
        return training_server().run("swath.cli.entry:swath", folder, words, environment, patch or "")
    start = [str(SWATH)] if patch is None else [sys.executable, "-c", PATCHED.format(patch=patch)]
    return _run(start, folder, words, environment)


def swath_compare(folder: Path, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run `swath-compare` with some words in `folder`, to its end; as `swath`."""
    if any(name.startswith(READ_BY_IMPORTS) for name in environment):
        return _run([str(SWATH_COMPARE)], folder, words, environment)
    return tracking_server().run("swath.cli.entry:swath_compare", folder, words, environment)


def swath_reproduce(folder: Path, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run `swath-reproduce` with some words in `folder`, to its end; as `swath`."""
    if any(name.startswith(READ_BY_IMPORTS) for name in environment):
        return _run([str(SWATH_REPRODUCE)], folder, words, environment)
    return training_server().run("swath.cli.entry:swath_reproduce", folder, words, environment)


def _run(
    command: list[str], folder: Path, words: tuple[str, ...], environment: dict[str, str]
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*command, *words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
