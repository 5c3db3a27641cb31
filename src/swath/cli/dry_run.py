"""`dry_run=true`: what a command would train, in which groups, how long that takes and what it stores."""

import os

from rich.console import Console

from swath.cli.command import output_console
from swath.cli.progress import duration
from swath.cli.tables import TableData, print_table
from swath.cli.validation import CheckedCommand
from swath.config import HEADLINE, computed_values
from swath.planning import (
    LaneGroup,
    LaneWidths,
    alone,
    memory_for_groups,
    plan_groups,
    read_verified,
    renumbered,
    store_bytes,
    sweep_s,
    training_s,
)
from swath.system import available_bytes, hide_passwords, workers
from swath.tracking import TRACKING_VARIABLE, schema

MOST_ROWS = 100
"""Configurations that are listed."""


def print_plan(checked: CheckedCommand) -> None:
    """Print the plan. TensorFlow and MLflow are not loaded, nothing is trained, nothing is written."""
    console = output_console()
    memory_bytes = memory_for_groups(available_bytes())
    limits = LaneWidths(checked.sweep.lanes.max, memory_bytes, read_verified())
    if checked.fused:
        groups, at_a_time = _plan(checked, limits), workers()
    else:  # any other launcher brings one job after the other
        groups = [alone(config, job) for job, config in enumerate(checked.configs)]
        at_a_time = 1
    _print(console, _heading(checked, groups))
    print_table(console, _configurations(checked, groups))
    if len(checked.configs) > MOST_ROWS:
        _print(console, f"... and {len(checked.configs) - MOST_ROWS} more configurations")
    _print(console, "")
    print_table(console, _groups(groups))
    unverified = limits.unverified(groups) if checked.fused else []
    if unverified:
        _print(
            console,
            f"{_count(len(unverified), 'lane count')} not verified on this machine yet; groups become "
            "narrower where one is not bit-exact.",
        )
    bytes_ = store_bytes(checked.configs, checked.sweep.tracking.every_steps)
    _print(
        console,
        f"Estimated from a 2-core AMD EPYC: {duration(sweep_s(groups, at_a_time))} on "
        f"{_count(workers(), 'core')}, {bytes_ / 1e6:,.1f} MB in the store "
        f"({_store(checked)}).",
    )
    _print(console, "A dry run: nothing was trained, nothing was written.")


def _plan(checked: CheckedCommand, limits: LaneWidths) -> list[LaneGroup]:
    """The groups of each lot that the sweeper hands to its launcher, with the numbers that the jobs have."""
    groups = []
    for first in range(0, len(checked.configs), checked.at_a_time):
        lot = checked.configs[first : first + checked.at_a_time]
        groups += [renumbered(group, first) for group in plan_groups(lot, limits, workers())]
    return groups


def _heading(checked: CheckedCommand, groups: list[LaneGroup]) -> str:
    if not checked.jobs_known:
        return "The sweeper chooses the configurations while it goes; they have this much in common:"
    lanes = sum(len(group.lanes) for group in groups)
    return (
        f"{_count(len(checked.configs), 'configuration')}, trained as {_count(lanes, 'lane')} in "
        f"{_count(len(groups), 'lane group')}"
    )


def _configurations(checked: CheckedCommand, groups: list[LaneGroup]) -> TableData:
    fields = checked.swept or HEADLINE
    group_of = {run.job: number for number, group in enumerate(groups, start=1) for run in group.runs}
    rows = []
    for job, config in enumerate(checked.configs[:MOST_ROWS]):
        values = computed_values(config)
        rows.append([str(job), *(str(values[name]) for name in fields), str(group_of[job])])
    return TableData(("job", *fields, "group"), rows)


def _groups(groups: list[LaneGroup]) -> TableData:
    rows = []
    for number, group in enumerate(groups[:MOST_ROWS], start=1):
        counts = (group.shared.batch_size, group.shared.seed, len(group.lanes), len(group.runs))
        cells = (number, *counts, group.max_steps, f"{training_s(group):.1f} s")
        rows.append([str(cell) for cell in cells])
    headings = ("group", schema.BATCH_SIZE, schema.SEED, "lanes", "runs", "steps", "training, alone")
    return TableData(headings, rows)


def _store(checked: CheckedCommand) -> str:
    uri = checked.sweep.tracking.uri or os.environ.get(TRACKING_VARIABLE) or "sqlite:///mlflow.db"
    return hide_passwords(uri)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _print(console: Console, line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)
