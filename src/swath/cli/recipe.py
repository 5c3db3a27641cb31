"""Selects the runs to reproduce, and prints how to reproduce them."""

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

SelectedRuns = list[tuple[str, StoredRun | Verdict]]
"""Each argument, with its run or the reason why there is none."""


def selected_runs(reader: Reader, args: argparse.Namespace) -> SelectedRuns:
    """The runs that a command selects.

    Raises:
      SwathError: there is no such sweep.
    """
    if args.sweep:
        runs = find_sweep(reader, args.sweep).runs
        return [(run.run_id, run) for run in runs]
    found: SelectedRuns = []
    for typed in [args.against] if args.against else dict.fromkeys(args.runs):
        try:
            found.append((typed, run_with(reader, typed)))
        except SwathError as error:
            found.append((typed, not_reproducible(str(error))))
    return found


def note_relocation(reader: Reader) -> None:
    """Print from where the files of a copied store are read."""
    if reader.moved is not None:
        line = f"files are read from {reader.moved}, beside the database, not from the paths stored in it"
        print(line, file=sys.stderr)


def selected_config(args: argparse.Namespace) -> TrainConfig | None:
    """The config file given in a command; None to use the config of each run.

    Raises:
      ConfigError: the file is not a config.
    """
    if not args.against:
        return None
    path = Path(args.runs[0])
    return read_stored_config(path.read_text(encoding="utf-8", errors="replace"), str(path))


NOT_REPRODUCIBLE = 2
"""Exit status."""


def show(args: argparse.Namespace) -> int:
    """Print how to reproduce the selected runs; returns the exit status.

    Raises:
      SwathError: the store cannot be read.
    """
    reader = open_reader(args.uri)
    config = selected_config(args)
    status = 0
    for typed, run in selected_runs(reader, args):
        if isinstance(run, Verdict):
            print(f"{typed}  {run.text}")
            status = NOT_REPRODUCIBLE
            continue
        try:
            original = original_of(reader, run, config)
            steps = list(_steps(run))
        except CannotReproduceError as error:
            print(f"{run.run_id}  cannot be reproduced: {error}")
            status = NOT_REPRODUCIBLE
            continue
        note_relocation(reader)
        print(f"# run {run.run_id}: {run.name}")
        for line in steps:
            print(line)
        print(stored_config(original.config), end="")
    return status


def _steps(run: StoredRun) -> Iterator[str]:
    if commit := run.tags.get(schema.COMMIT):
        changed = "  # there were uncommitted changes" if run.tags.get(schema.DIRTY) == "true" else ""
        yield f"git checkout {commit}{changed}"
    try:
        yield f"pip install {shlex.join(_dependencies(read_bytes(run, schema.ENVIRONMENT_FILE).decode()))}"
    except SwathError:
        yield "# cannot read its environment.txt"
    yield (
        f"swath {shlex.join(stored_overrides(run))}".rstrip()
        + "  # its overrides, to be used with the config below"
    )
    yield "swath --config-dir FOLDER --config-name config  # save the following as FOLDER/config.yaml"


def _dependencies(installed: str) -> list[str]:
    """The direct dependencies of swath, with their versions; environment.txt lists all packages."""
    required = {
        re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower()
        for requirement in importlib.metadata.requires("swath") or []
        if "extra ==" not in requirement
    }
    return [line for line in installed.split() if line.partition("==")[0] in required]
