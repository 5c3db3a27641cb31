"""Command line of `swath-watch`: shows how far a sweep has come that workers train, until it ends."""

import argparse
import json
import sys
import time
from collections.abc import Iterator

import shtab
from rich.live import Live
from rich.text import Text

from swath import __version__
from swath.cli.one_line_parser import OneLineParser
from swath.cli.output import console_of, is_animated
from swath.cli.progress import duration
from swath.cli.tables import counted
from swath.errors import SwathError
from swath.sweeps import Standing, standing_of
from swath.tracking import configure_environment, open_reader

EVERY_S = 2.0
"""Seconds between two readings; more where a reading takes long."""

LINE_EVERY_S = 30.0
"""Seconds between two lines where there is no terminal."""


def parser() -> argparse.ArgumentParser:
    """The parser of the arguments of `swath-watch`."""
    found = OneLineParser(
        "swath-watch",
        description="Show how far a sweep has come that workers train. Ends when the sweep does.",
        epilog="Closing the window stops nothing: the engine goes on. swath-stop SWEEP stops a sweep.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    found.add_argument("sweep", metavar="SWEEP", help="id of the sweep, or a name for its latest sweep")
    found.add_argument(
        "--uri", help="MLflow store (default: $MLFLOW_TRACKING_URI, else mlflow.db in this folder)"
    )
    found.add_argument(
        "--format", choices=("text", "json"), default="text", help="json: one object for each reading"
    )
    found.add_argument("--once", action="store_true", help="show it once, and end")
    shtab.add_argument_to(found, "--print-completion", help="print a script for completion in a shell")
    found.add_argument("--version", action="version", version=f"swath-watch {__version__}")
    return found


def run(arguments: list[str]) -> int:
    """Watch a sweep; returns the exit status.

    Raises:
      SwathError: an error to report to the user.
    """
    args = parser().parse_args(arguments)
    configure_environment()
    return watch(args.uri, args.sweep, as_json=args.format == "json", once=args.once)


def watch(uri: str | None, which: str, *, as_json: bool = False, once: bool = False) -> int:
    """Show how far a sweep has come until it ends; returns 0 if all of its runs finished, else 1.

    Args:
      uri: address of the store; None for MLflow's default.
      which: id of the sweep, or its name for the latest of this name.
      as_json: whether to print an object for each reading, rather than words.
      once: whether to end after the first reading.

    Raises:
      SwathError: there is no such sweep, or nobody trains what is left of it.
    """
    readings = _readings(uri, which, once)
    if not as_json and not once and is_animated(sys.stdout):
        with Live(console=console_of(sys.stdout), auto_refresh=False) as live:
            for standing, before in readings:
                live.update(Text("\n".join(lines_of(standing, before))), refresh=True)
    else:
        shown_at = float("-inf")
        for standing, before in readings:
            if as_json:
                print(json.dumps(values_of(standing, before)), flush=True)
            elif once or standing.sweep.has_ended or standing.at_s - shown_at >= LINE_EVERY_S:
                shown_at = standing.at_s
                print("\n".join(lines_of(standing, before)), flush=True)
    if once:
        return 0
    return int(standing.runs["FINISHED"] < standing.asked_for)


def _readings(uri: str | None, which: str, once: bool) -> Iterator[tuple[Standing, Standing | None]]:
    reader = open_reader(uri)
    before: Standing | None = None
    helpless = 0
    while True:
        began = time.monotonic()
        standing = standing_of(reader, which)
        yield standing, before
        which = standing.sweep.sweep_id
        if once or standing.sweep.has_ended:
            return
        helpless = helpless + 1 if standing.needs_help else 0
        if helpless == 3:  # a worker may have ended between two readings
            raise SwathError(f"sweep {which}: {standing.needs_help}")
        before = standing
        time.sleep(max(EVERY_S, 10 * (time.monotonic() - began)))


def lines_of(standing: Standing, before: Standing | None) -> list[str]:
    """What the screen shows."""
    sweep, tasks = standing.sweep, standing.tasks
    name, _ = sweep.engine
    head = f"sweep {sweep.name} {sweep.sweep_id}: {sweep.summary.status}"
    workers = f"{name}: {counted(tasks['running'], 'worker')} running, {tasks['waiting']} waiting"
    if tasks["unknown"]:
        workers = f"{name}: cannot be asked from here"
    lots = f"lots: {standing.lots_done} of {len(sweep.lots)} done"
    if standing.begun_again:
        lots += f", {standing.begun_again} begun again"
    runs = f"runs: {standing.runs['FINISHED']} of {standing.asked_for} finished"
    counts = {
        "running": standing.runs["RUNNING"],
        "failed": standing.runs["FAILED"],
        "at a rung": standing.at_a_rung,
        "put down": standing.runs["KILLED"] - standing.at_a_rung,
    }
    runs += "".join(f", {count} {word}" for word, count in counts.items() if count)
    speed = standing.steps_per_s(before)
    if speed and not sweep.has_ended:
        left = max(0, standing.max_steps - standing.steps) / speed
        runs += f"; {speed:,.0f} steps/s, {duration(left)} left"
    lines = [head, lots, runs] if sweep.has_ended else [head, workers, lots, runs]
    if standing.best is not None:
        metric, value, named = standing.best
        lines.append(f"best so far: {metric} {value:.4f}, {named}")
    if not sweep.has_ended:
        lines.append(f"Closing this window stops nothing; swath-stop {sweep.sweep_id} stops the sweep.")
    return lines


def values_of(standing: Standing, before: Standing | None) -> dict[str, object]:
    """The reading as JSON holds it."""
    sweep, best = standing.sweep, standing.best
    return {
        "sweep_id": sweep.sweep_id,
        "status": sweep.summary.status,
        "engine": sweep.engine[0],
        "workers": dict(standing.tasks),
        "lots": len(sweep.lots),
        "lots_done": standing.lots_done,
        "begun_again": standing.begun_again,
        "runs": dict(standing.runs),
        "at_a_rung": standing.at_a_rung,
        "asked_for": standing.asked_for,
        "steps": standing.steps,
        "steps_per_s": standing.steps_per_s(before),
        "best": None if best is None else dict(zip(("metric", "value", "configuration"), best, strict=True)),
    }
