"""What a run computes: the configuration that decides its numbers."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Optional

from omegaconf import MISSING

from swath.config.added_fields import OpenNode
from swath.config.additions import DATA, MODELS, Names
from swath.config.constraints import Choice, Range, SizeList
from swath.config.field_values import field_mistakes
from swath.config.fields import hyperparameter
from swath.datasets import DATASETS, MOST_SIDE, DataKey, DatasetSpec
from swath.errors import ConfigError
from swath.models import DEFAULT_MODEL

LARGEST_SEED = 2**63 - 1


@dataclass(frozen=True, eq=False)
class DataConfig(OpenNode):
    """The images of a run."""

    group: ClassVar[str] = "data"

    name: str = hyperparameter(Names(DATA), "Data set; data=NAME chooses it.", shared_by="program")
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
        return DataKey(self.name, self.image_size, self.own_values)


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


@dataclass(frozen=True, eq=False)
class ModelConfig(OpenNode):
    """The classifier."""

    group: ClassVar[str] = "model"

    name: str = hyperparameter(
        Names(MODELS),
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


def at_steps(config: TrainConfig, steps: int) -> TrainConfig:
    """A configuration that is trained for fewer steps, with the schedule of its full length."""
    if steps == config.max_steps:
        return config
    schedule_steps = config.schedule_steps
    if config.schedule != "constant" and schedule_steps is None:
        schedule_steps = config.max_steps
    return replace(config, max_steps=steps, schedule_steps=schedule_steps)
