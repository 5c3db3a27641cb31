"""Command line of `swath-watch`: shows how far a sweep has come that workers train, until it ends."""

import argparse
import json
import sys
import time
from collections.abc import Iterator

from rich.live import Live
from rich.text import Text

from swath.cli.launched_parser import launched_parser
from swath.cli.output import console_of, is_animated, print_note
from swath.cli.progress import duration
from swath.cli.tables import counted
from swath.errors import SwathError
from swath.sweeps import Standing, standing_of
from swath.tracking import Reader, configure_environment, error_line, may_pass, open_reader

EVERY_S = 2.0
"""Seconds between two readings; more where a reading takes long."""

LINE_EVERY_S = 30.0
"""Seconds between two lines where there is no terminal."""

PATIENCE_S = 600.0
"""Seconds for which a store that is away is asked again, once it has answered."""

STARTING_S = 120.0
"""Seconds that a command may take to start workers, after it has stored their lots."""


def parser() -> argparse.ArgumentParser:
    """The parser of the arguments of `swath-watch`."""
    found = launched_parser(
        "swath-watch",
        "Show how far a sweep has come that workers train. Ends when the sweep does.",
        "Closing the window stops nothing: the engine goes on. swath-stop SWEEP stops a sweep.",
    )
    found.add_argument(
        "--format", choices=("text", "json"), default="text", help="json: one object for each reading"
    )
    found.add_argument("--once", action="store_true", help="show it once, and end")
    return found


def run(arguments: list[str]) -> int:
    """Watch a sweep; returns the exit status.

    Raises:
      SwathError: an error to report to the user.
    """
    args = parser().parse_args(arguments)
    configure_environment()
    return watch(args.uri, args.sweep, as_json=args.format == "json", once=args.once)


def watch(
    uri: str | None, which: str, *, as_json: bool = False, once: bool = False, answered: bool = False
) -> int:
    """Show how far a sweep has come until it ends; returns 0 if all of its runs finished, else 1.

    Args:
      uri: address of the store; None for MLflow's default.
      which: id of the sweep, or its name for the latest of this name.
      as_json: whether to print an object for each reading, rather than words.
      once: whether to end after the first reading.
      answered: whether the store has answered before, so that it is waited for from the beginning.

    Raises:
      SwathError: there is no such sweep, nobody trains what is left of it, or the store stays away.
    """
    readings = _readings(uri, which, once, answered)
    if not as_json and not once and is_animated(sys.stdout):
        with Live(console=console_of(sys.stdout), auto_refresh=False) as live:
            lines: list[str] = []
            for standing, before, waiting in readings:
                lines = lines if standing is None else lines_of(standing, before)
                live.update(Text("\n".join(filter(None, [*lines, waiting]))), refresh=True)
    else:
        shown_at, said = float("-inf"), ""
        for standing, before, waiting in readings:
            if waiting and waiting != said:
                print_note(waiting)
            said = waiting
            if standing is None:
                continue
            if as_json:
                print(json.dumps(values_of(standing, before)), flush=True)
            elif once or standing.sweep.has_ended or standing.at_s - shown_at >= LINE_EVERY_S:
                shown_at = standing.at_s
                print("\n".join(lines_of(standing, before)), flush=True)
    if once or standing is None:
        return 0
    return int(standing.runs["FINISHED"] < standing.asked_for)


Reading = tuple[Standing | None, Standing | None, str]
"""How far the sweep has come, how far it had before, and what is waited for; None while the store is."""


def _readings(uri: str | None, which: str, once: bool, answered: bool) -> Iterator[Reading]:
    reader: Reader | None = None
    before: Standing | None = None
    helpless, helpless_since = 0, 0.0
    answered_at = time.monotonic()
    while True:
        began = time.monotonic()
        try:
            reader = reader or open_reader(uri)
            standing = standing_of(reader, which)
        except Exception as error:
            is_patient = answered and not once and began - answered_at < PATIENCE_S
            if not may_pass(error):
                raise
            if not is_patient:
                raise SwathError(error_line(error, uri)) from error
            yield None, None, f"waiting for the store: {error_line(error, uri)}"
            time.sleep(EVERY_S)
            continue
        answered, answered_at = True, time.monotonic()
        helpless_since = helpless_since if helpless else began
        helpless = helpless + 1 if standing.needs_help else 0
        waiting = "waiting for workers: they are being started" if helpless and standing.is_starting else ""
        yield standing, before, waiting
        which = standing.sweep.sweep_id
        if once or standing.sweep.has_ended:
            return
        # A worker may have ended between two readings.
        if helpless >= 3 and not (standing.is_starting and began - helpless_since < STARTING_S):
            raise SwathError(f"sweep {which}: {standing.needs_help}")
        before = standing
        time.sleep(max(EVERY_S, 10 * (time.monotonic() - began)))


def lines_of(standing: Standing, before: Standing | None) -> list[str]:
    """What the screen shows."""
    sweep, tasks = standing.sweep, standing.tasks
    name, _ = sweep.engine
    head = f"sweep {sweep.name} {sweep.sweep_id}: {sweep.summary.status}"
    workers = f"{name}: {counted(tasks['running'], 'worker')} running, {tasks['waiting']} waiting"
    if standing.waiting_for:
        workers += f" ({'; '.join(words for words, _ in standing.waiting_for.most_common())})"
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
        "waiting_for": dict(standing.waiting_for),
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
