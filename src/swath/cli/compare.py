"""Command line of `swath-compare`."""

import argparse
import re
from pathlib import Path

import shtab

from swath import __version__
from swath.cli.formats import ENDINGS, FORMATS
from swath.errors import ConfigError, SwathError
from swath.tracking import configure_environment, error_line, is_store_error

EXAMPLES = """\
examples
  swath-compare                                         list the sweeps of the store in this folder
  swath-compare learning_rate                           rank the latest sweep with this name
  swath-compare 4f2a91c07b3e --where "batch_size == 100"
  swath-compare --all-of grid --sort learning_rate      compare all sweeps with this name as one
  swath-compare grid --format csv > grid.csv
  swath-compare grid --plots plots/                     draw plots as PNG files; with --svg as SVG
  swath-compare --diff RUN_A RUN_B                      show the differences between two runs
  swath-compare grid --register cifar10-softmax         register the best run as a model
  swath-compare grid --export grid-for-ada              copy a sweep into a store of its own
"""


def parser() -> argparse.ArgumentParser:
    """The parser of the arguments of `swath-compare`."""
    found = argparse.ArgumentParser(
        "swath-compare",
        description="Rank the runs of a sweep, with confidence intervals and hyperparameter importance.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    found.add_argument(
        "sweep",
        nargs="?",
        metavar="SWEEP",
        help="sweep id, or a name for its latest sweep; omit to list sweeps",
    )
    found.add_argument("--all-of", metavar="NAME", help="compare all sweeps with this name as one")
    found.add_argument(
        "--diff",
        nargs=2,
        metavar=("A", "B"),
        help="show the differences between two runs, or between two sweeps by their common configurations",
    )
    found.add_argument(
        "--metric", help="rank by this metric (default: validation accuracy, else test accuracy)"
    )
    found.add_argument(
        "--sort", metavar="COLUMN", help="sort rows by a column instead of rank; --sort=-COLUMN: descending"
    )
    found.add_argument("--limit", type=_positive, metavar="N", help="print only the first N rows")
    found.add_argument(
        "--where", metavar="CONDITION", help="compare only matching runs, e.g. 'learning_rate < 1e-5'"
    )
    found.add_argument(
        "--per",
        choices=("configuration", "run"),
        help="what a row is (default in tables with several seeds: configuration)",
    )
    found.add_argument("--columns", type=_names, metavar="A,B", help="only these columns, in this order")
    found.add_argument("--digits", type=_digits, metavar="N", help="decimals of metrics in tables")
    found.add_argument(
        "--format", choices=FORMATS, help="output format (default: table in a terminal, else csv)"
    )
    found.add_argument("--output", type=Path, metavar="FILE", help="write rows to a file")
    found.add_argument(
        "--uri", help="MLflow store (default: $MLFLOW_TRACKING_URI, else mlflow.db in this folder)"
    )
    found.add_argument(
        "--ui", action="store_true", help="print addresses of MLflow pages that show the sweep"
    )
    found.add_argument(
        "--open",
        action="store_true",
        help="open the sweep's page; start `mlflow ui` if it is not running",
    )
    found.add_argument(
        "--report", type=Path, metavar="FILE", help="write a report of the sweep as one HTML file"
    )
    found.add_argument("--plots", type=Path, metavar="DIR", help="draw plots of the sweep into this folder")
    found.add_argument("--plot-format", choices=PLOT_FORMATS, help="with --plots: png (default), svg, pdf")
    found.add_argument("--dpi", type=_positive, metavar="N", help="with --plots: dots per inch of png")
    found.add_argument("--size", type=_size, metavar="WxH", help="with --plots: inches, for example 6x4")
    found.add_argument("--svg", action="store_true", help="with --plots: SVG instead of PNG")
    found.add_argument("--register", metavar="NAME", help="register the best run as a model with this name")
    found.add_argument(
        "--close-stale",
        action="store_true",
        help="end RUNNING runs whose process on this machine has died; their status becomes KILLED",
    )
    found.add_argument(
        "--export", type=Path, metavar="FOLDER", help="copy the sweep into a new store that MLflow opens too"
    )
    found.add_argument(
        "--postprocess", action="store_true", help="make the plots, the report and the model that are missing"
    )
    found.add_argument(
        "--delete",
        action="store_true",
        help="delete the sweep: runs, files, models, views; without --yes: say what",
    )
    found.add_argument(
        "--relocate",
        action="store_true",
        help="correct the locations in a store that was copied or moved; without --yes: say what",
    )
    found.add_argument("--yes", action="store_true", help="with --delete or --relocate: do it")
    shtab.add_argument_to(found, "--print-completion", help="print a script for completion in a shell")
    found.add_argument("--version", action="version", version=f"swath-compare {__version__}")
    return found


PLOT_FORMATS = ("png", "svg", "pdf")
"""Kinds of files of plots; `plotting.KINDS` writes them."""


def _size(text: str) -> tuple[float, float]:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)x(\d+(?:\.\d+)?)", text)
    if found is None or not 1 <= min(map(float, found.groups())) <= max(map(float, found.groups())) <= 100:
        raise argparse.ArgumentTypeError(f"{text}: expected inches from 1 to 100, for example 6x4")
    return float(found[1]), float(found[2])


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError(f"{text}: expected names, separated by commas")
    return names


def _digits(text: str) -> int:
    if not text.isdecimal() or int(text) > 17:
        raise argparse.ArgumentTypeError(f"{text}: expected a number of decimals from 0 to 17")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected a positive integer")
    return int(text)


def run(arguments: list[str]) -> int:
    """Run the command; returns its exit status.

    Raises:
      SwathError: an error to report to the user.
    """
    args = parser().parse_args(arguments)
    configure_environment()
    check_arguments(args)
    try:
        _show(args)
    except SwathError:
        raise
    except Exception as error:
        line = _store_line(error, args.uri)
        if line is None:
            raise
        raise SwathError(line) from error
    return 0


def _show(args: argparse.Namespace) -> None:
    from swath.analysis import all_of, all_sweeps, find_sweep
    from swath.cli.compare_report import close_all_stale, show_diff, show_list, show_ranking
    from swath.tracking import default_uri, open_reader

    if args.relocate:
        from swath.cli.store_actions import relocate

        relocate(args.uri or default_uri(), args.yes)
        return
    reader = open_reader(args.uri)
    if args.close_stale:
        close_all_stale(reader, args.uri)
        return
    if args.diff:
        show_diff(reader, args)
        return
    if args.all_of is None and args.sweep is None:
        show_list(all_sweeps(reader), args)
        return
    sweep = find_sweep(reader, args.sweep) if args.all_of is None else all_of(reader, args.all_of)
    if args.export or args.delete or args.postprocess:
        from swath.cli.store_actions import delete, export, postprocess

        if args.export:
            export(args.uri or default_uri(), sweep, args.export)
        elif args.postprocess:
            postprocess(args.uri or default_uri(), sweep)
        else:
            delete(args.uri or default_uri(), sweep, args.yes)
        return
    show_ranking(reader, sweep, args)


def _store_line(error: Exception, uri: str | None) -> str | None:
    """One line for an error of the store; None for any other error."""
    return error_line(error, uri) if is_store_error(error) else None


NEEDS_SWEEP = ("ui", "open", "report", "plots", "register", "export", "delete", "postprocess")
"""Options that do something with one sweep."""

ACTIONS = (
    ("close_stale", (), "the whole store"),
    ("relocate", ("yes",), "the whole store"),
    ("export", ("sweep",), "one sweep"),
    ("postprocess", ("sweep",), "one sweep"),
    ("delete", ("sweep", "yes"), "one sweep"),
)
"""Options that do something else than to show rows: name, arguments that they take, what they apply to."""


def check_arguments(args: argparse.Namespace) -> None:
    """Reject arguments that contradict each other.

    Raises:
      ConfigError: some do.
    """
    if args.sweep and args.all_of:
        raise ConfigError([f"{args.sweep} and --all-of {args.all_of}: use only one of the two"])
    for action, takes, applies_to in ACTIONS:
        others = vars(args).keys() - {action, "uri", *takes}
        if getattr(args, action) and any(getattr(args, name) not in (None, False) for name in others):
            option = f"--{action.replace('_', '-')}"
            raise ConfigError([f"{option} applies to {applies_to}; remove the other arguments"])
    if args.yes and not (args.delete or args.relocate):
        raise ConfigError(["--yes: requires --delete or --relocate"])
    if args.diff:
        if args.sweep or args.all_of:
            raise ConfigError(["--diff compares two runs or two sweeps; remove the sweep"])
        for name in ("where", *NEEDS_SWEEP):
            if getattr(args, name) not in (None, False):
                raise ConfigError([f"--{name}: not supported with --diff"])
    for name in ("svg", "plot_format", "dpi", "size"):
        if getattr(args, name) and not args.plots:
            raise ConfigError([f"--{name.replace('_', '-')}: requires --plots DIR"])
    if args.svg and args.plot_format:
        raise ConfigError(["--svg and --plot-format: use only one of the two"])
    if args.plots and args.plots.suffix.lstrip(".") in PLOT_FORMATS:
        raise ConfigError([f"--plots {args.plots}: expected a folder; the kind of file: --plot-format"])
    if not (args.sweep or args.all_of):
        for name in ("metric", "where", "per", *NEEDS_SWEEP):
            if getattr(args, name) not in (None, False):
                raise ConfigError([f"--{name}: requires a sweep; list sweeps with: swath-compare"])
    if args.register is not None and not args.register.strip():
        raise ConfigError(["--register: expected a non-empty name"])
    output = None if args.output is None else Path(args.output).absolute()
    if output is not None and (output.is_dir() or not output.parent.is_dir()):
        raise ConfigError([f"--output {args.output}: expected a file in an existing folder"])
    if output is not None and args.format is None and output.suffix.lower() not in ENDINGS:
        endings = ", ".join(ENDINGS)
        raise ConfigError(
            [f"--output {args.output}: expected a name that ends with one of {endings}, or --format"]
        )
