"""The store of a command: metrics, params, tags and artifacts, read with MLflow's client."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from support.command import IS_CONFIGURATION, swath

from swath.config import FIELDS

HYPERPARAMETERS = {
    name
    for name, spec in FIELDS.items()
    if spec.scope == "identity" and not spec.only_with and not spec.null_means
}
"""Those that every configuration has a value of."""
ARTIFACTS = [
    "config.yaml",
    "confusion.json",
    "environment.txt",
    "overrides.yaml",
    "predictions.npz",
    "weights.npz",
    "weights.png",
]
OVERRIDES = ["data=digits", "batch_size=50", "max_steps=30", "data.validation_size=300"]


@dataclass(frozen=True)
class CompletedCommand:
    """The folder of a completed command, and what it printed to standard output and standard error."""

    folder: Path
    output: str
    errors: str

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(tracking_uri=f"sqlite:///{self.folder}/mlflow.db")

    @property
    def runs(self) -> list[Run]:
        experiment = self.client.get_experiment_by_name("swath")
        assert experiment is not None
        return list(
            self.client.search_runs([experiment.experiment_id], IS_CONFIGURATION, order_by=["start_time"])
        )

    def history(self, run: Run, metric: str) -> list[tuple[int, float]]:
        values = self.client.get_metric_history(run.info.run_id, metric)
        return sorted((value.step, value.value) for value in values)

    def artifact(self, run: Run, name: str) -> Path:
        (path,) = (self.folder / "mlruns").glob(f"*/{run.info.run_id}/artifacts/{name}")
        return path


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> CompletedCommand:
    folder = tmp_path_factory.mktemp("single")
    done = swath(folder, *OVERRIDES, "learning_rate=1e-6", "evaluate_every_steps=10")
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("See it: ")
    return CompletedCommand(folder, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> CompletedCommand:
    """Three configurations, the second of which diverges immediately."""
    folder = tmp_path_factory.mktemp("grid")
    done = swath(folder, "-m", *OVERRIDES, "learning_rate=1e-7,1e36,1e-6")
    assert done.returncode == 1, done.stderr
    return CompletedCommand(folder, done.stdout, done.stderr)


def test_every_step_is_stored_once(single: CompletedCommand) -> None:
    (run,) = single.runs
    for metric in ("train/accuracy", "train/loss"):
        assert [step for step, _ in single.history(run, metric)] == list(range(30))


def test_validation_metrics_have_a_curve_if_evaluated_during_training(single: CompletedCommand) -> None:
    (run,) = single.runs
    for metric in ("validation/accuracy", "validation/loss"):
        assert [step for step, _ in single.history(run, metric)] == [10, 20, 30]


def test_single_values_are_stored_once(single: CompletedCommand) -> None:
    (run,) = single.runs
    runtimes = {f"runtime/{part}_s" for part in ("train", "group", "evaluate", "track", "total")}
    names = {"test/accuracy", "test/loss", "runtime/lanes", *runtimes}
    for metric in names:
        assert len(single.history(run, metric)) == 1
    assert set(run.data.metrics) == names | {
        "train/accuracy",
        "train/loss",
        "validation/accuracy",
        "validation/loss",
    }


def test_params_are_exactly_the_hyperparameters(single: CompletedCommand) -> None:
    (run,) = single.runs
    assert set(run.data.params) == HYPERPARAMETERS | {"log10 learning_rate"}
    assert (run.data.params["learning_rate"], run.data.params["log10 learning_rate"]) == ("1e-06", "-6")
    assert {"batch_size", "learning_rate", "max_steps", "seed"} < set(run.data.params)


def test_tags_contain_the_provenance(single: CompletedCommand) -> None:
    (run,) = single.runs
    tags = run.data.tags
    assert tags["mlflow.runName"] == "50 1e-06 30 (batch_size learning_rate max_steps)"
    assert tags["swath.kind"] == "run"
    assert tags["swath.sweep"] == "single"
    assert json.loads(tags["swath.overrides"]) == [
        *OVERRIDES,
        "learning_rate=1e-6",
        "evaluate_every_steps=10",
    ]
    expected = "sweep_id fingerprint data_digest host commit dirty tensorflow numpy mlflow version cpu onednn"
    assert {f"swath.{name}" for name in (*expected.split(), "cpu_instruction_sets")} <= set(tags)
    hidden = "lane config_schema files cpu_count intra_op_threads inter_op_threads device"
    hidden += " pid pid_start tracker_pid tracker_pid_start"
    assert {f"mlflow.swath.{name}" for name in hidden.split()} <= set(tags), (
        "MLflow's page does not show them"
    )
    assert {f"swath.{name}" for name in hidden.split()} & set(tags) == set()


def test_data_set_is_logged_as_an_input_with_its_digest(single: CompletedCommand) -> None:
    (run,) = single.runs
    (given,) = run.inputs.dataset_inputs
    assert given.dataset.name == "digits"
    assert run.data.tags["swath.data_digest"].startswith(given.dataset.digest)


def test_run_has_all_artifacts(single: CompletedCommand) -> None:
    (run,) = single.runs
    assert sorted(entry.path for entry in single.client.list_artifacts(run.info.run_id)) == ARTIFACTS


def test_stored_weights_give_the_stored_predictions(single: CompletedCommand) -> None:
    from swath.datasets import load_dataset

    (run,) = single.runs
    stored = np.load(single.artifact(run, "weights.npz"))
    assert stored["weights"].shape == (3072, 10)
    assert stored["weights"].dtype == stored["biases"].dtype == np.float32
    images = load_dataset("digits").test_images.astype(np.float32)
    logits = (images - stored["shift"]) @ stored["weights"] + stored["biases"]
    predicted = np.load(single.artifact(run, "predictions.npz"))
    assert predicted["validation"].shape == (300,)
    assert predicted["test"].dtype == np.uint8
    assert (logits.argmax(axis=1) == predicted["test"]).mean() > 0.99  # the order of summation differs


def test_confusion_matrix_counts_the_test_images(single: CompletedCommand) -> None:
    (run,) = single.runs
    confusion = json.loads(single.artifact(run, "confusion.json").read_text(encoding="utf-8"))
    counts = np.array(confusion["counts"])
    predicted = np.load(single.artifact(run, "predictions.npz"))["test"]
    assert counts.sum() == len(predicted)
    assert np.trace(counts) / counts.sum() == pytest.approx(run.data.metrics["test/accuracy"])
    assert len(confusion["classes"]) == 10


def test_environment_lists_packages_without_local_paths(single: CompletedCommand) -> None:
    (run,) = single.runs
    lines = single.artifact(run, "environment.txt").read_text(encoding="utf-8").splitlines()
    assert any(line.startswith("tensorflow==") for line in lines)
    assert [line for line in lines if "/" in line or "@" in line] == []


def test_run_from_a_stored_config_is_bit_identical(single: CompletedCommand, tmp_path: Path) -> None:
    (run,) = single.runs
    done = swath(tmp_path, "--config-dir", str(single.artifact(run, "config.yaml").parent), "-cn", "config")
    assert done.returncode == 0, done.stderr
    again = CompletedCommand(tmp_path, done.stdout, done.stderr)
    (repeated,) = again.runs
    assert repeated.data.tags["swath.fingerprint"] == run.data.tags["swath.fingerprint"]
    for name in ("weights.npz", "predictions.npz", "config.yaml"):
        assert again.artifact(repeated, name).read_bytes() == single.artifact(run, name).read_bytes()
    for metric in ("train/accuracy", "train/loss", "validation/loss", "test/accuracy", "test/loss"):
        assert again.history(repeated, metric) == single.history(run, metric)


def test_divergence_fails_only_its_own_run(grid: CompletedCommand) -> None:
    assert [run.info.status for run in grid.runs] == ["FINISHED", "FAILED", "FINISHED"]
    failed = grid.runs[1]
    assert failed.data.tags["swath.error"].startswith("diverged at step 1: loss is ")
    assert [step for step, _ in grid.history(failed, "train/loss")] == [0, 1]
    assert "FAILED learning_rate=1e+36: diverged at step 1" in grid.errors
    assert "2 of 3 runs finished" in grid.errors
    assert "FAILED" not in grid.output


def test_runs_of_a_grid_share_a_sweep_id(grid: CompletedCommand) -> None:
    for run in grid.runs:
        assert "mlflow.parentRunId" not in run.data.tags
        assert run.data.tags["swath.sweep"] == "ad-hoc"
        assert run.data.tags["swath.swept"] == "learning_rate"
    assert len({run.data.tags["swath.sweep_id"] for run in grid.runs}) == 1
    assert grid.runs[0].data.tags["swath.sweep_id"] in grid.errors


def test_printed_table_contains_the_stored_values(grid: CompletedCommand) -> None:
    finished = [run for run in grid.runs if run.info.status == "FINISHED"]
    best = max(finished, key=lambda run: run.data.metrics["validation/accuracy"])
    (row,) = [line.split() for line in grid.output.splitlines() if line.strip().startswith("1 ")]
    assert row[1] == best.data.params["learning_rate"]
    assert row[2] == f"{best.data.metrics['validation/accuracy']:.4f}"
    assert row[4] == f"{best.data.metrics['test/accuracy']:.4f}"
    assert row[-1] == best.info.run_id
    assert len(grid.output.splitlines()) == 1 + len(finished)


def test_answer_names_the_best_run_with_its_stored_values(grid: CompletedCommand) -> None:
    finished = [run for run in grid.runs if run.info.status == "FINISHED"]
    best = max(finished, key=lambda run: run.data.metrics["validation/accuracy"])
    (line,) = [line for line in grid.errors.splitlines() if line.startswith("Best: ")]
    assert line.startswith(f"Best: learning_rate={best.data.params['learning_rate']}: validation ")
    assert f" {best.data.metrics['validation/accuracy']:.3f} (" in line
    assert line.endswith(f", test {best.data.metrics['test/accuracy']:.3f}, run {best.info.run_id[:8]}")
    see_it, more = grid.errors.splitlines()[-2:]
    sweep_id = best.data.tags["swath.sweep_id"]
    assert see_it.startswith("See it: ") and f"viewStateShareKey={sweep_id}&" in see_it
    assert more.startswith("More: ") and more.endswith(f"swath-compare {sweep_id}")


def test_tracking_settings_select_the_store(tmp_path: Path) -> None:
    stores = ["tracking.uri=sqlite:///here.db", "tracking.artifact_location=kept", "tracking.experiment=mine"]
    done = swath(tmp_path, "data=digits", "max_steps=2", *stores)
    assert done.returncode == 0, done.stderr
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/here.db")
    experiment = client.get_experiment_by_name("mine")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert (tmp_path / "kept" / run.info.run_id / "artifacts" / "weights.npz").exists()
    assert not (tmp_path / "mlflow.db").exists()
