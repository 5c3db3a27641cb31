"""What it takes to have runs again: the command, the config, the environment, the source."""

import argparse
import importlib.metadata
import re
import shlex
from collections.abc import Iterator

from swath.config.stored import stored_config
from swath.errors import SwathError
from swath.reading.files import read_bytes
from swath.reading.records import StoredRun
from swath.reading.store import open_reader
from swath.reproduce_command.chosen import chosen_config, chosen_runs, say_if_moved
from swath.reproducing.originals import CannotReproduceError, original_of, stored_overrides
from swath.reproducing.verdict import Verdict

CANNOT = 2


def show(words: argparse.Namespace) -> int:
    """Print how to have the runs again that a command names; returns the exit status.

    Raises:
      SwathError: the store cannot be read.
    """
    reader = open_reader(words.uri)
    config = chosen_config(words)
    status = 0
    for typed, run in chosen_runs(reader, words):
        if isinstance(run, Verdict):
            print(f"{typed}  {run.text}")
            status = CANNOT
            continue
        try:
            original = original_of(reader, run, None, config)
            ways = list(_ways(run))
        except CannotReproduceError as error:
            print(f"{run.run_id}  cannot be reproduced: {error}")
            status = CANNOT
            continue
        say_if_moved(reader)
        print(f"# run {run.run_id}: {run.name}")
        for line in ways:
            print(line)
        print(stored_config(original.config), end="")
    return status


def _ways(run: StoredRun) -> Iterator[str]:
    if commit := run.tags.get("swath.commit"):
        changed = "  # there were uncommitted changes" if run.tags.get("swath.dirty") == "true" else ""
        yield f"git checkout {commit}{changed}"
    try:
        yield f"pip install {shlex.join(_needed(read_bytes(run, 'environment.txt').decode()))}"
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
