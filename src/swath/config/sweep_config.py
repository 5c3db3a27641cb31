"""How a command is carried out: the configuration that leaves the numbers as they are."""

from dataclasses import dataclass
from typing import Optional

from omegaconf import MISSING

from swath.config.constraints import Choice, Flag, Range, Text
from swath.config.executor_config import ExecutorConfig
from swath.config.field_values import field_mistakes
from swath.config.fields import setting
from swath.config.kept_steps import CURVES, EVERY_BESIDE_FILE, KeptSteps
from swath.config.search_config import SearchConfig
from swath.errors import ConfigError

POSTPROCESS = ("background", "wait", "off")

TRACKING_SCHEMES = ("sqlite", "postgresql", "mysql", "mssql", "http", "https")


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
    every_steps: Optional[int] = setting(  # noqa: UP045
        Range(1),
        "Log metrics every N steps, and at the first and last step; else 1, or 100 with curves=file.",
        "steps",
    )
    curves: str = setting(
        Choice(CURVES), "Where every step is kept: as MLflow's metrics, in a file of the run, or both."
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

    @property
    def kept(self) -> KeptSteps:
        """Which steps are stored, and where."""
        default = EVERY_BESIDE_FILE if self.curves == "file" else 1
        return KeptSteps(self.every_steps or default, self.curves)


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
    """How often training is saved, and where."""

    dir: Optional[str] = setting(  # noqa: UP045
        Text("a folder"), "Place of checkpoints, which all workers may share; null: the user's cache."
    )
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
    search: SearchConfig = MISSING
    executor: ExecutorConfig = MISSING
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
