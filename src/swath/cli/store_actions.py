"""`swath-compare` with --relocate, --export or --delete: actions on a store."""

import contextlib
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.progress import Progress, TextColumn

from swath import tracking
from swath.analysis import Sweep, ordered
from swath.cli.output import print_note
from swath.cli.screens import Bar
from swath.cli.tables import counted
from swath.errors import SwathError, UsageError
from swath.system import hide_password


def relocate(uri: str, confirmed: bool) -> None:
    """Correct the locations of a copied or moved store, or say what would be corrected.

    Raises:
      SwathError: there is something to correct, and none of it can be.
    """
    found = tracking.relocate(uri, write=confirmed)
    for each in found.staying:
        if not each.has_files:
            print_note(
                f"experiment {each.name} stays as it is: its files are not in {each.beside}; copy them there "
                f"from {each.recorded} first"
            )
        elif each.beside == each.recorded:
            print_note(
                f"experiment {each.name} stays: it shares the files in {each.recorded} with the original"
            )
    if not found.rows and found.staying:
        raise SwathError("--relocate: nothing can be corrected")
    if not found.rows:
        print_note("Nothing to relocate: every location is that of this store's own files.")
        return
    for before, after in found.folders:
        print_note(f"{before} -> {after}")
    numbers = ", ".join(counted(count, noun) for noun, count in found.rows.items())
    if confirmed:
        print_note(f"Relocated: {numbers}.")
    else:
        print_note(f"Would relocate: {numbers}. Nothing was changed; to relocate them, add --yes")


def export(uri: str, sweep: Sweep, folder: Path) -> None:
    """Copy a sweep into a new store.

    Raises:
      UsageError: the sweep is being trained.
    """
    if any(run.status in tracking.OPEN_STATUSES and tracking.is_alive(run.tags) for run in sweep.runs):
        raise UsageError(f"sweep {sweep.name} {sweep.sweep_id} is being trained; wait for its end")
    reader = tracking.open_reader(uri)
    runs = [*sweep.runs, *filter(None, [sweep.summary_run])]
    repeated = reader.runs({tracking.schema.SWEEP_ID: sweep.sweep_id})
    known = {run.run_id for run in runs}
    runs += [run for run in repeated if run.run_id not in known]
    with progress_bar("Exporting", len(runs)) as advance:
        tracking.export_runs(uri, runs, folder, advance)
    print_note(f"Exported {counted(len(runs), 'run')} of sweep {sweep.name} {sweep.sweep_id} to {folder}.")
    print_note(f"To see them: cd {shlex.quote(str(folder))} && {tracking.command('mlflow')} ui")


def postprocess(uri: str, sweep: Sweep) -> None:
    """Make the plots, the report and the best model of a sweep.

    Raises:
      SwathError: something could not be made.
    """
    from swath.sweeps import postprocess_sweep

    fault = postprocess_sweep(uri, sweep.sweep_id, "best")
    if fault is not None:
        raise SwathError(f"--postprocess: {fault}")
    best = ordered(sweep.finished)[0] if sweep.finished else None
    if best is None or tracking.is_loggable(best):
        print_note(f"Added to the store: plots, report and model of sweep {sweep.name} {sweep.sweep_id}.")
        return
    print_note(f"Added to the store: plots and report of sweep {sweep.name} {sweep.sweep_id}.")
    print_note(f"No model was logged: {tracking.not_loggable(best)}")


def delete(uri: str, sweep: Sweep, confirmed: bool) -> None:
    """Delete a sweep, or say what would be deleted."""
    from swath.sweeps import plan_removal, remove

    plan = plan_removal(uri, [sweep.sweep_id])
    numbers = {"run": plan.runs, "logged model": plan.models, "view": plan.views}
    parts = [counted(len(entries), noun) for noun, entries in numbers.items() if entries]
    parts += [f"{counted(plan.files, 'file')} of {plan.bytes / 1e6:,.1f} MB"] if plan.files else []
    what = f"sweep {sweep.name} {sweep.sweep_id} in {hide_password(uri, uri)}: {', '.join(parts)}"
    if not confirmed:
        print_note(f"Would delete {what}. Nothing was changed; to delete it, add --yes")
        return
    with progress_bar("Deleting", len(plan.runs)) as advance:
        remove(plan, advance)
    print_note(f"Deleted {what}.")
    if not plan.is_final:
        print_note("The server only marked the runs as deleted; `mlflow gc` on the server frees their space.")


@contextlib.contextmanager
def progress_bar(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error, if that is a terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    count = TextColumn("{task.completed:,}/{task.total:,}")
    columns = (TextColumn("{task.description}"), Bar(sys.stderr), count)
    shown = sys.stderr.isatty()
    with Progress(*columns, console=console, transient=True, expand=True, disable=not shown) as progress:
        task = progress.add_task(label, total=total)
        yield lambda count: progress.advance(task, count)
