"""Command line of `swath-stop`: stops a sweep that workers train."""

import argparse

from swath.cli.launched_parser import launched_parser
from swath.cli.output import print_note
from swath.tracking import configure_environment


def parser() -> argparse.ArgumentParser:
    """The parser of the arguments of `swath-stop`."""
    return launched_parser(
        "swath-stop",
        "Stop a sweep that workers train. They save what they have trained and end.",
        "Train what is left: type the command of the sweep again with resume=yes.",
    )


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
    print(
        f"Sweep {sweep.name} {sweep.sweep_id} is stopped: {left} of {len(sweep.lots)} lots are left; "
        "its command with resume=yes goes on."
    )
    return 0
