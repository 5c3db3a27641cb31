"""Which runs were meant."""

import argparse
import importlib.metadata
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from swath.analysis import Verdict, find_sweep, not_reproducible, run_with
from swath.config import TrainConfig, read_stored_config, stored_config
from swath.errors import SwathError
from swath.sweeps import CannotReproduceError, original_of, stored_overrides
from swath.tracking import Reader, StoredRun, open_reader, read_bytes, schema

Chosen = list[tuple[str, StoredRun | Verdict]]
"""What was typed for each run, and the run, or why there is none."""


def selected_runs(reader: Reader, words: argparse.Namespace) -> Chosen:
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
            found.append((typed, not_reproducible(str(error))))
    return found


def note_relocation(reader: Reader) -> None:
    """Say where the files of a copied store are read."""
    if reader.moved is not None:
        line = f"files are read from {reader.moved}, beside the database; it has other addresses"
        print(line, file=sys.stderr)


def selected_config(words: argparse.Namespace) -> TrainConfig | None:
    """The config file that a command names; None where each run has its own.

    Raises:
      ConfigError: it is none.
    """
    if not words.against:
        return None
    path = Path(words.runs[0])
    return read_stored_config(path.read_text(encoding="utf-8", errors="replace"), str(path))


CANNOT = 2


def show(words: argparse.Namespace) -> int:
    """Print how to have the runs again that a command names; returns the exit status.

    Raises:
      SwathError: the store cannot be read.
    """
    reader = open_reader(words.uri)
    config = selected_config(words)
    status = 0
    for typed, run in selected_runs(reader, words):
        if isinstance(run, Verdict):
            print(f"{typed}  {run.text}")
            status = CANNOT
            continue
        try:
            original = original_of(reader, run, config)
            ways = list(_ways(run))
        except CannotReproduceError as error:
            print(f"{run.run_id}  cannot be reproduced: {error}")
            status = CANNOT
            continue
        note_relocation(reader)
        print(f"# run {run.run_id}: {run.name}")
        for line in ways:
            print(line)
        print(stored_config(original.config), end="")
    return status


def _ways(run: StoredRun) -> Iterator[str]:
    if commit := run.tags.get(schema.COMMIT):
        changed = "  # there were uncommitted changes" if run.tags.get(schema.DIRTY) == "true" else ""
        yield f"git checkout {commit}{changed}"
    try:
        yield f"pip install {shlex.join(_needed(read_bytes(run, schema.ENVIRONMENT_FILE).decode()))}"
    except SwathError:
        yield "# its environment.txt cannot be read"
    yield (
        f"swath {shlex.join(stored_overrides(run))}".rstrip()
        + "  # what was typed for it, on the config named below"
    )
    yield "swath --config-dir FOLDER --config-name config  # with the following as FOLDER/config.yaml"


def _needed(installed: str) -> list[str]:
    """Of the packages of an environment those that swath asks for, pinned; environment.txt has them all."""
    asked = {
        re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower()
        for requirement in importlib.metadata.requires("swath") or []
        if "extra ==" not in requirement
    }
    return [line for line in installed.split() if line.partition("==")[0] in asked]
