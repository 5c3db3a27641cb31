"""Sessions with the trackers that use no store."""

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.small import run_config, sweep_config

from swath.config import DataConfig, SweepConfig, TrainConfig
from swath.errors import SwathError
from swath.execution import Event, RunRequest, RunResult, SweepInfo, ThreadExecutor
from swath.sweeps import Session
from swath.sweeps.manifest import PriorRunsService
from swath.tracking import InMemoryTracker, NullTracker, Tracker, schema
from swath.tracking.mlflow_setup import make_database, sqlite_uri

DIGITS = DataConfig("digits", 150)
CONFIGS = tuple(run_config(learning_rate=rate, max_steps=20, data=DIGITS) for rate in (1e-6, 1e-5))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWATH_CACHE_DIR", str(tmp_path))


def run_all(
    tracker: Tracker,
    configs: tuple[TrainConfig, ...] = CONFIGS,
    settings: SweepConfig | None = None,
    make_executor: Any = None,
) -> list[RunResult]:
    def ignore(event: Event) -> None:
        pass

    info = SweepInfo("rates", "0123456789ab", ("learning_rate",))
    with Session(info, configs, settings or sweep_config(), ignore, tracker, make_executor) as session:
        for future in session.start([RunRequest(config) for config in configs]):
            future.result(timeout=100)
        session.stop()
        return session.close(False)


def test_in_memory_tracker_keeps_every_run_and_the_sweep() -> None:
    tracker = InMemoryTracker()
    results = run_all(tracker)
    assert [result.status for result in results] == ["FINISHED", "FINISHED"]
    assert {result.run_id for result in results} == {run.run_id for run in tracker.runs}
    for run in tracker.runs:
        steps, losses = run.series()[schema.TRAIN_LOSS]
        assert steps.tolist() == list(range(20))
        assert losses[0] == pytest.approx(math.log(10))  # zero weights, ten classes
        assert run.summary is not None and run.summary.status == "FINISHED"
    assert tracker.description is not None and tracker.description.sweep_id == "0123456789ab"
    assert tracker.summary is not None
    assert tracker.summary.tags[schema.BEST_RUN_ID] in {run.run_id for run in tracker.runs}


def test_null_tracker_gives_the_same_results_as_the_in_memory_tracker() -> None:
    kept, discarded = run_all(InMemoryTracker()), run_all(NullTracker())
    assert [result.digest for result in kept] == [result.digest for result in discarded]
    assert {result.run_id for result in discarded} == {""}


def test_resume_without_a_store_is_refused() -> None:
    with pytest.raises(SwathError, match="resume needs a store"):
        run_all(NullTracker(), settings=sweep_config(resume="yes"))
    with pytest.raises(SwathError, match="resume needs a store"):
        InMemoryTracker().call(PriorRunsService.other_runs).result()


def test_trackers_and_typed_calls_do_not_load_mlflow() -> None:
    code = (
        "import sys; from swath.tracking import InMemoryTracker, MlflowTracker, NullTracker, error_line; "
        "print('mlflow' in sys.modules, 'tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"


@pytest.mark.parametrize(
    "modules",
    [
        "swath.cli.launch, swath.searching.stages, swath.sweeps.launching",
        "swath.cli.worker, swath.sweeps.session, swath.sweeps.joining",
        "swath.cli.watch, swath.cli.stop",
        "swath.cli.compare, swath.cli.compare_report",
    ],
)
def test_commands_and_workers_do_not_load_mlflow(modules: str) -> None:
    """Its import is more than a second of a processor, in each worker and before each table."""
    loaded = "[name for name in ('mlflow', 'alembic', 'scipy') if name in sys.modules]"
    code = f"import sys, {modules}; print({loaded})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


STORES_A_RUN = """
import sys
from swath.sweeps.resume_service import ResumeService
from swath.tracking import LotStore, OfflineFallbackStore, RunCalls
import numpy as np
from swath.tracking import DatasetInfo, MetricBatch, RunInfo, RunSummary, StoreAddress, open_reader
store = OfflineFallbackStore()
store.open(StoreAddress("sqlite:///mlflow.db", "swath", None))
data = DatasetInfo("made", "0" * 64, "memory", {})
tags = {"swath.kind": "run"}
run_id = store.start_run(0, RunInfo("a run", {"seed": "0"}, tags, data, "a: 1\\n", "[]\\n"))
values = {"train/accuracy": np.ones(300), "train/loss": np.ones(300)}
store.log_steps(0, MetricBatch(0, values))
store.end_run(0, RunSummary("FINISHED", {"test/accuracy": 0.5}, tags={"swath.bits": "b"}))
store.close()
(curve,) = open_reader("sqlite:///mlflow.db").curves([run_id], ["train/loss"])
print(len(curve.steps), [name for name in ("mlflow", "pandas") if name in sys.modules])
"""


def test_runs_are_stored_without_mlflow(tmp_path: Path) -> None:
    make_database(sqlite_uri(tmp_path / "mlflow.db"))  # MLflow makes the first of its tables
    done = subprocess.run([sys.executable, "-c", STORES_A_RUN], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "300 []\n", done.stderr


def test_tensorflow_is_loaded_without_keras_which_works_afterwards() -> None:
    code = (
        "import sys; from swath.models import tf; tf.constant(1); print('keras' in sys.modules); "
        "from tensorflow.keras.layers import Dense; import keras; "
        "print(issubclass(Dense, keras.layers.Layer), tf.keras.optimizers.SGD is keras.optimizers.SGD)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\nTrue True\n"


def test_session_uses_and_closes_the_given_executor() -> None:
    closed = []

    class Recorded(ThreadExecutor):
        def close(self) -> None:
            closed.append(self)
            super().close()

    results = run_all(InMemoryTracker(), make_executor=Recorded)
    assert [result.status for result in results] == ["FINISHED", "FINISHED"]
    assert len(closed) == 1


def test_executor_protocol_and_runner_do_not_load_tensorflow() -> None:
    code = "import sys; from swath.execution import Executor, Runner; print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
