"""The words of `swath-reproduce`."""

import argparse
import math
from pathlib import Path

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
