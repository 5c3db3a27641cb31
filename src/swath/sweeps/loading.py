"""What a session needs before it trains, checked and loaded: data sets, the store, TensorFlow."""

import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from swath import execution
from swath.config import ModelConfig, SweepConfig, TrainConfig, computed_values, effective_values
from swath.datasets import DataKey, Dataset, load_dataset, rebuild_dataset, spec_of
from swath.models import model_of
from swath.planning import check_memory
from swath.system import real_uri
from swath.tracking import (
    TRACKING_VARIABLE,
    StoreAddress,
    StoreInfo,
    Tracker,
    check_located,
    check_reachable,
    chosen_experiment,
    default_uri,
    ignored_variables,
    schema,
)


def check_inputs(
    configs: Sequence[TrainConfig], trained: Sequence[TrainConfig], settings: SweepConfig, asks_store: bool
) -> list[DataKey]:
    """Check store, data sets, memory and models, before anything is loaded or written.

    Args:
      configs: the configurations of the command.
      trained: these, and others that are trained.
      settings: of the command.
      asks_store: whether to look at the store.

    Returns:
      The data sets of what is trained.

    Raises:
      SwathError: the store is not reached or is elsewhere, a data set is missing, the memory is too small, or
        a model cannot be created or computed.
    """
    if asks_store:
        uri = store_uri(settings) or default_uri()
        check_located(uri, [chosen_experiment(settings.tracking.experiment)[0]])
        check_reachable(uri)  # images may take minutes to download
    keys = list(dict.fromkeys(config.data.key for config in trained))
    specs = [spec_of(key, settings.data.dir) for key in sorted(keys, key=str)]
    for spec in specs:
        spec.check_available(settings.data.dir)
    check_memory(dict(zip(sorted(keys, key=str), specs, strict=True)), configs)
    _check_models(configs, settings.data.dir)
    return keys


def _check_models(configs: Sequence[TrainConfig], directory: str | None) -> None:
    """Try the models that are not swath's, before anything is stored; loads TensorFlow if there are any.

    Raises:
      SwathError: one cannot be created or computed.
    """
    seeds: dict[tuple[DataKey, ModelConfig], dict[int, TrainConfig]] = {}
    for config in configs:
        if model_of(computed_values(config)).own is not None:
            meant = effective_values(config)
            seeds.setdefault((config.data.key, config.model), {})[meant[schema.INIT_SEED]] = config
    for (key, _), found in seeds.items():
        values, data = computed_values(next(iter(found.values()))), spec_of(key, directory)
        model_of(values).check(values, data.pixels, data.num_classes, data.image_shape, found)


def store_uri(settings: SweepConfig) -> str | None:
    """Address of the store with its password; None for MLflow's default."""
    return real_uri(settings.tracking.uri, os.environ.get(TRACKING_VARIABLE))


def load_datasets(
    keys: Sequence[DataKey], settings: SweepConfig, observer: execution.Observer, loads: str
) -> dict[DataKey, Dataset]:
    """Load data sets; a download has its own progress bar.

    Args:
      keys: which.
      settings: of the command.
      observer: is told what is loaded next, once they are there.
      loads: what that is.
    """
    datasets = {key: load_dataset(key, settings.data.dir) for key in keys}
    observer(execution.Starting(loads))
    return datasets


def open_store(tracker: Tracker, settings: SweepConfig, observer: execution.Observer) -> Future[StoreInfo]:
    """Let a tracker open the store that the settings name; its process prepares it meanwhile."""
    name, identity = chosen_experiment(settings.tracking.experiment)
    artifacts = settings.tracking.artifact_location
    if artifacts is not None and artifacts.startswith("~"):  # a shell expands it only at the beginning
        artifacts = os.path.expanduser(artifacts)  # noqa: PTH111  an address may not be a path
    for line in ignored_variables():
        observer(execution.Note(line))
    return tracker.open(StoreAddress(store_uri(settings), name, artifacts, identity))


def check_digests(
    datasets: dict[DataKey, Dataset], directory: str | None, *, imports_tensorflow: bool
) -> None:
    """Check the digests of images in a thread, while TensorFlow is imported here; damaged ones are rebuilt.

    Args:
      datasets: damaged ones are replaced.
      directory: `data.dir`.
      imports_tensorflow: whether to import it.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="swath-digest") as threads:
        intact = {key: threads.submit(dataset.is_intact) for key, dataset in datasets.items()}
        if imports_tensorflow:
            from swath.execution import ThreadExecutor  # noqa: F401  TensorFlow takes seconds
        for key, answer in intact.items():
            if not answer.result():
                datasets[key] = rebuild_dataset(key, directory)
