"""The command `swath-reproduce`."""

import argparse
import os
import sys
from pathlib import Path
from typing import NoReturn

from swath.errors import ConfigError, SwathError
from swath.tracking.mlflow_settings import settle
from swath.tracking.secrets import hide_passwords


def main() -> NoReturn:
    """Run `swath-reproduce` with the words of this process, and exit with its status.

    0: every run is identical, or equal within the tolerance. 1: one differs. 2: one cannot be reproduced,
      or there is a mistake in the command. 130: interrupted.
    """
    from swath.reproduce_command.command_line import parser

    words = parser().parse_args()
    settle()
    status = 0
    try:
        status = run(words)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except SwathError as error:
        for line in str(error).splitlines():
            print(f"swath-reproduce: {hide_passwords(line)}", file=sys.stderr)
        status = max(2, error.exit_status)
    except KeyboardInterrupt:
        status = 130
    sys.stderr.flush()
    os._exit(status)  # taking TensorFlow down piece by piece takes a second


def run(words: argparse.Namespace) -> int:
    """Carry out one command; returns its exit status.

    Raises:
      SwathError: what went wrong, in words for the person who typed it.
    """
    _check(words)
    from swath.reproduce_command.show import show

    if words.show:
        return show(words)
    from swath.reproduce_command.verdicts import verdicts

    return verdicts(words)


def _check(words: argparse.Namespace) -> None:
    """Refuse words that do not go together."""
    if words.against is not None:
        if len(words.runs) != 1 or words.sweep:
            raise ConfigError(["--against RUN_ID: expected one config file in front of it"])
        if not Path(words.runs[0]).is_file():
            raise ConfigError([f"{words.runs[0]}: there is no such file; expected a config.yaml"])
    elif bool(words.runs) == bool(words.sweep):
        raise ConfigError(["expected ids of runs, or --sweep SWEEP; swath-compare lists sweeps"])
    if words.record and words.show:
        raise ConfigError(["--show trains nothing, so there is nothing to --record"])
    if words.data_dir is not None and not words.data_dir.is_dir():
        raise ConfigError([f"--data-dir {words.data_dir}: there is no such folder"])


if __name__ == "__main__":
    main()
