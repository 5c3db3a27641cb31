"""Run swath's commands as subprocesses."""

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


IS_CONFIGURATION = "tags.`swath.kind` = 'run'"
"""MLflow search filter for the runs of configurations, without summary runs."""


READ_BY_IMPORTS = ("TF_", "PYTHON", "OMP_", "ONEDNN_", "OPENBLAS_", "LC_", "LANG")
"""Prefixes of environment variables that are read when modules are imported."""


def error_lines(errors: str, command: str = "swath") -> list[str]:
    """The lines of standard error that report an error, rather than progress, notes or the answer."""
    return [line for line in errors.splitlines() if line.startswith(f"{command}: ")]


def swath(
    folder: Path, *arguments: str, patch: str | None = None, real: bool = False, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Run `swath` in `folder` and wait until it exits.

    Args:
      folder: working directory.
      arguments: command-line arguments.
      patch: Python code to execute in the process before the command, to inject a fault.
      real: start a new interpreter, as a user does. Otherwise the command runs in a fork of a process
        that has already loaded TensorFlow, unless a variable requires a new interpreter.
      environment: additional environment variables.
    """
    if not real and not any(name.startswith(READ_BY_IMPORTS) for name in environment):
        return training_server().run("swath.cli.entry:swath", folder, arguments, environment, patch or "")
    start = [str(SWATH)] if patch is None else [sys.executable, "-c", PATCHED.format(patch=patch)]
    return _run(start, folder, arguments, environment)


def swath_compare(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run `swath-compare` in `folder` and wait until it exits. The parameters are those of `swath`."""
    if any(name.startswith(READ_BY_IMPORTS) for name in environment):
        return _run([str(SWATH_COMPARE)], folder, arguments, environment)
    return tracking_server().run("swath.cli.entry:swath_compare", folder, arguments, environment)


def swath_reproduce(folder: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run `swath-reproduce` in `folder` and wait until it exits. The parameters are those of `swath`."""
    if any(name.startswith(READ_BY_IMPORTS) for name in environment):
        return _run([str(SWATH_REPRODUCE)], folder, arguments, environment)
    return training_server().run("swath.cli.entry:swath_reproduce", folder, arguments, environment)


def _run(
    command: list[str], folder: Path, arguments: tuple[str, ...], environment: dict[str, str]
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*command, *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
