"""The addresses of a sweep's pages in the MLflow UI."""

from collections.abc import Sequence

import mlflow
from mlflow.tracking import MlflowClient

from swath.comparing.sweeps import Sweep
from swath.launch import SINGLE
from swath.reading.records import StoredRun
from swath.tracking.secrets import hide_password
from swath.ui import (
    SHARED_VIEW_TAG,
    compared_page,
    filtered_page,
    name_filter,
    run_page,
    runs_page,
    sweep_filter,
)
from swath.ui_server import see_lines


def page_lines(sweep: Sweep, best_first: Sequence[StoredRun], uri: str | None, all_of: bool) -> list[str]:
    """What to type and open to see a sweep.

    Args:
      sweep: the sweep, with at least one run.
      best_first: its finished runs.
      uri: of the store, as it was typed.
      all_of: whether it stands for all sweeps of its name, which may lie in several experiments.
    """
    address = uri or mlflow.get_tracking_uri()
    experiments = sweep.experiment_ids
    a_run = (*best_first, *sweep.runs, *filter(None, [sweep.own]))[0]
    if sweep.name == SINGLE and len(sweep.runs) == 1:
        pages = [("its page", run_page(experiments[0], a_run.run_id))]
    else:
        pages = [_runs_page(sweep, experiment, address, all_of) for experiment in experiments]
        pages += compared_page(experiments, [run.run_id for run in best_first])
    return see_lines(hide_password(address, address), pages, a_run.run_id)


def _runs_page(sweep: Sweep, experiment: str, address: str, all_of: bool) -> tuple[str, str]:
    """What a page shows, and its address."""
    if all_of:
        where = "" if len(sweep.experiment_ids) == 1 else f" in experiment {experiment}"
        return f"their runs{where}", filtered_page(experiment, name_filter(sweep.name))
    if _has_view(address, experiment, sweep.sweep_id):
        return "its runs", runs_page(experiment, sweep.sweep_id)
    return "its runs", filtered_page(experiment, sweep_filter(sweep.sweep_id))


def _has_view(address: str, experiment: str, sweep_id: str) -> bool:
    """Whether the store holds the view that the address of the sweep's page names."""
    tags = MlflowClient(tracking_uri=address).get_experiment(experiment).tags
    return f"{SHARED_VIEW_TAG}{sweep_id}" in tags
