"""Addresses of MLflow's pages that show a sweep."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

MOST_COMPARED = 12
"""Runs on the compare page; its address has to stay one that can be copied."""

SECTIONS = ("grid", "validation", "test", "train", "runtime")
"""Sections of the page of charts, in this order; `grid` holds parallel coordinates."""

MOST_RUNS = 100
"""Runs that MLflow's page loads at once."""

RUN_NAME_COLUMN = "attributes.`Run Name`"

SHARED_VIEW_TAG = "mlflow.sharedViewState."
"""The tag of an experiment in which MLflow's page keeps a view that an address names."""


def sweep_filter(sweep_id: str) -> str:
    """The condition, in MLflow's language, that holds for the configurations of a sweep only."""
    return f"tags.`swath.sweep_id` = '{sweep_id}' AND tags.`swath.kind` = 'run'"


def runs_page(experiment_id: str, sweep_id: str) -> str:
    """The part behind the server's address: the runs of a sweep, as charts.

    Its view holds the filter: MLflow's page ignores the view where the address has a filter of its own.
    """
    return (
        f"#/experiments/{experiment_id}/runs?viewStateShareKey={sweep_id}"
        "&compareRunsMode=CHART&workflowType=machine_learning"
    )


def filtered_page(experiment_id: str, condition: str) -> str:
    """The part behind the server's address: the runs for which a condition of MLflow's language holds."""
    return (
        f"#/experiments/{experiment_id}/runs?searchFilter={quote(condition, safe='')}"
        "&compareRunsMode=CHART&workflowType=machine_learning"
    )


def name_filter(sweep: str) -> str:
    """The condition that holds for the configurations of all sweeps of a name."""
    mark = next((mark for mark in ("'", '"') if mark not in sweep), None)
    # There is no way to write both kinds of quotes; `_` stands for any character.
    is_it = f"= {mark}{sweep}{mark}" if mark else "LIKE '" + sweep.replace("'", "_") + "'"
    return f"tags.`swath.sweep` {is_it} AND tags.`swath.kind` = 'run'"


def run_page(experiment_id: str, run_id: str) -> str:
    """The part behind the server's address: one run."""
    return f"#/experiments/{experiment_id}/runs/{run_id}"


def compare_page(experiment_ids: Sequence[str], run_ids: Sequence[str]) -> str:
    """The part behind the server's address: parallel coordinates of runs, at most `MOST_COMPARED`."""
    runs = json.dumps(list(run_ids)[:MOST_COMPARED], separators=(",", ":"))
    experiments = json.dumps(list(experiment_ids), separators=(",", ":"))
    return f"#/compare-runs?runs={quote(runs, safe='')}&experiments={quote(experiments, safe='')}"


def shared_view(sweep_id: str, swept: Sequence[str], metrics: Sequence[str]) -> str:
    """What the page of a sweep shows, as MLflow's page keeps it: the columns that vary, every run drawn.

    The page itself adds a chart for each metric, to the section with the name before its slash.

    Args:
      sweep_id: of the sweep.
      swept: params that become columns.
      metrics: metrics that become columns.
    """
    columns = [f"params.`{field}`" for field in swept] + [f"metrics.`{name}`" for name in metrics]
    widths = (
        {RUN_NAME_COLUMN: 370} | dict.fromkeys(columns, 140) | {"runDateAndNestInfo": 150, "duration": 90}
    )
    view = {
        "searchFilter": sweep_filter(sweep_id),
        "orderByKey": f"metrics.`{metrics[0]}`" if metrics else "attributes.start_time",
        "orderByAsc": False,
        "lifecycleFilter": "Active",
        "selectedColumns": columns,
        "columnOrder": list(widths),
        "columnWidths": widths,
        "runsHiddenMode": "SHOW_ALL",
        "isAccordionReordered": True,  # sections stay in this order
        "compareRunSections": [_section(name) for name in SECTIONS],
        "compareRunCharts": [_parallel_coordinates(swept, metrics)] if swept else [],
    }
    return json.dumps(view)


def _section(name: str) -> dict[str, Any]:
    return {
        "uuid": name,
        "name": name,
        "display": True,
        "isReordered": False,
        "deleted": False,
        "isGenerated": False,
        "columns": 1 if name == "grid" else 2,
    }


def _parallel_coordinates(swept: Sequence[str], metrics: Sequence[str]) -> dict[str, Any]:
    return {
        "uuid": "grid-parallel",
        "type": "PARALLEL",
        "metricSectionId": "grid",
        "runsCountToCompare": MOST_RUNS,
        "deleted": False,
        "isGenerated": False,
        "showAllRuns": True,
        "selectedParams": list(swept),
        "selectedMetrics": list(metrics),
    }


def sweep_pages(experiment_id: str, sweep_id: str, best_first: Sequence[str]) -> list[tuple[str, str]]:
    """The pages of a sweep: what each shows, and the part of its address behind the server's."""
    return [("its runs", runs_page(experiment_id, sweep_id)), *compared_page([experiment_id], best_first)]


def compared_page(experiment_ids: Sequence[str], best_first: Sequence[str]) -> list[tuple[str, str]]:
    """The page with the best runs side by side, as in `sweep_pages`; none for a single run."""
    if len(best_first) < 2:
        return []
    best = f"the best {min(len(best_first), MOST_COMPARED)} side by side"
    return [(best, compare_page(experiment_ids, best_first))]
