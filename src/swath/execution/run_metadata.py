"""Metadata of a run: what is stored of it before its first step, and of a trial of a search at its end."""

import json
from dataclasses import replace

from swath import tracking
from swath.config import (
    SCHEMA_VERSION,
    IncrementalYaml,
    computed_values,
    fingerprint,
    overridden,
    run_name,
    stored_config,
)
from swath.datasets import Dataset
from swath.execution.runs import RunRequest, SweepInfo
from swath.tracking import schema
from swath.training import lane_key


def run_info(request: RunRequest, sweep_info: SweepInfo, dataset: Dataset) -> tracking.RunInfo:
    """Metadata of a run that is stored before its first step; a trial of a search has no length yet."""
    trial = request.trial
    if trial is None:
        return _run_info(request, sweep_info, dataset)
    info = trial_info(request, sweep_info, dataset, finished=False)
    params = {name: value for name, value in info.params.items() if name != schema.MAX_STEPS}
    return replace(info, name=f"trial {trial.number}", params=params)


def trial_info(
    request: RunRequest, sweep_info: SweepInfo, dataset: Dataset, *, finished: bool
) -> tracking.RunInfo:
    """Metadata of a trial of a search at its end.

    Args:
      request: the steps to which it came.
      sweep_info: properties that the runs share.
      dataset: the images.
      finished: whether it ended there; else it has failed, and it keeps the length that was proposed.
    """
    trial = request.trial
    assert trial is not None
    config = request.config if finished else trial.full
    info = _run_info(replace(request, config=config), sweep_info, dataset)
    tags = {
        schema.SEARCH_STAGE: schema.TRIAL,
        schema.SEARCH_TRIAL: str(trial.number),
        schema.SEARCH_ROUND: str(trial.round_number),
        schema.SEARCH_POINT: trial.point,
    }
    return replace(info, tags={**info.tags, **tags})


def _run_info(request: RunRequest, sweep_info: SweepInfo, dataset: Dataset) -> tracking.RunInfo:
    config = request.config
    # Overrides of resume do not identify the run, and a reproduction must not resume.
    overrides = [text for text in request.overrides if overridden(text) not in ("resume", "force_resume")]
    return tracking.RunInfo(
        name=(not sweep_info.is_grid and sweep_info.run_name) or run_name(config, sweep_info.swept),
        params={name: str(value) for name, value in computed_values(config).items()},
        tags={
            **sweep_info.tags,
            **(
                {schema.NOTE: sweep_info.description}
                if sweep_info.description and not sweep_info.is_grid
                else {}
            ),
            schema.KIND: "run",
            schema.SWEEP: sweep_info.sweep,
            schema.SWEEP_ID: sweep_info.sweep_id,
            schema.SWEPT: " ".join(sweep_info.swept),
            schema.FINGERPRINT: fingerprint(config),
            schema.DATA_DIGEST: dataset.digest,
            **tracking.model_code_tags([config]),
            schema.DATA_SIZES: tracking.sizes_of(dataset).text(),
            schema.OVERRIDES: json.dumps(overrides),
            schema.CONFIG_SCHEMA: SCHEMA_VERSION,
            schema.LANE: lane_key(config, dataset.digest),
            schema.EVERY_STEPS: str(request.kept.every),
            **({schema.CURVES: request.kept.curves} if request.kept.in_file else {}),
            **tracking.runtime_tags(),
            **request.tags,
        },
        dataset=tracking.DatasetInfo(
            name=dataset.name,
            digest=dataset.digest,
            source=dataset.source,
            images={
                "train_images": len(dataset.train_images) - config.data.validation_size,
                "validation_images": config.data.validation_size,
                "test_images": len(dataset.test_images),
            },
        ),
        config_yaml=stored_config(config),
        overrides_yaml=IncrementalYaml().dump(overrides),
    )
