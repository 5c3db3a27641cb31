"""The words of `swath-reproduce`."""

import argparse
import math
from pathlib import Path

from swath.errors import ConfigError
from swath.tracking import configure_environment

EXAMPLES = """\
examples
  swath-reproduce 4f2a91c07b3e                       train a run again, and compare it bit for bit
  swath-reproduce --sweep learning_rate              every run of its latest sweep of that name, side by side
  swath-reproduce config.yaml --against 4f2a91c07b3e a config file instead of the run's own
  swath-reproduce 4f2a91c07b3e --record              keep the repetition and the verdict in the store
  swath-reproduce 4f2a91c07b3e --show                what would be run, in which environment

exit status: 0 identical (or equal within --rtol), 1 something differs, 2 something cannot be reproduced
"""


def parser() -> argparse.ArgumentParser:
    """The parser of the words of `swath-reproduce`."""
    found = argparse.ArgumentParser(
        "swath-reproduce",
        description="Train runs again from their configs, and say whether every number is the same.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    found.add_argument("runs", nargs="*", metavar="RUN_ID", help="ids of runs, or their beginnings")
    found.add_argument("--sweep", metavar="SWEEP", help="all runs of a sweep; its name (its latest) or id")
    found.add_argument("--against", metavar="RUN_ID", help="train a config file, compare it with this run")
    found.add_argument("--rtol", type=_tolerance, metavar="X", help="pass over relative differences up to X")
    found.add_argument("--record", action="store_true", help="store the repetition, and the verdict")
    found.add_argument("--show", action="store_true", help="show what would be run; train nothing")
    found.add_argument(
        "--uri", help="MLflow store; without it $MLFLOW_TRACKING_URI, else mlflow.db in this folder"
    )
    found.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="folder of CIFAR-10; without it $SWATH_DATA_DIR, the user's cache, a download",
    )
    return found


def _tolerance(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"{text}: expected a number from 0 up")
    return value


def run(arguments: list[str]) -> int:
    """Carry out one command; returns its exit status.

    Raises:
      SwathError: what went wrong, for the user to read.
    """
    words = parser().parse_args(arguments)
    configure_environment()
    _check(words)
    from swath.cli.recipe import show

    if words.show:
        return show(words)
    from swath.cli.verdicts import verdicts

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
