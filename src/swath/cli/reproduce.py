"""Command line of `swath-reproduce`."""

import argparse
import math
from pathlib import Path

import shtab

from swath import __version__
from swath.cli.one_line_parser import OneLineParser
from swath.errors import ConfigError
from swath.tracking import configure_environment

EXAMPLES = """\
examples
  swath-reproduce 4f2a91c07b3e                       train a run again and compare it bit for bit
  swath-reproduce --sweep learning_rate              reproduce all runs of the latest sweep with this name
  swath-reproduce --sweep search --best              decide a search again, and train its best run again
  swath-reproduce --sweep search --decisions         decide a search again; train nothing
  swath-reproduce config.yaml --against 4f2a91c07b3e train a config file and compare it with a run
  swath-reproduce 4f2a91c07b3e --record              store the new run and the verdict
  swath-reproduce 4f2a91c07b3e --show                print the config, environment and commands; train nothing

exit status: 0 all identical (or equal within --rtol), 1 a run differs, 2 a run cannot be reproduced
"""


def parser() -> argparse.ArgumentParser:
    """The parser of the arguments of `swath-reproduce`."""
    found = OneLineParser(
        "swath-reproduce",
        description="Train runs again from their stored configs, and check that all numbers are identical.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    found.add_argument("runs", nargs="*", metavar="RUN_ID", help="run ids, or their first characters")
    found.add_argument(
        "--sweep",
        metavar="SWEEP",
        help="reproduce all runs of a sweep: its id, or a name for its latest sweep",
    )
    found.add_argument(
        "--best",
        action="store_true",
        help="train only the best run of the sweep",
    )
    found.add_argument(
        "--decisions", action="store_true", help="check the decisions of a search; train nothing"
    )
    found.add_argument("--against", metavar="RUN_ID", help="train a config file and compare it with this run")
    found.add_argument("--rtol", type=_tolerance, metavar="X", help="accept relative differences up to X")
    found.add_argument("--record", action="store_true", help="store the new run and the verdict")
    found.add_argument(
        "--show", action="store_true", help="print the config, environment and commands; train nothing"
    )
    found.add_argument(
        "--uri", help="MLflow store (default: $MLFLOW_TRACKING_URI, else mlflow.db in this folder)"
    )
    found.add_argument(
        "--data-dir",
        type=Path,
        metavar="PLACE",
        help="place of the data set (default: $SWATH_DATA_DIR, else the user's cache, else a download)",
    )
    shtab.add_argument_to(found, "--print-completion", help="print a script for completion in a shell")
    found.add_argument("--version", action="version", version=f"swath-reproduce {__version__}")
    return found


def _tolerance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"{text}: expected 0 or more")
    return value


def run(arguments: list[str]) -> int:
    """Run the command; returns its exit status.

    Raises:
      SwathError: an error to report to the user.
    """
    args = parser().parse_args(arguments)
    configure_environment()
    _check(args)
    from swath.cli.reproduce_report import show

    if args.show:
        return show(args)
    from swath.cli.reproduce_report import verdicts

    return verdicts(args)


def _check(args: argparse.Namespace) -> None:
    """Reject arguments that contradict each other."""
    if "help" in args.runs:
        raise ConfigError(["help: expected a run id; to see the help: swath-reproduce --help"])
    if args.against is not None:
        if len(args.runs) != 1 or args.sweep:
            raise ConfigError(["--against RUN_ID: expected one config file before it"])
        if not Path(args.runs[0]).is_file():
            raise ConfigError([f"{args.runs[0]}: no such file; expected a config.yaml"])
    elif bool(args.runs) == bool(args.sweep):
        raise ConfigError(["expected run ids or --sweep SWEEP; to list sweeps, run: swath-compare"])
    for name in ("best", "decisions"):
        if getattr(args, name) and not args.sweep:
            raise ConfigError([f"--{name}: only with --sweep SWEEP"])
    if args.decisions and (args.record or args.show or args.best):
        raise ConfigError(["--decisions trains and shows nothing; remove --record, --show and --best"])
    if args.record and args.show:
        raise ConfigError(["--show trains nothing; remove --record"])
    if args.data_dir is not None and not args.data_dir.exists():
        raise ConfigError([f"--data-dir {args.data_dir}: no such folder or file"])
