"""A run that goes on: what the store has of it already, and what is still missing."""

from collections.abc import Mapping
from dataclasses import replace

from mlflow.entities import Run, RunTag
from mlflow.tracking import MlflowClient

from swath.tracking import schema
from swath.tracking.records import MetricBatch, RunInfo

ERROR = schema.ERROR


RESUMED = schema.RESUMED


OF_AN_END = (ERROR, schema.BITS, schema.FILES, schema.TRAIN_ACCURACY_TAG)
"""Tags that an end of its own leaves on a run."""


def reopen(client: MlflowClient, run_id: str, start: RunInfo, common_tags: Mapping[str, str]) -> Run:
    """Put a run that was cut off back into the state RUNNING; returns it as it was.

    Its params and data set stay; its tags say who trains it now, and how often it was taken up.
    """
    run = client.get_run(run_id)
    client.update_run(run_id, status="RUNNING")
    times = int(run.data.tags.get(RESUMED, "0")) + 1
    tags = {**common_tags, **start.tags, RESUMED: str(times)}
    client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])
    for name in OF_AN_END:
        if name in run.data.tags:
            client.delete_tag(run_id, name)
    return run


def last_steps(run: Run) -> dict[str, int]:
    """The last step of each metric that the store has of a run."""
    return {metric.key: metric.step for metric in run.data._metric_objs}


def missing_part(block: MetricBatch, last: Mapping[str, int]) -> list[MetricBatch]:
    """What of a block comes after the last stored step of each metric.

    In MLflow's table a step that is logged twice is there twice.
    """
    parts: dict[int, MetricBatch] = {}
    for name, values in block.values.items():
        known = last.get(name)
        skipped = 0 if known is None else max(0, (known - block.first_step) // block.every + 1)
        if skipped >= len(values):
            continue
        first_step = block.first_step + skipped * block.every
        part = parts.get(first_step, MetricBatch(first_step, {}, block.every))
        parts[first_step] = replace(part, values={**part.values, name: values[skipped:]})
    return list(parts.values())
