"""What is said of a run when it begins: its name, params, tags and data set."""

import json
from functools import cache

from omegaconf import OmegaConf

from swath.checkpoint import lane_key
from swath.compute import RUNTIME
from swath.config.fields import computed_values
from swath.config.fingerprint import fingerprint
from swath.config.schema import SCHEMA_VERSION
from swath.config.stored import readable_name, stored_config
from swath.data import Dataset
from swath.launch import Launch, RunRequest
from swath.tracking.processes import process_tags
from swath.tracking.records import DatasetNote, RunStart


def run_start(request: RunRequest, launch: Launch, dataset: Dataset) -> RunStart:
    """Everything that the store is told of a run before its first step."""
    config = request.config
    # That it was taken up says nothing of what it is, and whoever types the rest again wants it whole.
    overrides = [text for text in request.overrides if not text.startswith("resume=")]
    return RunStart(
        name=readable_name(config, launch.swept),
        params={name: str(value) for name, value in computed_values(config).items()},
        tags={
            "swath.kind": "run",
            "swath.sweep": launch.sweep,
            "swath.sweep_id": launch.sweep_id,
            "swath.swept": " ".join(launch.swept),
            "swath.fingerprint": fingerprint(config),
            "swath.data_digest": dataset.digest,
            "swath.overrides": json.dumps(overrides),
            "swath.config_schema": SCHEMA_VERSION,
            "swath.lane": lane_key(config, dataset.digest),
            "swath.every_steps": str(config.tracking.every_steps),
            **runtime_tags(),
        },
        dataset=DatasetNote(
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
        overrides_yaml=OmegaConf.to_yaml(OmegaConf.create(overrides)),
    )


@cache
def runtime_tags() -> dict[str, str]:
    """What every run of this process says of it: which process, and what it computes with."""
    return {
        **process_tags("swath.pid"),
        "swath.tensorflow": RUNTIME.tensorflow,
        "swath.onednn": str(RUNTIME.onednn).lower(),
        "swath.intra_op_threads": str(RUNTIME.intra_op_threads),
        "swath.inter_op_threads": str(RUNTIME.inter_op_threads),
        "swath.device": RUNTIME.device,
    }
