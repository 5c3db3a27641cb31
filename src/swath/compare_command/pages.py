"""The addresses of a sweep's pages in the MLflow UI."""

from collections.abc import Sequence

import mlflow
from mlflow.tracking import MlflowClient

from swath.comparing.judged import Judged
from swath.comparing.sweeps import Sweep
from swath.launch import SINGLE
from swath.tracking.secrets import hide_password
from swath.ui import SHARED_VIEW_TAG, filtered_page, name_filter, run_page, sweep_filter, sweep_pages
from swath.ui_server import see_lines


def page_lines(sweep: Sweep, judged: Sequence[Judged], uri: str | None, all_of: bool) -> list[str]:
    """What to type and open to see a sweep.

    Args:
      sweep: the sweep.
      judged: its finished runs, best first.
      uri: of the store, as it was typed.
      all_of: whether it stands for all sweeps of its name.
    """
    address = uri or mlflow.get_tracking_uri()
    best_first = [entry.run.run_id for entry in judged]
    pages = sweep_pages(sweep.experiment_id, sweep.sweep_id, best_first)
    if sweep.name == SINGLE and len(sweep.runs) == 1:
        pages = [("its page", run_page(sweep.experiment_id, best_first[0]))]
    elif (condition := name_filter(sweep.name) if all_of else None) is not None:
        pages[0] = ("their runs", filtered_page(sweep.experiment_id, condition))
    elif not _has_view(address, sweep):
        pages[0] = ("its runs", filtered_page(sweep.experiment_id, sweep_filter(sweep.sweep_id)))
    return see_lines(hide_password(address, address), pages, best_first[0])


def _has_view(address: str, sweep: Sweep) -> bool:
    """Whether the store holds the view that the address of the sweep's page names."""
    experiment = MlflowClient(tracking_uri=address).get_experiment(sweep.experiment_id)
    return f"{SHARED_VIEW_TAG}{sweep.sweep_id}" in experiment.tags
