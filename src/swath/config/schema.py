"""The configuration of one run: its fields, their types, units and ranges."""

import dataclasses
import math
import struct
from dataclasses import dataclass
from typing import Any, Optional

from omegaconf import MISSING, DictConfig, OmegaConf

from swath.config.fields import documented, field_mistake, walk_values
from swath.datasets import DATASETS
from swath.errors import ConfigError

SCHEMA_VERSION = "1"
"""Raised when a field's meaning changes; a field that is merely added keeps it."""


PREPROCESSINGS = ("mean_image", "none", "standardize")


LARGEST_SEED = 2**63 - 1


MODELS = ("best", "all", "none")


AFTERWARDS = ("background", "wait", "none")


ON_FAILURE = ("continue", "stop")


RESUMES = ("no", "yes", "failed", "anyway")


SAME_AS = {"true": "yes", "false": "no"}
"""YAML's and Hydra's words for two of `RESUMES`; YAML reads `yes` as `true`."""


TRACKING_SCHEMES = ("sqlite", "postgresql", "mysql", "mssql", "http", "https")


def as_float32(value: float) -> float:
    """The nearest float32 of `value`, as a Python float; infinite where float32 cannot hold it."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def _is_learning_rate(value: float) -> bool:
    rounded = as_float32(value)
    return math.isfinite(rounded) and rounded > 0


def _is_tracking_uri(value: str | None) -> bool:
    if value is None:
        return True
    scheme, separator, rest = value.partition("://")
    return bool(separator and rest) and scheme.split("+")[0] in TRACKING_SCHEMES


@dataclass(frozen=True)
class DataConfig:
    """Which images a run sees, and where they are looked for."""

    name: str = documented(
        "computed",
        "data set",
        f"one of {', '.join(DATASETS)}",
        lambda value: value in DATASETS,
    )
    validation_size: int = documented(
        "computed",
        "training images held back for validation, the last ones of the set",
        "a whole number of images from 0 to the training images less 1",
        lambda value: value >= 0,
    )
    dir: Optional[str] = documented(  # noqa: UP045  OmegaConf reads this spelling in every version
        "run",
        "folder that holds the images; without it $SWATH_DATA_DIR, the user's cache, a download",
        "a folder",
        lambda value: value != "",
    )


@dataclass(frozen=True)
class TrackingConfig:
    """Where MLflow keeps what a run leaves behind."""

    uri: Optional[str] = documented(  # noqa: UP045
        "run",
        "MLflow store; without it $MLFLOW_TRACKING_URI, else mlflow.db in the working folder",
        f"an address that begins with {', '.join(s + '://' for s in TRACKING_SCHEMES)}",
        _is_tracking_uri,
    )
    experiment: str = documented(
        "run", "MLflow experiment", "a name that is not empty", lambda value: bool(value.strip())
    )
    every_steps: int = documented(
        "run",
        "steps between two whose accuracy and loss are stored; the first and the last always are",
        "a whole number of steps from 1 up",
        lambda value: value >= 1,
    )
    artifacts: Optional[str] = documented(  # noqa: UP045
        "run",
        "where a new experiment keeps its artifacts; without it where the store says (mlruns/)",
        "a folder or an address",
        lambda value: value != "",
    )
    models: str = documented(
        "run",
        "runs of a sweep whose weights are kept as an MLflow model too",
        f"one of {', '.join(MODELS)}",
        lambda value: value in MODELS,
    )
    afterwards: Optional[str] = documented(  # noqa: UP045
        "run",
        "when pictures are drawn and models are made: after the command, by a process that nobody waits "
        "for; at its end; or not at all; without it what $SWATH_AFTERWARDS says, else in the background",
        f"one of {', '.join(AFTERWARDS)}",
        lambda value: value is None or value in AFTERWARDS,
    )


@dataclass(frozen=True)
class LanesConfig:
    """How configurations are trained side by side."""

    max_lanes: int = documented(
        "run",
        "most configurations trained side by side in one program",
        "a whole number of lanes from 1 up",
        lambda value: value >= 1,
    )
    check: int = documented(
        "run",
        "configurations, drawn at random, that are trained once more, alone, and compared bit for bit",
        "a whole number of configurations from 0 up",
        lambda value: value >= 0,
    )


@dataclass(frozen=True)
class CheckpointConfig:
    """How often a training that takes long is kept, to be taken up where it stands."""

    every_s: float = documented(
        "run",
        "seconds between two checkpoints of a lane group",
        "a number of seconds above 0",
        lambda value: value > 0,
    )


@dataclass(frozen=True)
class RunConfig:
    """One run: everything that decides its numbers, and how it is carried out.

    Raises:
      ConfigError: a value is outside its range; all such values are named together.
    """

    batch_size: int = documented(
        "computed",
        "images drawn, with replacement, for each step",
        "a whole number of images from 1 to the training images less data.validation_size",
        lambda value: value >= 1,
    )
    learning_rate: float = documented(
        "computed",
        "factor of the gradient in each update",
        "a number above 0 that float32 can hold",
        _is_learning_rate,
    )
    max_steps: int = documented(
        "computed", "updates of the weights", "a whole number of steps from 1 up", lambda value: value >= 1
    )
    seed: int = documented(
        "computed",
        "which sequence of batches is drawn",
        f"a whole number from 0 to {LARGEST_SEED}",
        lambda value: 0 <= value <= LARGEST_SEED,
    )
    evaluate_every_steps: int = documented(
        "computed",
        "steps between two evaluations on the validation images, 0 for one at the end",
        "a whole number of steps from 0 up",
        lambda value: value >= 0,
    )
    preprocessing: str = documented(
        "computed",
        "what is subtracted from, and divides, each pixel",
        f"one of {', '.join(PREPROCESSINGS)}",
        lambda value: value in PREPROCESSINGS,
    )
    data: DataConfig = MISSING
    tracking: TrackingConfig = MISSING
    fuse: LanesConfig = MISSING
    checkpoint: CheckpointConfig = MISSING
    resume: str = documented(
        "run",
        "take up what an earlier command was cut off in: what has not finished, what has failed, or, where "
        "numbers could differ since, all the same",
        f"one of {', '.join(RESUMES)}",
        lambda value: value.lower() in (*RESUMES, *SAME_AS),
    )
    on_failure: str = documented(
        "run",
        "what becomes of the other configurations when one fails",
        f"one of {', '.join(ON_FAILURE)}",
        lambda value: value in ON_FAILURE,
    )
    retries: int = documented(
        "run",
        "times that a configuration is tried again whose failure can pass, such as a full disk; not one that "
        "diverges",
        "a whole number of times from 0 up",
        lambda value: value >= 0,
    )
    log_every_steps: int = documented(
        "run",
        "steps between two lines on the screen of a single run",
        "a whole number of steps from 1 up",
        lambda value: value >= 1,
    )
    dry_run: bool = documented(
        "run",
        "show what would be trained, how long it would take and what it would store; do nothing",
        "true or false",
        lambda value: True,
    )
    device: str = documented("run", "device that computes", "cpu", lambda value: value == "cpu")

    def __post_init__(self) -> None:
        mistakes = [field_mistake(*entry) for entry in walk_values(self)]
        found = [mistake for mistake in mistakes if mistake is not None]
        if found or (found := self._size_mistakes()):
            raise ConfigError(found)

    @property
    def resumes(self) -> str:
        """One of `RESUMES`, however it was written."""
        word = self.resume.lower()
        return SAME_AS.get(word, word)

    def _size_mistakes(self) -> list[str]:
        """Mistakes between fields that are each in range: sizes that the data set does not have."""
        declared = DATASETS[self.data.name].train_images
        left = declared - self.data.validation_size
        if left < 1:
            return [
                f"data.validation_size={self.data.validation_size}: expected at most {declared - 1} images, "
                f"because {self.data.name} has {declared} training images"
            ]
        if self.batch_size > left:
            of_these = f" less data.validation_size={self.data.validation_size}" if left < declared else ""
            return [
                f"batch_size={self.batch_size}: expected at most {left} images, "
                f"because {self.data.name} has {declared} training images{of_these}"
            ]
        return []


def schema_node(schema: type = RunConfig) -> DictConfig:
    """A typed config node without values, for `schema` and every schema nested in it.

    OmegaConf makes the node of a frozen dataclass read-only, which would keep Hydra from filling it in;
    the objects that come out of it are frozen all the same.
    """
    node: DictConfig = OmegaConf.structured(schema)
    OmegaConf.set_readonly(node, False)
    for field in dataclasses.fields(schema):
        if isinstance(field.type, type) and dataclasses.is_dataclass(field.type):
            node[field.name] = schema_node(field.type)
    return node


def to_run_config(values: dict[str, Any] | DictConfig) -> RunConfig:
    """The checked configuration that `values` describe.

    Args:
      values: nested, with exactly the schema's fields.

    Raises:
      ConfigError: a value is outside its range.
      omegaconf.errors.OmegaConfBaseException: a field is missing or unknown, or a value has another type.
    """
    merged = OmegaConf.merge(schema_node(), values)
    assert isinstance(merged, DictConfig)
    return from_composed(merged)


def from_composed(config: DictConfig) -> RunConfig:
    """The checked configuration in a config whose nodes already have the schema's types.

    Raises:
      ConfigError: a value is outside its range.
      omegaconf.errors.OmegaConfBaseException: a field is missing.
    """
    plain = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    assert isinstance(plain, dict)
    return from_plain({str(name): value for name, value in plain.items()})


def from_plain(values: dict[str, Any]) -> RunConfig:
    """The checked configuration of nested plain values of the schema's types.

    Raises:
      ConfigError: a value is outside its range.
    """
    nested = {
        field.name: field.type(**values[field.name])
        for field in dataclasses.fields(RunConfig)
        if isinstance(field.type, type) and dataclasses.is_dataclass(field.type)
    }
    return RunConfig(**{**values, **nested})
