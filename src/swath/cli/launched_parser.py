"""The parser of a command that names a sweep of workers."""

import argparse

import shtab

from swath import __version__
from swath.cli.one_line_parser import OneLineParser


def launched_parser(name: str, description: str, epilog: str) -> OneLineParser:
    """A parser with the sweep, its store, the version, and completion.

    Args:
      name: of the command.
      description: what it does.
      epilog: what to know or type next.
    """
    found = OneLineParser(
        name,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    found.add_argument("sweep", metavar="SWEEP", help="id of the sweep, or a name for its latest sweep")
    found.add_argument(
        "--uri", help="MLflow store (default: $MLFLOW_TRACKING_URI, else mlflow.db in this folder)"
    )
    shtab.add_argument_to(found, "--print-completion", help="print a script for completion in a shell")
    found.add_argument("--version", action="version", version=f"{name} {__version__}")
    return found
