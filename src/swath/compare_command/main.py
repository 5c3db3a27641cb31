"""The command `swath-compare`."""

import argparse
import os
import sys
from pathlib import Path
from typing import NoReturn

from swath.errors import ConfigError, SwathError
from swath.tracking.mlflow_settings import settle
from swath.tracking.secrets import hide_passwords


def main() -> NoReturn:
    """Run `swath-compare` with the words of this process, and exit with its status.

    0: done; a reader of the output that went away counts as done. 1: something failed. 2: a mistake in
      the command.
    """
    from swath.compare_command.command_line import parser

    words = parser().parse_args()
    settle()
    try:
        run(words)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except SwathError as error:
        for line in str(error).splitlines():
            print(f"swath-compare: {hide_passwords(line)}", file=sys.stderr)
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        said = _store_line(error, words.uri)
        if said is None:
            raise
        print(f"swath-compare: {said}", file=sys.stderr)
        sys.exit(1)
    sys.exit(0)


def _store_line(error: Exception, uri: str | None) -> str | None:
    """What a store's own error says, in one line; None for any other error."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    from swath.tracking.secrets import one_line

    return one_line(error, uri) if isinstance(error, MlflowException | SQLAlchemyError) else None


def run(words: argparse.Namespace) -> None:
    """Carry out one command.

    Raises:
      SwathError: what went wrong, in words for the person who typed it.
    """
    _check(words)
    from swath.compare_command.show import close_all_stale, show_diff, show_list, show_ranking
    from swath.comparing.sweeps import all_of, all_sweeps, find_sweep
    from swath.reading.store import open_reader

    reader = open_reader(words.uri)
    if words.close_stale:
        close_all_stale(reader, words.uri)
        return
    if words.diff:
        show_diff(reader, *words.diff)
        return
    if words.all_of is None and words.sweep is None:
        show_list(all_sweeps(reader), words)
        return
    sweep = find_sweep(reader, words.sweep) if words.all_of is None else all_of(reader, words.all_of)
    show_ranking(reader, sweep, words)


def _check(words: argparse.Namespace) -> None:
    """Refuse words that do not go together."""
    if words.sweep and words.all_of:
        raise ConfigError([f"{words.sweep} and --all-of {words.all_of}: expected one of the two"])
    if words.close_stale and any(
        value not in (None, False)
        for name, value in vars(words).items()
        if name not in ("close_stale", "uri")
    ):
        raise ConfigError(["--close-stale looks at the whole store; leave the rest out"])
    if words.diff:
        if words.sweep or words.all_of:
            raise ConfigError(["--diff compares two runs; leave the sweep out"])
        for name in ("metric", "sort", "limit", "where", "format", "output", "ui", "plots", "register"):
            if getattr(words, name) not in (None, False):
                raise ConfigError([f"--{name}: not with --diff, which prints lines"])
    if words.svg and not words.plots:
        raise ConfigError(["--svg: expected with --plots DIR"])
    if not (words.sweep or words.all_of):
        for name in ("metric", "where", "ui", "plots", "register"):
            if getattr(words, name) not in (None, False):
                raise ConfigError([f"--{name}: expected with a sweep; swath-compare lists them"])
    if words.register is not None and not words.register.strip():
        raise ConfigError(["--register: expected a name"])
    output = None if words.output is None else Path(words.output).absolute()
    if output is not None and (output.is_dir() or not output.parent.is_dir()):
        raise ConfigError([f"--output {words.output}: expected a file in a folder that exists"])


if __name__ == "__main__":
    main()
