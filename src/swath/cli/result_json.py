"""The result of `swath --format json`: one JSON object on standard output."""

import json
import math
from collections.abc import Mapping
from typing import Any

from swath import analysis
from swath.cli.summary import SweepReport
from swath.tracking import page_server, run_page, runs_page, schema


def result_text(report: SweepReport, status: str, exit_status: int, error: str | None) -> str:
    """The result of a command as JSON.

    Args:
      report: what the command has found out.
      status: FINISHED, FAILED or KILLED.
      exit_status: exit status of the command.
      error: why the command failed, in one line; None if it did not, or if only runs did.
    """
    info, store = report.sweep_info, report.store
    places = {entry.run.run_id: entry.place for entry in report.found.ranked}
    found = {
        "sweep": info.sweep,
        "sweep_id": info.sweep_id,
        "status": status,
        "exit_status": exit_status,
        "error": error,
        "command": info.command,
        "store": store.uri,
        "experiment_id": store.experiment_id,
        "requested": report.requested,
        "finished": len(report.finished),
        "seconds": report.wall_s,
        "ranked_by": report.found.metric or None,
        "best": None if report.found.answer is None else best_values(report.found.answer),
        "runs": [
            {
                "rank": places.get(result.run_id or ""),
                "run_id": result.run_id,
                "status": result.status,
                "error": result.error,
                "reused": result.reused,
                "params": result.stored().params,
                "metrics": result.metrics,
            }
            for result in sorted(
                report.results, key=lambda result: places.get(result.run_id or "", len(places) + 1)
            )
        ],
        "addresses": _addresses(report),
    }
    return json.dumps(_finite(found), indent=1, ensure_ascii=False) + "\n"


def best_values(answer: analysis.Answer) -> dict[str, Any]:
    """The best run of an answer as plain values."""
    run, interval = answer.best.run, answer.best.interval
    seeds = None
    if answer.configuration is not None:
        spread = answer.configuration.configuration.spreads.get(answer.metric)
        seeds = None if spread is None else {"mean": spread.mean, "sd": spread.std, "n": spread.count}
    return {
        "run_id": run.run_id,
        "params": run.params,
        "metric": answer.metric,
        "value": answer.best.value,
        "interval": None if interval is None else list(interval),
        "over_seeds": seeds,
        "test_accuracy": run.metrics.get(schema.TEST_ACCURACY),
        "others": answer.others,
        "tested": answer.tested,
        "not_significantly_different": answer.tied,
        "at_edge": [edge.field for edge in answer.edges],
    }


def _addresses(report: SweepReport) -> dict[str, str]:
    known = next((result.run_id for result in report.results if result.run_id is not None), None)
    if known is None or not report.store.uri:
        return {}
    server, experiment = page_server(report.store.uri, known), report.store.experiment_id
    if not report.sweep_info.is_grid:
        return {"run": f"{server.address}/{run_page(experiment, known)}"}
    found = {"table": runs_page(experiment, report.sweep_info.sweep_id)}
    if report.summary_run_id is not None:
        found["report"] = run_page(experiment, report.summary_run_id)
    return {name: f"{server.address}/{page}" for name, page in found.items()}


def _finite(value: Any) -> Any:
    """A value in which numbers that JSON does not have are null."""
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
