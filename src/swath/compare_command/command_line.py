"""The words of `swath-compare`."""

import argparse
from pathlib import Path

from swath.compare_command.output import FORMATS

EXAMPLES = """\
examples
  swath-compare                                         the sweeps of the store in this folder
  swath-compare learning_rate                           the ranking of its latest sweep of that name
  swath-compare 4f2a91c07b3e --where "batch_size == 100"
  swath-compare --all-of grid --sort learning_rate      every sweep of that name as one
  swath-compare grid --format csv > grid.csv
  swath-compare grid --plots pictures/                  pictures as PNG files, with --svg as SVG
  swath-compare --diff RUN_A RUN_B                      what two runs differ in
  swath-compare grid --register cifar10-softmax         register the best run's weights as a model
"""


def parser() -> argparse.ArgumentParser:
    """The parser of the words of `swath-compare`."""
    found = argparse.ArgumentParser(
        "swath-compare",
        description="Compare the runs of a sweep: which are best, how sure that is, and what mattered.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    found.add_argument(
        "sweep", nargs="?", metavar="SWEEP", help="name (its latest) or id; without it, a list"
    )
    found.add_argument("--all-of", metavar="NAME", help="all sweeps of that name as one")
    found.add_argument(
        "--diff", nargs=2, metavar=("A", "B"), help="what two runs differ in; ids or their beginnings"
    )
    found.add_argument("--metric", help="rank by this metric; validation accuracy where there is one")
    found.add_argument(
        "--sort", metavar="COLUMN", help="order rows by a column, not by rank; --sort=-COLUMN for downwards"
    )
    found.add_argument("--limit", type=_from_one, metavar="N", help="the first N rows only")
    found.add_argument(
        "--where", metavar="CONDITION", help="only runs for which this holds: 'learning_rate < 1e-5'"
    )
    found.add_argument("--format", choices=FORMATS, help="table in a terminal, else csv")
    found.add_argument(
        "--output", type=Path, metavar="FILE", help="write there instead of to standard output"
    )
    found.add_argument(
        "--uri", help="MLflow store; without it $MLFLOW_TRACKING_URI, else mlflow.db in this folder"
    )
    found.add_argument(
        "--ui", action="store_true", help="print the addresses of the MLflow pages of the sweep"
    )
    found.add_argument(
        "--plots", type=Path, metavar="DIR", help="write pictures of the sweep into this folder"
    )
    found.add_argument("--svg", action="store_true", help="with --plots: as SVG instead of PNG")
    found.add_argument(
        "--register", metavar="NAME", help="register the best run's weights as a model of that name"
    )
    found.add_argument(
        "--close-stale",
        action="store_true",
        help="end runs as KILLED that a process of this machine has left RUNNING when it died",
    )
    return found


def _from_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected a whole number from 1 up")
    return int(text)
