"""The words of `swath-compare`."""

import argparse
from pathlib import Path

from swath.cli.tables import FORMATS
from swath.errors import ConfigError, SwathError
from swath.tracking import configure_environment, error_line, is_store_error

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


def run(arguments: list[str]) -> int:
    """Carry out one command; returns its exit status.

    Raises:
      SwathError: what went wrong, for the user to read.
    """
    words = parser().parse_args(arguments)
    configure_environment()
    _check(words)
    try:
        _show(words)
    except SwathError:
        raise
    except Exception as error:
        line = _store_line(error, words.uri)
        if line is None:
            raise
        raise SwathError(line) from error
    return 0


def _show(words: argparse.Namespace) -> None:
    from swath.analysis import all_of, all_sweeps, find_sweep
    from swath.cli.compare_report import close_all_stale, show_diff, show_list, show_ranking
    from swath.tracking import open_reader

    reader = open_reader(words.uri)
    if words.close_stale:
        close_all_stale(reader, words.uri)
        return
    if words.diff:
        show_diff(reader, *words.diff)
        return
    if words.all_of is None and words.sweep is None:
        show_list(all_sweeps(reader), words)
        return
    sweep = find_sweep(reader, words.sweep) if words.all_of is None else all_of(reader, words.all_of)
    show_ranking(reader, sweep, words)


def _store_line(error: Exception, uri: str | None) -> str | None:
    """What a store's own error says, in one line; None for any other error."""
    return error_line(error, uri) if is_store_error(error) else None


def _check(words: argparse.Namespace) -> None:
    """Refuse words that do not go together."""
    if words.sweep and words.all_of:
        raise ConfigError([f"{words.sweep} and --all-of {words.all_of}: expected one of the two"])
    if words.close_stale and any(
        value not in (None, False)
        for name, value in vars(words).items()
        if name not in ("close_stale", "uri")
    ):
        raise ConfigError(["--close-stale looks at the whole store; leave the rest out"])
    if words.diff:
        if words.sweep or words.all_of:
            raise ConfigError(["--diff compares two runs; leave the sweep out"])
        for name in ("metric", "sort", "limit", "where", "format", "output", "ui", "plots", "register"):
            if getattr(words, name) not in (None, False):
                raise ConfigError([f"--{name}: not with --diff, which prints lines"])
    if words.svg and not words.plots:
        raise ConfigError(["--svg: expected with --plots DIR"])
    if not (words.sweep or words.all_of):
        for name in ("metric", "where", "ui", "plots", "register"):
            if getattr(words, name) not in (None, False):
                raise ConfigError([f"--{name}: expected with a sweep; swath-compare lists them"])
    if words.register is not None and not words.register.strip():
        raise ConfigError(["--register: expected a name"])
    output = None if words.output is None else Path(words.output).absolute()
    if output is not None and (output.is_dir() or not output.parent.is_dir()):
        raise ConfigError([f"--output {words.output}: expected a file in a folder that exists"])
