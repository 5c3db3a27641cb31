"""Experiments, runs and summary runs through MLflow's client."""

import contextlib
import hashlib
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from swath.errors import UsageError
from swath.system import atomic_write
from swath.tracking import schema
from swath.tracking.address import StoreAddress
from swath.tracking.artifacts import artifact_folder
from swath.tracking.format import former_names
from swath.tracking.mlflow_setup import database_file
from swath.tracking.provenance import is_alive
from swath.tracking.run_records import MetricBatch, RunInfo, Status
from swath.tracking.stored_runs import OPEN_STATUSES, StoredRun
from swath.tracking.sweep_records import STILL_RUNNING, SweepDescription, SweepSummary
from swath.tracking.ui_urls import sweep_filter

FindBest = Callable[[Sequence[Mapping[str, float]], Sequence[Mapping[str, str]], str | None], tuple[int, str]]
"""(metrics of finished runs, their params, the metric that ranks or None) -> index of the best, metric."""


LARGEST_BATCH = 1_000
"""Most metrics that MLflow accepts in one call."""


END_TAGS = (schema.ERROR, schema.BITS, schema.FILES, schema.TRAIN_ACCURACY_TAG)
"""Tags that are set when a run ends by itself."""


def experiment_id(client: MlflowClient, address: StoreAddress) -> str:
    """The id of the experiment of an address; the experiment is created if it does not exist.

    Raises:
      UsageError: the experiment has been deleted, or its artifact location is another one.
      MlflowException: the store cannot be used.
    """
    if address.experiment_id is None:
        found = client.get_experiment_by_name(address.experiment)
    else:
        try:
            found = client.get_experiment(address.experiment_id)
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            raise UsageError(
                f"MLFLOW_EXPERIMENT_ID={address.experiment_id}: the store has no such experiment; unset it, "
                "or choose one by its name: tracking.experiment=NAME"
            ) from error
    database = database_file(client.tracking_uri)
    home = {} if database is None else {schema.DATABASE: str(database)}
    if found is None:
        try:
            created: str = client.create_experiment(
                address.experiment,
                artifact_location=address.artifacts,
                # The page opens on model training instead of on traces of language models.
                tags={schema.EXPERIMENT_KIND: "custom_model_development", **home},
            )
            return created
        except MlflowException:
            # Another process has created it meanwhile, or the store is not writable.
            found = client.get_experiment_by_name(address.experiment)
            if found is None:
                raise
    if found.lifecycle_stage != "active":
        raise UsageError(
            f"the experiment {address.experiment!r} has been deleted in this store; restore it with: "
            f"mlflow experiments restore --experiment-id {found.experiment_id}, or choose another: "
            "tracking.experiment=NAME"
        )
    if address.artifacts is not None and _resolved(address.artifacts) != _resolved(found.artifact_location):
        raise UsageError(
            f"the experiment {address.experiment!r} keeps its artifacts in {found.artifact_location}, "
            f"not in {address.artifacts}; leave tracking.artifact_location out, or choose another: "
            "tracking.experiment=NAME"
        )
    existing: str = found.experiment_id
    for name, value in home.items():
        if found.tags.get(name) != value:
            client.set_experiment_tag(existing, name, value)
    return existing


def _resolved(location: str) -> str:
    if "://" in location and not location.startswith("file://"):
        return location.rstrip("/")
    return str(Path(location.removeprefix("file://")).resolve())


def describe(client: MlflowClient, run_id: str, info: RunInfo) -> None:
    """Log a run's params and its data set. Logging them twice changes nothing."""
    client.log_batch(run_id, params=[Param(*entry) for entry in schema.with_logarithms(info.params).items()])
    dataset = Dataset(
        name=info.dataset.name,
        digest=info.dataset.digest[:32],
        source_type="swath",
        source=json.dumps({"source": info.dataset.source}),
        profile=json.dumps({**info.dataset.images, "sha256": info.dataset.digest}),
    )
    client.log_inputs(run_id, [DatasetInput(dataset, [InputTag(schema.DATA_CONTEXT, "training")])])


def log_in_batches(
    client: MlflowClient,
    run_id: str,
    batches: Sequence[MetricBatch],
    steps_from_ms: int | None = None,
    tags: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Log values of per-step metrics through MLflow's own call.

    Args:
      client: client of the store.
      run_id: MLflow's id of the run.
      batches: the values.
      steps_from_ms: see `steps_from`.
      tags: tags that are set with the last values.
    """
    stored_ms = now_ms()
    metrics = [
        Metric(name, value, stored_ms if steps_from_ms is None else steps_from_ms + step, step)
        for batch in batches
        for name, values in batch.values.items()
        for step, value in zip(itertools.count(batch.first_step, batch.every), values.tolist(), strict=False)
    ]
    parts = [metrics[first : first + LARGEST_BATCH] for first in range(0, len(metrics), LARGEST_BATCH)]
    last = parts.pop() if parts else []
    for part in parts:
        client.log_batch(run_id, part)
    if last or tags:
        client.log_batch(run_id, last, tags=run_tags(tags))


def steps_from(run: Run) -> int | None:
    """The time of step 0 in a run whose step n is stored with the time n ms later, in ms since 1970.

    None for runs of earlier versions, and of stores that can fence: the time is that of storing.
    """
    start_ms: int = run.info.start_time
    return start_ms if run.data.tags.get(schema.STEP_TIMES) == schema.FROM_START else None


def now_ms() -> int:
    """The time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def run_tags(tags: Mapping[str, str]) -> list[RunTag]:
    """Tags as MLflow's entities."""
    return [RunTag(name, value) for name, value in tags.items()]


def set_tag(uri: str, run_id: str, name: str, value: str) -> None:
    """Set a tag of a run of the store at `uri`."""
    MlflowClient(tracking_uri=uri).set_tag(run_id, name, value)


def reopened(run: Run, info: RunInfo, common_tags: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The tags of an interrupted run that goes on, and the names of those that it loses.

    Params and data set are kept. The tags are those of the process that trains it now.
    """
    resumed = int(run.data.tags.get(schema.RESUMED, "0")) + 1
    others = () if schema.RUN_LOT in info.tags else (schema.RUN_LOT, schema.LOTS_ARITHMETIC)
    gone = [*END_TAGS, *former_names(schema.FILES), *others]
    return {**common_tags, **info.tags, schema.RESUMED: str(resumed)}, gone


def reopen(client: MlflowClient, run: Run, tags: Mapping[str, str], gone: Sequence[str]) -> None:
    """Set an interrupted run to RUNNING through MLflow's own calls."""
    run_id = run.info.run_id
    client.log_batch(run_id, tags=run_tags(tags))
    client.update_run(run_id, status="RUNNING")  # after the tags: `close_stale` must not see a dead process
    for name in gone:
        if name in run.data.tags:
            client.delete_tag(run_id, name)


def last_steps(run: Run) -> dict[str, int]:
    """The last stored step of each metric of a run."""
    return {metric.key: metric.step for metric in run.data._metric_objs}


class SummaryRun:
    """The summary run of a sweep; creating the object starts or resumes it.

    Attributes:
      run_id: MLflow's id of the run.
    """

    def __init__(
        self,
        client: MlflowClient,
        experiment_id: str,
        description: SweepDescription,
        environment: Mapping[str, str],
        run_id: str | None = None,
        find_best: FindBest | None = None,
    ) -> None:
        self._client = client
        self._find_best = find_best
        self._experiment_id = experiment_id
        content = description.files[schema.MANIFEST_FILE].encode()
        digests = {schema.MANIFEST_FILE: hashlib.sha256(content).hexdigest()}
        tags = {**environment, **description.tags, schema.KIND: "sweep", schema.NOTE: description.note}
        tags[schema.FILES] = json.dumps(digests)
        self._known: dict[str, float] = {}
        self._last_steps: dict[str, int] = {}
        self._resumed = 0
        if run_id is None:
            run = client.create_run(
                experiment_id, start_time=description.start_ms, run_name=description.name, tags=tags
            )
        else:
            run = client.get_run(run_id)
            self._known, self._last_steps = run.data.metrics, last_steps(run)
            self._resumed = int(run.data.tags.get(schema.RESUMED, "0")) + 1
            client.log_batch(run_id, tags=run_tags({**tags, schema.RESUMED: str(self._resumed)}))
            client.update_run(run_id, status="RUNNING")
        self.run_id: str = run.info.run_id
        self._artifact_uri: str = run.info.artifact_uri
        self.write_files(description.files)
        self._view_tag = f"{schema.SHARED_VIEW_PREFIX}{description.sweep_id}"
        client.set_experiment_tag(experiment_id, self._view_tag, description.view)
        self._describe_experiment(description.experiment_note)

    @classmethod
    def of_stored(cls, client: MlflowClient, run_id: str) -> "SummaryRun":
        """The summary run that another process has started."""
        found = cls.__new__(cls)
        run = client.get_run(run_id)
        found._client, found._find_best = client, None
        found._experiment_id = run.info.experiment_id
        found._known, found._last_steps = run.data.metrics, last_steps(run)
        found._resumed = int(run.data.tags.get(schema.RESUMED, "0"))
        found.run_id, found._artifact_uri = run_id, run.info.artifact_uri
        found._view_tag = f"{schema.SHARED_VIEW_PREFIX}{run.data.tags[schema.SWEEP_ID]}"
        return found

    def write_files(self, texts: Mapping[str, str]) -> None:
        """Write artifacts, each as a whole or not at all."""
        with artifact_folder(self._client, self._artifact_uri) as folder:
            for name, text in texts.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                atomic_write(folder / name, text)

    def end(self, summary: SweepSummary) -> None:
        """Store the outcome of the sweep and end the run.

        Raises:
          MlflowException, OSError: the outcome could not be stored.
        """
        self.write_files({schema.RANKING_FILE: summary.ranking_csv})
        timestamp_ms = now_ms()
        self._client.log_batch(
            self.run_id,
            # The step counts resumes, so that a better run found later is a later value.
            metrics=[
                Metric(name, value, timestamp_ms, self._resumed)
                for name, value in summary.metrics.items()
                if self._known.get(name) != value
            ],
            tags=run_tags({**summary.tags, schema.NOTE: summary.note}),
        )
        # A resumed search begins with the same trials.
        if summary.by_trial is not None:
            log_in_batches(self._client, self.run_id, summary.by_trial.after(self._last_steps))
        self._client.set_experiment_tag(self._experiment_id, self._view_tag, summary.view)
        self._describe_experiment(summary.experiment_note)
        self._client.set_terminated(self.run_id, summary.status)

    def abort(self, status: Status) -> None:
        """End the run with the counts and the best run so far."""
        end_interrupted(self._client, self.run_id, status, self._find_best)

    def _describe_experiment(self, note: str) -> None:
        tags = self._client.get_experiment(self._experiment_id).tags
        if tags.get(schema.NOTE) in (None, "", tags.get(schema.OWN_NOTE)):  # keep a note that a user edited
            for name in (schema.NOTE, schema.OWN_NOTE):
                self._client.set_experiment_tag(self._experiment_id, name, note)


def end_interrupted(
    client: MlflowClient, run_id: str, status: Status, find_best: FindBest | None = None
) -> None:
    """End the summary run of an interrupted sweep with its counts and its best run so far.

    Args:
      client: client of the store.
      run_id: id of the summary run.
      status: MLflow's run status.
      find_best: chooses the best finished run; None to record none.
    """
    with contextlib.suppress(MlflowException):  # the status matters more
        summary_run = client.get_run(run_id)
        _summarize(client, summary_run, runs_of(client, summary_run), find_best)
    client.set_terminated(run_id, status)


def _summarize(
    client: MlflowClient, summary_run: Run, runs: Sequence[Run], find_best: FindBest | None
) -> None:
    known = summary_run.data.tags
    counts = Counter(run.info.status for run in runs)
    sentence = f"Interrupted: {counts['FINISHED']} of {known.get(schema.ASKED_FOR, '?')} finished."
    tags = {tag: str(counts[status]) for status, tag in schema.COUNTS.items()}
    metrics = []
    finished = [run for run in runs if run.info.status == "FINISHED"]
    if finished and find_best is not None:
        index, metric = find_best(
            [run.data.metrics for run in finished],
            [run.data.params for run in finished],
            known.get(schema.RANKED_BY),
        )
        best = finished[index]
        tags |= {schema.BEST_RUN_ID: best.info.run_id, schema.RANKED_BY: metric}
        single = {name: value for name, value in best.data.metrics.items() if not schema.is_per_step(name)}
        timestamp_ms, resumed = now_ms(), int(known.get(schema.RESUMED, "0"))
        metrics = [Metric(schema.best(name), value, timestamp_ms, resumed) for name, value in single.items()]
    tags[schema.NOTE] = known.get(schema.NOTE, "").replace(STILL_RUNNING, sentence)
    client.log_batch(summary_run.info.run_id, metrics=metrics, tags=run_tags(tags))
    experiment = client.get_experiment(summary_run.info.experiment_id).tags
    if experiment.get(schema.NOTE) == experiment.get(schema.OWN_NOTE):
        for name in (schema.NOTE, schema.OWN_NOTE):
            note = experiment.get(name, "").replace(STILL_RUNNING, sentence)
            client.set_experiment_tag(summary_run.info.experiment_id, name, note)


def runs_of(client: MlflowClient, summary_run: Run) -> list[Run]:
    """The runs of the configurations of a sweep."""
    found: list[Run] = []
    condition, token = sweep_filter(summary_run.data.tags.get(schema.SWEEP_ID, "")), None
    while True:
        page = client.search_runs([summary_run.info.experiment_id], condition, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def is_watched(tags: Mapping[str, str]) -> bool:
    """Whether an engine watches those who train a run or sweep, so that their processes say nothing."""
    return schema.RUN_LOT in tags or any(name.startswith(schema.LOT) for name in tags)


def close_stale(uri: str, runs: Iterable[StoredRun], find_best: FindBest | None = None) -> list[StoredRun]:
    """End runs as KILLED whose processes on this machine have died; returns them.

    Runs of living processes, of other machines and of other programs are left alone.

    Args:
      uri: address of the store.
      runs: runs to check.
      find_best: chooses the best finished run of a sweep; None to record none.
    """
    stale = [
        run
        for run in runs
        if run.status in OPEN_STATUSES
        and schema.PID in run.tags
        and not (is_watched(run.tags) or is_alive(run.tags))
    ]
    stale.sort(key=lambda run: run.tags.get(schema.KIND) == "sweep")  # a summary run counts the others
    client, closed = MlflowClient(tracking_uri=uri), []
    for run in stale:
        status = client.get_run(run.run_id).info.status  # it may have ended since it was read
        if status not in OPEN_STATUSES:
            continue
        closed.append(run)
        if run.tags.get(schema.KIND) == "sweep":
            end_interrupted(client, run.run_id, "KILLED", find_best)
            continue
        client.set_tag(run.run_id, schema.ERROR, "its process has died")
        client.set_terminated(run.run_id, "KILLED")
    return closed
