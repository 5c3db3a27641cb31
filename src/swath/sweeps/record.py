"""Builds the summary run of a sweep: its description at the start and its results at the end."""

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import count, takewhile
from operator import attrgetter

import numpy as np

from swath import tracking
from swath.analysis import REPEATED_BY, answer_lines
from swath.config import TrainConfig, varying
from swath.execution import RunResult, SweepInfo
from swath.sweeps.manifest import Manifest
from swath.sweeps.ranked_results import RankedResults, Ranker
from swath.tracking import schema

MOST_VALUES = 40
"""Maximum number of values of a field that a description lists."""

MOST_OF_A_COMMAND = 2_000
"""Maximum length of a command in a description, in characters; MLflow truncates tags after 8,000."""


def sweep_description(
    sweep_info: SweepInfo, configs: Sequence[TrainConfig], manifest: Manifest
) -> tracking.SweepDescription:
    """The summary run of a sweep before the first step.

    Args:
      sweep_info: metadata of the sweep.
      configs: the configurations known so far.
      manifest: the manifest of the sweep.
    """
    return tracking.SweepDescription(
        name=sweep_info.run_name or f"sweep {sweep_info.sweep}",
        sweep_id=sweep_info.sweep_id,
        tags={
            **sweep_info.tags,
            schema.SWEEP: sweep_info.sweep,
            schema.SWEEP_ID: sweep_info.sweep_id,
            schema.SWEPT: " ".join(sweep_info.swept),
            schema.COMMAND: sweep_info.command,
            **({schema.QUESTION: sweep_info.question} if sweep_info.question else {}),
            schema.GRID: "" if sweep_info.space_lines else "; ".join(grid_lines(configs)),
            **({schema.SPACE: json.dumps(sweep_info.space_lines)} if sweep_info.sweeper else {}),
            **({schema.RANKED_BY: sweep_info.objective} if sweep_info.objective else {}),
            **_asked_for(sweep_info, configs),
            **tracking.runtime_tags(),
        },
        note=_note(sweep_info, configs, [tracking.STILL_RUNNING]),
        experiment_note=_experiment_note(sweep_info, configs, [tracking.STILL_RUNNING]),
        view=_view(sweep_info, configs),
        files=manifest.files(),
        start_ms=sweep_info.start_ms,
    )


def _asked_for(sweep_info: SweepInfo, configs: Sequence[TrainConfig]) -> dict[str, str]:
    """The number of configurations, if it is known: another sweeper may not say how many it will choose."""
    if sweep_info.sweeper and sweep_info.most is None:
        return {}
    if sweep_info.most is not None:
        return {schema.ASKED_FOR: str(sweep_info.most)}
    return {schema.ASKED_FOR: str(len(configs))}


def sweep_summary(
    sweep_info: SweepInfo,
    results: Sequence[RunResult],
    asked_for: int,
    wall_s: float,
    interrupted: bool,
    ranker: Ranker | None = None,
) -> tracking.SweepSummary:
    """The results of a sweep for its summary run.

    Args:
      sweep_info: metadata of the sweep.
      results: flushed results, in the order of the requests.
      asked_for: number of requested configurations.
      wall_s: duration of the command in seconds.
      interrupted: whether a signal stopped the command.
      ranker: ranks the results; None for a new one.
    """
    found = (ranker or Ranker()).rank(sweep_info, results)
    sweep_info = replace(sweep_info, swept=found.swept)
    finished = [result for result in results if result.status == "FINISHED"]
    counts = Counter(result.status for result in results)
    steps_per_s = sum(result.trained_steps for result in results) / wall_s
    status: tracking.Status = "KILLED" if interrupted else "FINISHED" if finished else "FAILED"
    trained = any(not result.reused for result in results)
    speed = f" in {wall_s:.1f} s, {steps_per_s:,.0f} steps/s" if trained else ""
    lines = [f"{len(finished)} of {asked_for} finished{speed}."]
    tags = {
        schema.SWEPT: " ".join(found.swept),  # another sweeper may choose without saying what
        schema.ASKED_FOR: str(asked_for),
        schema.FINISHED_COUNT: str(counts["FINISHED"]),
        schema.FAILED_COUNT: str(counts["FAILED"]),
        schema.KILLED_COUNT: str(counts["KILLED"]),
    }
    if trained:  # else the values of the command that trained them stay
        tags |= {schema.WALL_S: f"{wall_s:.1f}", schema.STEPS_PER_S: f"{steps_per_s:.0f}"}
    best = None
    if found.answer is not None:
        best = found.answer.best.run
        lines.append("\n".join(answer_lines(found.answer)))  # MLflow's page keeps line breaks
        tags |= {schema.BEST_RUN_ID: best.run_id, schema.RANKED_BY: found.metric}
    return tracking.SweepSummary(
        status=status,
        metrics={} if best is None else {schema.best(name): value for name, value in best.metrics.items()},
        tags=tags,
        note=_note(sweep_info, [result.config for result in results], lines),
        experiment_note=_experiment_note(sweep_info, [result.config for result in results], lines),
        ranking_csv=_ranking_csv(results, found),
        view=_view(sweep_info, [result.config for result in results]),
        by_trial=None if interrupted or counts["KILLED"] else _by_trial(sweep_info, results),
    )


def _view(sweep_info: SweepInfo, configs: Sequence[TrainConfig]) -> str:
    validated = any(config.data.validation_size for config in configs)
    accuracies = (schema.VALIDATION_ACCURACY, schema.TEST_ACCURACY) if validated else (schema.TEST_ACCURACY,)
    averaged = next((field for field in REPEATED_BY if field in sweep_info.swept), None)
    is_search = bool(sweep_info.space)
    return tracking.view_state(
        sweep_info.sweep_id, sweep_info.swept, accuracies, averaged, is_search=is_search
    )


def _by_trial(sweep_info: SweepInfo, results: Sequence[RunResult]) -> tracking.MetricBatch | None:
    """Best value so far and steps so far, by number of the trial; None if this is no search.

    Trials that have no value repeat the best one before. The trials count up to the first that is missing, as
    the last ones may be where a search was interrupted.
    """
    metric = sweep_info.objective
    trials = {result.trial: result for result in results if result.trial is not None}
    if metric is None or 0 not in trials:
        return None
    better = max if schema.larger_is_better(metric) else min
    best: list[float] = []
    steps: list[float] = []
    for number in takewhile(trials.__contains__, count()):
        values = [trials[number].metrics.get(metric, math.nan), *best[-1:]]
        known = [value for value in values if not math.isnan(value)]
        best.append(better(known) if known else math.nan)
        steps.append(trials[number].steps + (steps[-1] if steps else 0))
    return tracking.MetricBatch(0, {schema.SEARCH_BEST: np.array(best), schema.SEARCH_STEPS: np.array(steps)})


def grid_lines(configs: Sequence[TrainConfig]) -> list[str]:
    """The values of each field that varies: `learning_rate=1e-07,1e-06`."""
    lines = []
    for field in varying(configs) if configs else ():
        found = dict.fromkeys(map(attrgetter(field), configs))
        values = [str(value) for value in found if value is not None]
        more = f",... ({len(values)})" if len(values) > MOST_VALUES else ""
        lines.append(f"{field}={','.join(values[:MOST_VALUES])}{more}")
    return lines


def _experiment_note(sweep_info: SweepInfo, configs: Sequence[TrainConfig], lines: Sequence[str]) -> str:
    # MLflow shows the first line on the page of the experiment, and the rest when the note is expanded.
    latest = f"Sweeps made by swath. The latest, `{sweep_info.sweep}`: {' '.join(' '.join(lines).split())}"
    return "\n\n".join([latest, _note(sweep_info, configs, [])])


def _note(sweep_info: SweepInfo, configs: Sequence[TrainConfig], lines: Sequence[str]) -> str:
    question = sweep_info.question or f"Which {' and '.join(sweep_info.swept)}?"
    asks = [sweep_info.description] if sweep_info.description else []
    asks += [f"**{question}**"] if sweep_info.question or sweep_info.swept else []
    searched = [f"Space: `{line}`" for line in sweep_info.space_lines]
    if sweep_info.sweeper:
        searched.append(f"Chosen during the sweep by Hydra's sweeper `{sweep_info.sweeper}`.")
    grid = searched or [f"Grid: `{line}`" for line in grid_lines(configs)]
    command = sweep_info.command
    if len(command) > MOST_OF_A_COMMAND:
        command = f"{command[:MOST_OF_A_COMMAND]} ..."
        grid.append(f"The full command is in the tag `{schema.COMMAND}`.")
    again = f"Reproduce it: `swath-reproduce --sweep {sweep_info.sweep_id}`"
    return "\n\n".join([*asks, *lines, *grid, f"Command: `{command}`", again])


def _ranking_csv(results: Sequence[RunResult], found: RankedResults) -> str:
    """One row per configuration: finished ones by rank, then the others."""
    finished = {result.run_id: result for result in results if result.status == "FINISHED"}
    rows = [
        finished[entry.run.run_id].ranking_row(place) for place, entry in enumerate(found.ranked, start=1)
    ]
    rows += [result.ranking_row(None) for result in results if result.status != "FINISHED"]
    names = sorted({name for result in finished.values() for name in result.metrics})
    columns = ["rank", "run_id", "status", *found.swept, *names]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows([row.cell(column) for column in columns] for row in rows)
    return text.getvalue()
