"""Arguments of `swath-compare`: their parser, and the rules on which of them go together."""

import argparse
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import shtab

from swath import __version__
from swath.cli.formats import ENDINGS, FORMATS
from swath.cli.one_line_parser import OneLineParser
from swath.errors import ConfigError

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
  swath-compare search --export-optuna study.journal    write a search for optuna-dashboard
"""

PLOT_FORMATS = ("png", "svg", "pdf")
"""Kinds of files of plots; `plotting.KINDS` writes them."""

SMALLEST_IN, LARGEST_IN = 2, 100
"""Smallest and largest side of a figure, in inches; a smaller one has no room for its labels."""


def parser() -> argparse.ArgumentParser:
    """The parser of the arguments of `swath-compare`."""
    found = OneLineParser(
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
    _add_selection(found)
    _add_rows(found)
    _add_views(found)
    _add_actions(found)
    shtab.add_argument_to(found, "--print-completion", help="print a script for completion in a shell")
    found.add_argument("--version", action="version", version=f"swath-compare {__version__}")
    return found


def _add_selection(found: argparse.ArgumentParser) -> None:
    """Add the options that choose what is compared."""
    add = found.add_argument
    add("--all-of", metavar="NAME", help="compare all sweeps with this name as one")
    add(
        "--diff",
        nargs=2,
        metavar=("A", "B"),
        help="show the differences between two runs, or between two sweeps by their common configurations",
    )
    add("--owner", metavar="NAME", help="list only the sweeps that this user started")
    add(
        "--since", type=_date, metavar="DATE", help="list only the sweeps started since then, e.g. 2026-01-31"
    )
    add("--where", metavar="CONDITION", help="compare only matching runs, e.g. 'learning_rate < 1e-5'")
    add("--metric", help="rank by this metric (default: validation accuracy, else test accuracy)")
    add("--uri", help="MLflow store (default: $MLFLOW_TRACKING_URI, else mlflow.db in this folder)")


def _add_rows(found: argparse.ArgumentParser) -> None:
    """Add the options of rows and their format."""
    add = found.add_argument
    add(
        "--sort",
        metavar="COLUMN",
        help="sort rows by a column instead of rank, accuracies from the best; --sort=-COLUMN: reversed",
    )
    add("--limit", type=_positive, metavar="N", help="print only the first N rows")
    add(
        "--per",
        choices=("configuration", "run"),
        help="what a row is (default in tables with several seeds: configuration)",
    )
    add("--long", action="store_true", help="of a search: say of every trial why it ended")
    add("--columns", type=_names, metavar="A,B", help="only these columns, in this order")
    add("--digits", type=_digits, metavar="N", help="decimals of metrics (default: 4; csv and json: all)")
    add("--format", choices=FORMATS, help="output format (default: table in a terminal, else csv)")
    add("--output", type=Path, metavar="FILE", help="write rows to a file")


def _add_views(found: argparse.ArgumentParser) -> None:
    """Add the options that show a sweep in other ways than rows."""
    add = found.add_argument
    add("--ui", action="store_true", help="print addresses of MLflow pages that show the sweep")
    add("--open", action="store_true", help="open the sweep's page; start `mlflow ui` if it is not running")
    add("--report", type=Path, metavar="FILE", help="write a report of the sweep as one HTML file")
    add("--plots", type=Path, metavar="DIR", help="draw plots of the sweep into this folder")
    add("--plot-format", choices=PLOT_FORMATS, help="with --plots: png (default), svg, pdf")
    add("--dpi", type=_positive, metavar="N", help="with --plots: dots per inch of png")
    add("--size", type=_size, metavar="WxH", help="with --plots: inches, for example 6x4")
    add("--svg", action="store_true", help="with --plots: SVG instead of PNG")


def _add_actions(found: argparse.ArgumentParser) -> None:
    """Add the options that change or copy a store."""
    add = found.add_argument
    add("--register", metavar="NAME", help="register the best run as a model with this name")
    add(
        "--close-stale",
        action="store_true",
        help="end RUNNING runs whose process on this machine has died; their status becomes KILLED",
    )
    add("--export", type=Path, metavar="FOLDER", help="copy the sweep into a new store that MLflow opens too")
    add(
        "--export-optuna",
        type=Path,
        metavar="FILE",
        help="write a search into a new journal file that optuna-dashboard opens",
    )
    add(
        "--postprocess", action="store_true", help="make the plots, the report and the model that are missing"
    )
    add(
        "--delete",
        action="store_true",
        help="delete the sweep: runs, files, models, views; without --yes: say what",
    )
    add(
        "--relocate",
        action="store_true",
        help="correct the locations in a store that was copied or moved; without --yes: say what",
    )
    add("--yes", action="store_true", help="with --delete or --relocate: do it")


def _size(text: str) -> tuple[float, float]:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)x(\d+(?:\.\d+)?)", text)
    sides = [] if found is None else [float(side) for side in found.groups()]
    if not sides or not SMALLEST_IN <= min(sides) <= max(sides) <= LARGEST_IN:
        raise argparse.ArgumentTypeError(
            f"{text}: expected inches from {SMALLEST_IN} to {LARGEST_IN}, for example 6x4"
        )
    return sides[0], sides[1]


def _date(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(
            f"{text}: expected a date, for example 2026-01-31 or 2026-01-31T18:00"
        ) from error


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError(f"{text}: expected names, separated by commas")
    return list(dict.fromkeys(names))


def _digits(text: str) -> int:
    if not text.isdecimal() or int(text) > 17:
        raise argparse.ArgumentTypeError(f"{text}: expected a number of decimals from 0 to 17")
    return int(text)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected a positive integer")
    return int(text)


ONE_SWEEP = ("sweep", "all_of")
"""Arguments that choose a sweep."""

ROWS = ("sort", "limit", "columns", "digits", "format", "output")
"""Options of rows, whatever they are."""


@dataclass(frozen=True)
class Rule:
    """What an argument of `swath-compare` goes with. Arguments are named as in the parsed arguments.

    Attributes:
      argument: the argument.
      needs: arguments of which one must be given, too; empty for none.
      needed: those in words.
      takes: the only other arguments that may be given; None for any.
      applies: what the argument does, in words, where others are not taken.
      excludes: arguments that cannot be given, too.
    """

    argument: str
    needs: tuple[str, ...] = ()
    needed: str = ""
    takes: tuple[str, ...] | None = None
    applies: str = ""
    excludes: tuple[str, ...] = ()


SWEEP_NEEDED = "a sweep; list sweeps with: swath-compare"

RULES = (
    Rule("close_stale", takes=("uri",), applies="applies to the whole store"),
    Rule("relocate", takes=("uri", "yes"), applies="applies to the whole store"),
    Rule("export", ("sweep",), SWEEP_NEEDED, ("uri", "sweep"), "applies to one sweep"),
    Rule("export_optuna", ("sweep",), SWEEP_NEEDED, ("uri", "sweep"), "applies to one sweep"),
    Rule("postprocess", ("sweep",), SWEEP_NEEDED, ("uri", "sweep"), "applies to one sweep"),
    Rule("delete", ("sweep",), SWEEP_NEEDED, ("uri", "sweep", "yes"), "applies to one sweep"),
    Rule("diff", takes=("uri", "metric", *ROWS), applies="compares two runs or two sweeps"),
    Rule("yes", ("delete", "relocate"), "--delete or --relocate"),
    Rule("sweep", excludes=("all_of",)),
    Rule("owner", excludes=ONE_SWEEP),
    Rule("since", excludes=ONE_SWEEP),
    Rule("metric", (*ONE_SWEEP, "diff"), SWEEP_NEEDED),
    *(Rule(name, ONE_SWEEP, SWEEP_NEEDED) for name in ("where", "per", "ui", "open")),
    Rule("long", ("sweep",), SWEEP_NEEDED),
    *(Rule(name, ONE_SWEEP, SWEEP_NEEDED) for name in ("report", "plots", "register")),
    *(Rule(name, ("plots",), "--plots DIR") for name in ("plot_format", "dpi", "size")),
    Rule("svg", ("plots",), "--plots DIR", excludes=("plot_format",)),
)
"""Which arguments go together."""


def check_arguments(args: argparse.Namespace) -> None:
    """Reject arguments that contradict each other, and values that cannot be used.

    Raises:
      ConfigError: there are some; one line for each.
    """
    given = [name for name, value in vars(args).items() if value not in (None, False)]
    mistakes = list(_taken_by_none(given)) or [*_missing(given), *_excluded(given), *_values(args)]
    if mistakes:
        raise ConfigError(mistakes)


def _taken_by_none(given: Sequence[str]) -> Iterator[str]:
    """The line about arguments beside one that does something else; only the first of these counts."""
    for rule in RULES:
        if rule.argument in given and rule.takes is not None:
            others = [name for name in given if name not in (rule.argument, *rule.takes)]
            if others:
                yield f"{_shown(rule.argument)} {rule.applies}; remove {', '.join(map(_shown, others))}"
            return


def _missing(given: Sequence[str]) -> Iterator[str]:
    for rule in RULES:
        if rule.argument in given and rule.needs and not set(rule.needs) & set(given):
            yield f"{_shown(rule.argument)}: requires {rule.needed}"


def _excluded(given: Sequence[str]) -> Iterator[str]:
    for rule in RULES:
        for other in rule.excludes:
            if {rule.argument, other} <= set(given):
                yield f"{_shown(rule.argument)} and {_shown(other)}: use only one of the two"


def _values(args: argparse.Namespace) -> Iterator[str]:
    """A line for each value that cannot be used."""
    if args.plots and args.plots.suffix.lstrip(".") in PLOT_FORMATS:
        yield f"--plots {args.plots}: expected a folder; the kind of file: --plot-format"
    if args.report is not None and Path(args.report).suffix.lower() not in (".html", ".htm"):
        yield f"--report {args.report}: expected a name that ends with .html"
    elif args.report is not None and not args.report.absolute().parent.is_dir():
        folder = args.report.absolute().parent
        yield f"--report {args.report}: there is no folder {folder}"
    if args.dpi is not None and (args.svg or args.plot_format in ("svg", "pdf")):
        yield f"--dpi: only PNG files have dots; remove it, or --{'svg' if args.svg else 'plot-format'}"
    if args.register is not None and not args.register.strip():
        yield "--register: expected a non-empty name"
    output = None if args.output is None else Path(args.output).absolute()
    if output is not None and (output.is_dir() or not output.parent.is_dir()):
        found = "is a folder; expected a file" if output.is_dir() else f"there is no folder {output.parent}"
        yield f"--output {args.output}: {found}"
    elif output is not None and args.format is None and output.suffix.lower() not in ENDINGS:
        endings = ", ".join(ENDINGS)
        yield f"--output {args.output}: expected a name that ends with one of {endings}, or --format"
    elif output is not None and args.format not in (None, ENDINGS.get(output.suffix.lower(), args.format)):
        yield f"--output {args.output} is not the name of a file for --format {args.format}"


def _shown(argument: str) -> str:
    """An argument as it is typed."""
    return "SWEEP" if argument == "sweep" else f"--{argument.replace('_', '-')}"
