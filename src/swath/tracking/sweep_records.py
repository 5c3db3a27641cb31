"""What the training process tells about a sweep: when it starts, and when it ends."""

from dataclasses import dataclass

from swath.tracking.run_records import MetricBatch, Status

STILL_RUNNING = "It is running, or was cut off."
"""Text in the description of a sweep that has not ended."""


@dataclass(frozen=True)
class SweepDescription:
    """Metadata logged when a sweep starts.

    Attributes:
      name: of the summary run.
      sweep_id: unique id of the command.
      tags: value of each tag.
      note: description of the sweep in Markdown.
      experiment_note: description of the experiment in Markdown.
      view: view state of MLflow's page of the sweep, as JSON.
      files: content of artifacts: the manifest, and pieces of it that the store does not have.
      start_ms: when the command started, in milliseconds since 1970; None for now.
    """

    name: str
    sweep_id: str
    tags: dict[str, str]
    note: str
    experiment_note: str
    view: str
    files: dict[str, str]
    start_ms: int | None = None


@dataclass(frozen=True)
class SweepSummary:
    """Outcome of a sweep.

    Attributes:
      status: MLflow's run status.
      metrics: metrics of the best configuration, named `best/...`.
      tags: value of each tag.
      note: description of the sweep in Markdown.
      experiment_note: description of the experiment in Markdown.
      ranking_csv: content of the artifact `ranking.csv`.
      view: view state of MLflow's page of the sweep, as JSON.
      by_trial: metrics of a search, whose steps are the numbers of its trials; None for other sweeps.
    """

    status: Status
    metrics: dict[str, float]
    tags: dict[str, str]
    note: str
    experiment_note: str
    ranking_csv: str
    view: str
    by_trial: MetricBatch | None = None
