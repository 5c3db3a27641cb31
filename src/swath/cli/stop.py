"""Command line of `swath-stop`: stops a sweep that workers train."""

import argparse

import shtab

from swath import __version__
from swath.cli.one_line_parser import OneLineParser
from swath.cli.output import print_note
from swath.tracking import configure_environment


def parser() -> argparse.ArgumentParser:
    """The parser of the arguments of `swath-stop`."""
    found = OneLineParser(
        "swath-stop",
        description="Stop a sweep that workers train. They save what they have trained and end.",
        epilog="Train what is left: type the command of the sweep again with resume=yes.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    found.add_argument("sweep", metavar="SWEEP", help="id of the sweep, or a name for its latest sweep")
    found.add_argument(
        "--uri", help="MLflow store (default: $MLFLOW_TRACKING_URI, else mlflow.db in this folder)"
    )
    shtab.add_argument_to(found, "--print-completion", help="print a script for completion in a shell")
    found.add_argument("--version", action="version", version=f"swath-stop {__version__}")
    return found


def run(arguments: list[str]) -> int:
    """Stop a sweep; returns the exit status.

    Raises:
      SwathError: an error to report to the user.
    """
    args = parser().parse_args(arguments)
    configure_environment()
    from swath.sweeps import find_launched, stop_launched

    sweep = find_launched(args.uri, args.sweep)
    if sweep.has_ended:
        print(f"Sweep {sweep.name} {sweep.sweep_id} has ended already ({sweep.summary.status}).")
        return 0
    left = stop_launched(args.uri, sweep, print_note)
    what = "The search" if sweep.decisions is not None else "Sweep"
    print(
        f"{what} {sweep.name} {sweep.sweep_id} is stopped: {left} of {len(sweep.lots)} lots are left; "
        "its command with resume=yes goes on."
    )
    return 0
