"""The shared view of a sweep on MLflow's page of runs: columns, order and charts.

The names of the JSON's keys are those of the page's own code, `ExperimentPageUIState` and
`RunsChartsCardConfig`.
"""

import json
from collections.abc import Sequence
from typing import Any

from swath.config import FIELDS
from swath.tracking import schema
from swath.tracking.ui_urls import search_filter, sweep_filter

SECTIONS = {"answer": True, "train": True, "validation": True, "test": True, "runtime": False}
"""Sections of the page of charts, and whether each is open; `answer` holds charts over the grid."""

MOST_RUNS = 100
"""Runs that MLflow's page loads at a time."""

SMOOTHING = 80
"""Smoothing of curves, 0..100 as on the page: the accuracy of a single batch is mostly noise."""

RUN_NAME_COLUMN = "attributes.`Run Name`"

CREATED_COLUMN = "runDateAndNestInfo"


def view_state(
    sweep_id: str,
    swept: Sequence[str],
    metrics: Sequence[str],
    averaged: str | None = None,
    *,
    is_search: bool = False,
) -> str:
    """View state of a sweep's page, as JSON in MLflow's form.

    The page adds a chart for each further metric, in the section named by the part before the slash.

    Args:
      sweep_id: id of the sweep.
      swept: the fields that vary.
      metrics: accuracies shown as columns, the one that ranks first.
      averaged: the field that only repeats a configuration, such as `seed`; the page then shows means over
        its values. None if nothing is repeated.
      is_search: whether the sweep is a search; the page then also has the best value so far, by trial.
    """
    params = [_shown_param(field) for field in swept if field != averaged]
    columns = [f"metrics.`{name}`" for name in metrics] + [f"params.`{field}`" for field in swept]
    widths = (
        {RUN_NAME_COLUMN: 200} | dict.fromkeys(columns, 130) | {"runDateAndNestInfo": 130, "duration": 90}
    )
    grouped = {
        "aggregateFunction": "average",
        "groupByKeys": [{"mode": "param", "groupByData": field} for field in swept if field != averaged],
    }
    view = {
        "searchFilter": search_filter(sweep_id) if is_search else sweep_filter(sweep_id),
        "orderByKey": f"metrics.`{metrics[0]}`" if metrics else "attributes.start_time",
        "orderByAsc": False,
        "lifecycleFilter": "Active",
        "selectedColumns": columns,
        "columnOrder": list(widths),
        "columnWidths": widths,
        "runsHiddenMode": "SHOW_ALL",
        "isAccordionReordered": True,  # keep the order of the sections
        "groupBy": grouped if averaged is not None and grouped["groupByKeys"] else None,
        "useGroupedValuesInCharts": True,
        "globalLineChartConfig": {
            "xAxisKey": "step",
            "lineSmoothness": SMOOTHING,
            "selectedXAxisMetricKey": "",
        },
        "compareRunSections": [_section(name, is_open) for name, is_open in SECTIONS.items()],
        "compareRunCharts": [
            *(_by_trial() if is_search else ()),
            # Parallel coordinates leave out runs without a value, such as trials that were not tested.
            *_answer_charts(params, metrics[:1] if is_search else metrics),
            *_curves(),
        ],
    }
    return json.dumps(view)


def _shown_param(field: str) -> str:
    """The param that charts show for a field: its logarithm if its values span decades."""
    return schema.log10(field) if field in FIELDS and FIELDS[field].log_scale else field


def _section(name: str, is_open: bool) -> dict[str, Any]:
    return {
        "uuid": name,
        "name": name,
        "display": is_open,
        "isReordered": False,
        "deleted": False,
        "isGenerated": False,
        "columns": 2,
    }


def _chart(kind: str, section: str, name: str, **details: Any) -> dict[str, Any]:
    return {
        "uuid": f"{section}-{name}",
        "type": kind,
        "metricSectionId": section,
        "runsCountToCompare": MOST_RUNS,
        "deleted": False,
        "isGenerated": False,
        **details,
    }


def _answer_charts(params: Sequence[str], metrics: Sequence[str]) -> list[dict[str, Any]]:
    """The metric that ranks over each field, and parallel coordinates if there are several."""
    charts = [
        _chart(
            "SCATTER",
            "answer",
            f"scatter-{param}",
            xaxis={"key": param, "type": "PARAM"},
            yaxis={"key": metric, "type": "METRIC", "dataAccessKey": metric},
        )
        for param in params
        for metric in metrics[:1]
    ]
    if len(params) > 1:
        selected = {"selectedParams": list(params), "selectedMetrics": list(metrics)}
        charts.append(_chart("PARALLEL", "answer", "parallel", showAllRuns=True, **selected))
    return charts


def _by_trial() -> list[dict[str, Any]]:
    """The best value so far by trial, which is not smoothed."""
    return [
        _chart(
            "LINE",
            "answer",
            schema.SEARCH_BEST,
            metricKey=schema.SEARCH_BEST,
            selectedMetricKeys=[schema.SEARCH_BEST],
            displayName="best so far, by trial",
            scaleType="linear",
            xAxisKey="step",
            useGlobalXaxisKey=False,
            useGlobalLineSmoothing=False,
            lineSmoothness=0,
        )
    ]


def _curves() -> list[dict[str, Any]]:
    """Accuracy and loss of every step; too large a learning rate makes the loss a thousand times larger."""
    return [
        _chart(
            "LINE",
            "train",
            metric,
            metricKey=metric,
            selectedMetricKeys=[metric],
            displayName=metric.partition("/")[2],
            scaleType="log" if schema.is_loss(metric) else "linear",
            xAxisKey="step",
            useGlobalXaxisKey=True,
            useGlobalLineSmoothing=True,
        )
        for metric in schema.PER_STEP
    ]
