"""The two kinds of configuration: what a run computes (TrainConfig), and how a command runs (SweepConfig)."""

import dataclasses
from collections.abc import Mapping
from dataclasses import InitVar, dataclass
from typing import Any, ClassVar, Optional, TypeVar

from omegaconf import MISSING, DictConfig, OmegaConf

from swath.config.constraints import Choice, Flag, Range, SizeList, Text
from swath.config.fields import (
    FieldSpec,
    declared,
    field_mistakes,
    forget_when_fields_change,
    hyperparameter,
    own_fields,
    setting,
    walk_schema,
)
from swath.config.own_models import ModelNames, install_models
from swath.datasets import DATASETS, MOST_SIDE, NAMES, DataKey, DatasetSpec
from swath.errors import ConfigError
from swath.models import DEFAULT_MODEL

SCHEMA_VERSION = "1"
"""Raised when the meaning of a field changes. A new field leaves it as it is."""

SCHEMA_NAME = "run_config"
"""Name under which Hydra finds the schema; `conf/base.yaml` extends it."""

LARGEST_SEED = 2**63 - 1

POSTPROCESS = ("background", "wait", "off")

TRACKING_SCHEMES = ("sqlite", "postgresql", "mysql", "mssql", "http", "https")


@dataclass(frozen=True)
class DataConfig:
    """The images of a run."""

    name: str = hyperparameter(Choice(NAMES), "Data set; data=NAME chooses it.", shared_by="program")
    validation_size: int = hyperparameter(
        Range(0, at_most="the training images less 1"),
        "Training images held back for validation.",
        unit="images",
        shared_by="program",
    )
    image_size: Optional[int] = hyperparameter(  # noqa: UP045  OmegaConf reads this spelling in every version
        Range(1, most=MOST_SIDE),
        "Rows and columns to which images are resized.",
        unit="pixels",
        shared_by="program",
        only_with=("data.name", ("images",)),
        when_absent=None,
    )

    @property
    def key(self) -> DataKey:
        """Which data set this is; configurations of equal keys share it within a command."""
        return DataKey(self.name, self.image_size)


@dataclass(frozen=True)
class OptimizerConfig:
    """The rule that updates the weights."""

    name: str = hyperparameter(
        Choice(("sgd", "momentum", "nesterov", "adam")),
        "Update rule; optimizer=NAME chooses it.",
        shared_by="program",
        when_absent="sgd",
    )
    momentum: Optional[float] = hyperparameter(  # noqa: UP045
        Range(0, below=1, float32=True),
        "Part of the last update that is repeated.",
        shared_by="lane",
        when_absent=None,
        only_with=("optimizer.name", ("momentum", "nesterov")),
        tuned=True,
        axis_order=5,
    )


OwnValues = tuple[tuple[str, Any], ...]
"""Values of the fields that packages and programs have added, by name."""


@dataclass(frozen=True, eq=False)
class ModelConfig:
    """The classifier. A field that a package has added is an attribute too; None where it does not exist.

    The class is the same whatever packages there are, so that another process can unpickle it.
    """

    has_own_fields: ClassVar[bool] = True

    name: str = hyperparameter(
        ModelNames(),
        "Model; model=NAME chooses it.",
        shared_by="program",
        when_absent=DEFAULT_MODEL,
    )
    # OmegaConf's lists take no single number; the constraint takes both.
    hidden_units: Any = hyperparameter(  # noqa: RUF009
        SizeList(most=8_192, longest=8),
        "Units of each hidden layer.",
        unit="units",
        shared_by="program",
        when_absent=None,
        only_with=("model.name", ("mlp",)),
        shape=True,
        axis_order=6,
    )
    own: InitVar[OwnValues] = ()

    def __post_init__(self, own: OwnValues) -> None:
        object.__setattr__(self, "own", own)

    def __getattr__(self, name: str) -> Any:
        """The value of a field that a package has added."""
        if name in own_fields(ModelConfig):
            return dict(self.__dict__.get("own", ())).get(name)
        raise AttributeError(f"ModelConfig has no attribute {name}")

    def _values(self) -> tuple[Any, ...]:
        return self.name, self.hidden_units, self.__dict__["own"]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ModelConfig) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides the numbers of one run. Its fields may be swept.

    Raises:
      ConfigError: values are out of range; one line for each.
    """

    batch_size: int = hyperparameter(
        Range(1, at_most="the training images less data.validation_size"),
        "Images per step, drawn with replacement.",
        unit="images",
        shared_by="group",
        shape=True,
        headline=True,
        tuned=True,
        axis_order=2,
    )
    learning_rate: float = hyperparameter(
        Range(above=0, float32=True),
        "Factor of the gradient in each update.",
        shared_by="lane",
        headline=True,
        tuned=True,
        axis_order=1,
        log_scale=True,
    )
    max_steps: int = hyperparameter(
        Range(1),
        "Updates of the weights.",
        unit="steps",
        shared_by="run",
        headline=True,
        tuned=True,
        axis_order=3,
    )
    seed: int = hyperparameter(
        Range(0, most=LARGEST_SEED), "Seed of the batch sequence.", shared_by="group", repeats=True
    )
    evaluate_every_steps: int = hyperparameter(
        Range(0),
        "Evaluate on the validation images every N steps (0: at the end).",
        unit="steps",
        shared_by="group",
    )
    preprocessing: str = hyperparameter(
        Choice(("mean_image", "none", "scale", "standardize")), "Input normalization.", shared_by="program"
    )
    augment: str = hyperparameter(
        Choice(("none", "mirror")),
        "Mirror each training image with probability 1/2.",
        shared_by="program",
        when_absent="none",
    )
    l2: float = hyperparameter(
        Range(0, float32=True),
        "Penalty: half the sum of the squared weights, without biases, times this.",
        shared_by="lane",
        when_absent=0.0,
        tuned=True,
        axis_order=4,
        log_scale=True,
    )
    schedule: str = hyperparameter(
        Choice(("constant", "cosine", "step")),
        "How the learning rate falls over schedule_steps.",
        shared_by="lane",
        when_absent="constant",
    )
    warmup_steps: int = hyperparameter(
        Range(0, at_most="schedule_steps or max_steps less 1"),
        "Steps over which the learning rate rises at the start.",
        unit="steps",
        shared_by="lane",
        when_absent=0,
    )
    schedule_steps: Optional[int] = hyperparameter(  # noqa: UP045
        Range(1),
        "Steps of the schedule; null: max_steps.",
        unit="steps",
        shared_by="lane",
        when_absent=None,
        only_with=("schedule", ("cosine", "step")),
        null_means="max_steps",
    )
    init_seed: Optional[int] = hyperparameter(  # noqa: UP045
        Range(0, most=LARGEST_SEED),
        "Seed of the initial weights; null: seed.",
        shared_by="lane",
        when_absent=None,
        not_with=("model.name", (DEFAULT_MODEL,)),  # its weights start at zero
        null_means="seed",
        repeats=True,
    )
    data: DataConfig = MISSING
    model: ModelConfig = ModelConfig()
    optimizer: OptimizerConfig = OptimizerConfig()

    def __post_init__(self) -> None:
        mistakes = field_mistakes(self) or self._schedule_mistakes()
        if not mistakes and self.data.name in DATASETS:  # of one's own images, `JobConfig` knows the place
            mistakes = self.size_mistakes(DATASETS[self.data.name])
        if mistakes:
            raise ConfigError(mistakes)

    def _schedule_mistakes(self) -> list[str]:
        """A warm-up that leaves no step for the schedule."""
        end = self.schedule_steps or self.max_steps
        if self.schedule == "constant" or self.warmup_steps < end:
            return []
        field = "max_steps" if self.schedule_steps is None else "schedule_steps"
        return [
            f"warmup_steps={self.warmup_steps}: expected fewer than {field}={end} with "
            f"schedule={self.schedule}"
        ]

    def size_mistakes(self, spec: DatasetSpec) -> list[str]:
        """Values that are in range one by one, but need more images than the data set has; a line each."""
        declared = spec.train_images
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


@dataclass(frozen=True)
class DataSourceConfig:
    """Where the images are."""

    dir: Optional[str] = setting(  # noqa: UP045  OmegaConf reads this spelling in every version
        Text("a folder or a file"), "Place of the images; else $SWATH_DATA_DIR, the cache, a download."
    )


@dataclass(frozen=True)
class TrackingConfig:
    """What MLflow stores, and where."""

    uri: Optional[str] = setting(  # noqa: UP045
        Text("an address", TRACKING_SCHEMES),
        "MLflow store; else $MLFLOW_TRACKING_URI, else ./mlflow.db.",
    )
    experiment: Optional[str] = setting(  # noqa: UP045
        Text("a non-empty name"),
        "MLflow experiment; else $MLFLOW_EXPERIMENT_NAME, $MLFLOW_EXPERIMENT_ID, or swath.",
    )
    every_steps: int = setting(
        Range(1), "Log metrics every N steps, and at the first and last step.", "steps"
    )
    artifact_location: Optional[str] = setting(  # noqa: UP045
        Text("a folder or an address"),
        "Artifacts of a new experiment; else the store's default (mlruns/).",
    )
    log_models: str = setting(
        Choice(("best", "all", "none")), "Runs of a sweep whose weights are logged as an MLflow model."
    )
    postprocess: Optional[str] = setting(  # noqa: UP045
        Choice(POSTPROCESS),
        "When to draw plots and log models; else $SWATH_POSTPROCESS.",
    )


@dataclass(frozen=True)
class LanesConfig:
    """How configurations are trained together."""

    max: int = setting(Range(1), "Maximum number of configurations in one program.", "lanes")
    verify: int = setting(
        Range(0),
        "Configurations, drawn at random, to train again alone and compare.",
        "configurations",
    )


@dataclass(frozen=True)
class CheckpointConfig:
    """How often training is saved."""

    every_s: float = setting(Range(above=0), "Seconds between two checkpoints of a lane group.", "seconds")


@dataclass(frozen=True)
class SweepConfig:
    """How a command is carried out. There is one per command, so its fields cannot be swept.

    Raises:
      ConfigError: values are out of range; one line for each.
    """

    data: DataSourceConfig = MISSING
    tracking: TrackingConfig = MISSING
    lanes: LanesConfig = MISSING
    checkpoint: CheckpointConfig = MISSING
    # YAML reads an unquoted yes as true, so both spellings are accepted.
    resume: str = setting(
        Choice(("no", "yes", "failed"), {"true": "yes", "false": "no"}),
        "Resume an interrupted sweep: unfinished (yes) or failed runs only (failed).",
    )
    force_resume: bool = setting(Flag(), "Resume even if the environment changed (results may differ).")
    on_failure: str = setting(Choice(("continue", "stop")), "What the other runs do after one fails.")
    retries: int = setting(
        Range(0),
        "Retries per run after a transient failure (not divergence).",
        "times",
    )
    print_every_steps: int = setting(Range(1), "Print progress every N steps (single runs only).", "steps")
    dry_run: bool = setting(Flag(), "Show the plan, its time and its size; train nothing.")

    def __post_init__(self) -> None:
        mistakes = field_mistakes(self)
        if not mistakes and self.force_resume and self.resume == "no":
            mistakes = ["force_resume=true: expected together with resume=yes or resume=failed"]
        if mistakes:
            raise ConfigError(mistakes)


@dataclass(frozen=True)
class _DataNode(DataSourceConfig, DataConfig):
    """The node `data` of a composed config."""


@dataclass(frozen=True)
class _ConfigNode(SweepConfig, TrainConfig):
    """A composed config: the fields of both kinds side by side."""

    data: _DataNode = MISSING


MODEL_FIELDS = dict(walk_schema(ModelConfig))
"""swath's own fields of `model`, without the prefix."""

FIELDS: dict[str, FieldSpec] = {}
"""Every field by dotted name."""


def _list_fields() -> None:
    found = {**dict(walk_schema(TrainConfig)), **dict(walk_schema(SweepConfig))}
    FIELDS.clear()
    FIELDS.update(found)


forget_when_fields_change(_list_fields)
install_models(MODEL_FIELDS)
_list_fields()

HEADLINE = tuple(name for name, spec in FIELDS.items() if spec.headline)
"""The fields that name a configuration where nothing varies."""

REPEATED_BY = tuple(name for name, spec in FIELDS.items() if spec.repeats)
"""The fields that repeat a configuration rather than change it."""


def with_meanings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Params or fields with what a field that has no value means: `init_seed` is `seed`, and so on."""
    meant = {
        name: values[spec.null_means]
        for name, spec in FIELDS.items()
        if spec.null_means in values and values.get(name) is None
    }
    return {**values, **meant}


def schema_node(schema: type = _ConfigNode) -> DictConfig:
    """A typed config node without values, for `schema` and every schema nested in it.

    OmegaConf makes the node of a frozen dataclass read-only, which would keep Hydra from filling it in.

    Args:
      schema: a dataclass.
    """
    node: DictConfig = OmegaConf.structured(schema)
    OmegaConf.set_readonly(node, False)
    for field in dataclasses.fields(schema):
        if isinstance(field.type, type) and dataclasses.is_dataclass(field.type):
            node[field.name] = schema_node(_with_own_fields(field.type))
    return node


def _with_own_fields(schema: type) -> type:
    """A class with the fields that packages have added, for OmegaConf."""
    names = {field.name for field in dataclasses.fields(schema)}
    added = [
        (name, Any if spec.kind is list else spec.kind | None, dataclasses.field(default=None))
        for name, spec in own_fields(schema).items()
        if name not in names
    ]
    return (
        dataclasses.make_dataclass(schema.__name__, added, bases=(schema,), frozen=True) if added else schema
    )


_Config = TypeVar("_Config")


def build(schema: type[_Config], values: Mapping[str, Any], prefix: str = "") -> _Config:
    """The configuration of a schema that values describe.

    Args:
      schema: TrainConfig, SweepConfig, or a part of one.
      values: by dotted name, of the declared types; names outside the schema are ignored.
      prefix: of the schema's names in `values`.

    Raises:
      ConfigError: a value is out of range.
    """
    found: dict[str, Any] = {}
    for field in dataclasses.fields(schema):  # type: ignore[arg-type]
        name = prefix + field.name
        if isinstance(field.type, type) and dataclasses.is_dataclass(field.type):
            found[field.name] = build(field.type, values, f"{name}.")
        else:
            found[field.name] = declared(field).constraint.canonical(values[name])
    added = {name: spec for name, spec in own_fields(schema).items() if name not in found}
    if added:
        given = ((name, spec.constraint, values.get(prefix + name)) for name, spec in added.items())
        found["own"] = tuple(
            (name, limit.canonical(value)) for name, limit, value in given if value is not None
        )
    return schema(**found)
