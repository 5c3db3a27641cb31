"""The shared view of a sweep on MLflow's page of runs: columns, order and charts."""

import json
from collections.abc import Sequence
from typing import Any

from swath.tracking.ui_urls import sweep_filter

SECTIONS = ("grid", "validation", "test", "train", "runtime")
"""Sections of the page of charts, in this order; `grid` holds parallel coordinates."""


MOST_RUNS = 100
"""Runs that MLflow's page loads at a time."""


RUN_NAME_COLUMN = "attributes.`Run Name`"


def view_state(sweep_id: str, swept: Sequence[str], metrics: Sequence[str]) -> str:
    """View state of a sweep's page, as JSON in MLflow's form.

    The page adds a chart for each metric, in the section named by the part before the slash.

    Args:
      sweep_id: id of the sweep.
      swept: params shown as columns.
      metrics: metrics shown as columns.
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
        "isAccordionReordered": True,  # keep the order of the sections
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
