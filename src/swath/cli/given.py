"""Environment variables as they were given to this process, before it set them for itself."""

import os

HYDRA_FULL_ERROR = "HYDRA_FULL_ERROR"
"""Environment variable: if 1, an unexpected error is printed with its traceback."""


_GIVEN = {HYDRA_FULL_ERROR: os.environ.get(HYDRA_FULL_ERROR)}


def restore_given() -> None:
    """Give the programs that this process starts the environment that it was given."""
    for name, value in _GIVEN.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
