"""What `swath-compare` says of a search: its rungs, why trials ended, what the confirming seeds left over."""

import sys

from swath import analysis
from swath.cli.output import console_of, print_note
from swath.cli.tables import Column, TableData, print_table

MOST_TRIALS = 12
"""Trials whose ends are listed without `--long`."""


def show_search(history: analysis.SearchHistory, is_long: bool, digits: int | None = None) -> None:
    """Print the rungs, why trials ended, and what the confirming runs say, on standard error.

    Args:
      history: the search.
      is_long: whether to list all trials, however many there are.
      digits: decimals of the objective; None for the default.
    """
    decimals, console = analysis.DIGITS if digits is None else digits, console_of(sys.stderr)
    headings, rows = analysis.rung_page(history, decimals)
    print_table(console, TableData(headings, rows))
    if is_long or len(history.trials) <= MOST_TRIALS:
        headings, rows = analysis.trial_page(history, decimals)
        left = [Column(heading, justify="left") for heading in headings[3:]]
        columns: list[Column | str] = [*headings[:3], *left]
        print_table(console, TableData(columns, rows))
    else:
        print_note(f"To see why each of the {len(history.trials)} trials ended, add --long")
    if untested := analysis.untested_line(history):
        for line in analysis.short_lines(untested):
            print_note(line)
    for line in analysis.confirmed_lines(history):
        print_note(line)
