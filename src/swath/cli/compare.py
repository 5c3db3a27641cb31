"""The command `swath-compare`: what its arguments ask for."""

import argparse
import shlex

from swath.cli.compare_arguments import check_arguments, parser
from swath.errors import SwathError, UsageError
from swath.tracking import configure_environment, database_file, default_uri, error_line, is_store_error


def run(arguments: list[str]) -> int:
    """Run the command; returns its exit status.

    Raises:
      SwathError: an error to report to the user.
    """
    args = parser().parse_args(arguments)
    configure_environment()
    check_arguments(args)
    try:
        _check_link(args.uri or default_uri())
        _show(args)
    except UsageError as error:
        if args.sweep != "help":
            raise
        raise UsageError(f"{error}\nto see the help: swath-compare --help") from error
    except SwathError:
        raise
    except Exception as error:
        if not is_store_error(error):
            raise
        raise SwathError(error_line(error, args.uri)) from error
    return 0


def _check_link(uri: str) -> None:
    """Check that the file of a store is not a link to nothing.

    Raises:
      UsageError: it is.
    """
    database = database_file(uri)
    if database is not None and database.is_symlink() and not database.exists():
        raise UsageError(f"{database} is a link to {database.readlink()}, which does not exist")


def _show(args: argparse.Namespace) -> None:
    from swath.analysis import all_of, all_sweeps, find_sweep
    from swath.cli import store_actions
    from swath.cli.compare_report import close_all_stale, show_diff, show_list, show_ranking
    from swath.cli.output import print_note
    from swath.cli.tables import counted
    from swath.tracking import open_reader

    uri = args.uri or default_uri()
    if args.relocate:
        store_actions.relocate(uri, args.yes)
        return
    reader = open_reader(args.uri)
    if args.close_stale:
        close_all_stale(reader, args.uri)
    elif args.diff:
        show_diff(reader, args)
    elif args.all_of is not None:
        show_ranking(reader, all_of(reader, args.all_of), args)
    elif args.sweep is None:
        show_list(all_sweeps(reader), args)
    else:
        sweep = find_sweep(reader, args.sweep)
        if args.export_optuna:
            from swath.analysis import history_of
            from swath.cli.optuna_export import export_optuna

            count = export_optuna(history_of(reader, sweep), sweep, args.export_optuna)
            print_note(f"Exported {counted(count, 'trial')} of search {sweep.name} to {args.export_optuna}.")
            print_note(f"To see them: optuna-dashboard {shlex.quote(str(args.export_optuna))}")
        elif args.export:
            store_actions.export(uri, sweep, args.export)
        elif args.postprocess:
            store_actions.postprocess(uri, sweep)
        elif args.delete:
            store_actions.delete(uri, sweep, args.yes)
        else:
            show_ranking(reader, sweep, args)
