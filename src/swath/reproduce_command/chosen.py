"""Which runs were meant."""

import argparse
import sys
from pathlib import Path

from swath.comparing.diff import run_with
from swath.comparing.sweeps import find_sweep
from swath.config.schema import RunConfig
from swath.config.stored_reader import read_stored_config
from swath.errors import SwathError
from swath.reading.records import StoredRun
from swath.reading.store import Reader
from swath.reproducing.verdict import Verdict, cannot

Chosen = list[tuple[str, StoredRun | Verdict]]
"""What was typed for each run, and the run, or why there is none."""


def chosen_runs(reader: Reader, words: argparse.Namespace) -> Chosen:
    """The runs that a command names.

    Raises:
      SwathError: there is no such sweep.
    """
    if words.sweep:
        runs = find_sweep(reader, words.sweep).runs
        return [(run.run_id, run) for run in runs]
    found: Chosen = []
    for typed in [words.against] if words.against else dict.fromkeys(words.runs):
        try:
            found.append((typed, run_with(reader, typed)))
        except SwathError as error:
            found.append((typed, cannot(str(error))))
    return found


def say_if_moved(reader: Reader) -> None:
    """Say where the files of a copied store are read."""
    if reader.moved is not None:
        line = f"files are read from {reader.moved}, beside the database; it has other addresses"
        print(line, file=sys.stderr)


def chosen_config(words: argparse.Namespace) -> RunConfig | None:
    """The config file that a command names; None where each run has its own.

    Raises:
      ConfigError: it is none.
    """
    if not words.against:
        return None
    path = Path(words.runs[0])
    return read_stored_config(path.read_text(encoding="utf-8", errors="replace"), str(path))
