"""The addresses of a sweep's pages in the MLflow UI."""

from collections.abc import Sequence

import mlflow

from swath.comparing.judged import Judged
from swath.comparing.sweeps import Sweep
from swath.tracking.secrets import hide_password
from swath.ui import sweep_pages
from swath.ui_server import see_lines


def page_lines(sweep: Sweep, judged: Sequence[Judged], uri: str | None) -> list[str]:
    """What to type and open to see a sweep.

    Args:
      sweep: the sweep.
      judged: its finished runs, best first.
      uri: of the store, as it was typed.
    """
    address = uri or mlflow.get_tracking_uri()
    pages = sweep_pages(sweep.experiment_id, sweep.sweep_id, [entry.run.run_id for entry in judged])
    return see_lines(hide_password(address, address), pages, judged[0].run.run_id)
