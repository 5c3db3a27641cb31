"""When postprocessing runs: in the background, at the end of the command, or not at all."""

import os
import sys
from pathlib import Path

from swath.cli.validation import CheckedCommand
from swath.config import POSTPROCESS
from swath.errors import ConfigError

POSTPROCESS_VARIABLE = "SWATH_POSTPROCESS"
"""Environment variable: the default of `tracking.postprocess`."""

_FORMER_VARIABLE = "SWATH_AFTERWARDS"


BATCH_VARIABLES = ("CI", "SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID", "KUBERNETES_SERVICE_HOST")
"""Variables of sessions that end with the command: continuous integration, batch jobs, containers."""

CONTAINER_FILES = ("/.dockerenv", "/run/.containerenv")


def outlives_command() -> bool:
    """Whether a background process can outlive the command: only in the session of a terminal."""
    in_batch = any(os.environ.get(name) for name in BATCH_VARIABLES)
    in_container = any(Path(name).exists() for name in CONTAINER_FILES)
    return sys.stdout is not None and sys.stdout.isatty() and not in_batch and not in_container


def postprocess_when(checked: CheckedCommand) -> str:
    """When postprocessing runs: background, wait or off.

    Raises:
      ConfigError: an environment variable has an unknown name or value.
    """
    if _FORMER_VARIABLE in os.environ:
        raise ConfigError([f"${_FORMER_VARIABLE} is now ${POSTPROCESS_VARIABLE}"])
    default = "background" if outlives_command() else "wait"
    when = checked.sweep.tracking.postprocess or os.environ.get(POSTPROCESS_VARIABLE) or default
    if when not in POSTPROCESS:
        raise ConfigError([f"{POSTPROCESS_VARIABLE}={when}: expected one of {', '.join(POSTPROCESS)}"])
    return when
