"""Deletes a sweep: its runs in the store, and its checkpoints on this machine."""

import shutil
from collections.abc import Callable, Sequence

from swath import tracking
from swath.errors import UsageError
from swath.training import checkpoint_folder


def plan_removal(uri: str, sweep_ids: Sequence[str]) -> tracking.Deletion:
    """What the removal of sweeps deletes. Nothing is changed.

    Args:
      uri: address of the store.
      sweep_ids: ids of the sweeps.

    Raises:
      UsageError: a run is being trained, or registered as a model; or the store is a copy that refers to the
        files of the original; or an id of a sweep is none of swath's.
    """
    for sweep_id in sweep_ids:
        checkpoint_folder(sweep_id)
    plan = tracking.plan_deletion(uri, sweep_ids)
    for run in plan.runs:
        if run.status in tracking.OPEN_STATUSES and tracking.is_alive(run.tags):
            raise UsageError(f"run {run.run_id} is being trained; wait for its end, or stop its command")
    return plan


def remove(plan: tracking.Deletion, deleted: Callable[[int], None]) -> None:
    """Carry out a removal.

    Args:
      plan: made by `plan_removal`.
      deleted: called with 1 after each run.

    Raises:
      MlflowException, OSError: something could not be deleted; the same removal can be carried out again.
    """
    for sweep_id in plan.sweep_ids:  # first, because they cannot be found without the runs
        shutil.rmtree(checkpoint_folder(sweep_id), ignore_errors=True)
    tracking.delete(plan, deleted)
