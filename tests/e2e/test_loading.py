"""Loading sweeps, curves and weights in Python, and the example script."""

import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient
from support.command import IS_CONFIGURATION, swath, swath_compare

import swath as package
from swath import compare, load_curves, load_sweep, load_weights
from swath.cli.formats import as_csv
from swath.errors import SwathError, UsageError

README = Path(__file__).resolve().parents[2] / "README.md"
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "best_learning_rate.py"
COUNT = 12
DIVERGES = ("-m", "data=digits", "max_steps=20", "batch_size=20", "learning_rate=1e-6,1e36")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loading")
    assert swath(folder, "-cn", "quickstart").returncode == 0
    assert swath(folder, *DIVERGES).returncode == 1
    return folder


@pytest.fixture(scope="module")
def uri(folder: Path) -> str:
    return f"sqlite:///{folder}/mlflow.db"


def test_loaded_sweep_is_a_table_with_typed_columns(uri: str) -> None:
    table = load_sweep("quickstart", uri)
    assert len(table) == COUNT
    kinds = {name: str(table[name].dtype) for name in table.columns}
    assert kinds["batch_size"] == kinds["max_steps"] == kinds["seed"] == "int64"
    assert kinds["learning_rate"] == kinds["validation/accuracy"] == kinds["runtime/train_s"] == "float64"
    assert kinds["started"].startswith("datetime64") and kinds["started"].endswith("UTC]")
    client = MlflowClient(uri)
    for row in table.to_dict("records"):
        run = client.get_run(row["run_id"])
        assert (row["status"], row["name"]) == (run.info.status, run.info.run_name)
        assert row["learning_rate"] == float(run.data.params["learning_rate"])
        assert {name: row[name] for name in run.data.metrics} == run.data.metrics


def test_missing_metric_is_nan(uri: str) -> None:
    table = load_sweep("ad-hoc", uri).set_index("learning_rate")
    assert table.loc[1e36, "status"] == "FAILED"
    assert np.isnan(table.loc[1e36, "test/accuracy"])
    assert table.loc[1e-6, "test/accuracy"] > 0


def test_comparison_equals_the_output_of_the_command(uri: str, folder: Path) -> None:
    done = swath_compare(folder, "quickstart", "--where", "max_steps == 200", "--format", "csv")
    assert done.returncode == 0, done.stderr
    table = compare("quickstart", where="max_steps == 200", uri=uri)
    assert set(table["store"]) == {uri}
    assert as_csv(table.assign(store="sqlite:///mlflow.db")) == done.stdout
    read = pd.read_csv(io.StringIO(done.stdout))
    assert (set(read["sweep"]), set(read["store"])) == ({"quickstart"}, {"sqlite:///mlflow.db"})
    assert table["rank"].tolist() == list(range(1, 7))
    by_loss = compare("quickstart", "test/loss", uri=uri)
    assert by_loss["test/loss"].is_monotonic_increasing
    assert compare("ad-hoc", where="learning_rate == 1e36", uri=uri)["rank"].isna().all()
    with pytest.raises(SwathError, match="no run has it"):
        compare("quickstart", "accuracy", uri=uri)


def test_dir_lists_the_public_names() -> None:
    loads = {"compare", "load_curves", "load_sweep", "load_weights"}
    assert {"SweepResult", "interval", "reproduce", "run", "search", "sweep", "__version__"} | loads == set(
        dir(package)
    )
    assert all(getattr(package, name) for name in dir(package))
    with pytest.raises(AttributeError, match="module 'swath' has no attribute 'nothing'"):
        _ = package.nothing  # type: ignore[attr-defined]


def test_python_m_swath_behaves_like_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "swath"]
    options = {"cwd": tmp_path, "capture_output": True, "text": True, "check": False}
    version = subprocess.run([*command, "--version"], **options)  # type: ignore[call-overload]
    assert version.stdout == f"swath {package.__version__}\n"
    planned = subprocess.run([*command, "-cn", "quickstart", "dry_run=true"], **options)  # type: ignore[call-overload]
    assert planned.returncode == 0, planned.stderr
    assert planned.stderr.startswith("12 configurations, trained as ")
    assert planned.stdout.splitlines()[0].split()[:3] == ["job", "batch_size", "learning_rate"]


def test_curves_equal_those_of_mlflow(uri: str) -> None:
    curves = load_curves("quickstart", uri=uri)
    assert list(curves.columns) == ["run_id", "step", "metric", "value"]
    assert set(curves["metric"]) == {"train/accuracy", "train/loss"}
    client = MlflowClient(uri)
    runs = client.search_runs(["1"], f"{IS_CONFIGURATION} AND tags.`swath.sweep` = 'quickstart'")
    assert set(curves["run_id"]) == {run.info.run_id for run in runs}
    run_id = runs[0].info.run_id
    for metric in ("train/accuracy", "train/loss"):
        history = sorted(client.get_metric_history(run_id, metric), key=lambda entry: entry.step)
        found = load_curves([run_id], [metric], uri)
        assert found["step"].tolist() == [entry.step for entry in history]
        assert found["value"].tolist() == [entry.value for entry in history]


def test_curves_of_an_unknown_metric_are_a_mistake(uri: str) -> None:
    with pytest.raises(UsageError, match="metric 'nothing': no run has values of it"):
        load_curves("quickstart", ["nothing"], uri)


def test_curves_of_a_metric_that_no_run_has_are_an_empty_table(uri: str) -> None:
    curves = load_curves("quickstart", ["system/cpu_utilization_percentage"], uri)
    assert isinstance(curves, pd.DataFrame)
    assert curves.empty
    assert [str(kind) for kind in curves.dtypes] == ["object", "int64", "object", "float64"]
    assert list(curves.columns) == ["run_id", "step", "metric", "value"]


def test_curves_of_a_run_are_found_by_a_prefix_of_its_id(uri: str) -> None:
    run_id = load_sweep("quickstart", uri)["run_id"].iloc[0]
    once = load_curves([run_id[:20], run_id[:20]], "train/loss", uri)
    assert once["run_id"].unique().tolist() == [run_id]
    assert once["metric"].unique().tolist() == ["train/loss"]
    assert once["step"].is_unique
    with pytest.raises(SwathError, match="no run 0000 in this store"):
        load_curves(["0000"], uri=uri)


def test_loaded_weights_are_those_of_the_run(uri: str, folder: Path) -> None:
    run_id = load_sweep("quickstart", uri)["run_id"].iloc[0]
    weights = load_weights(run_id, uri)
    with np.load(folder / "mlruns" / "1" / run_id / "artifacts" / "weights.npz") as stored:
        np.testing.assert_array_equal(weights.weights, stored["weights"])
        np.testing.assert_array_equal(weights.biases, stored["biases"])
        np.testing.assert_array_equal(weights.shift, stored["shift"])
    assert weights.weights.dtype == np.float32
    assert weights.weights.shape == (3072, 10)


def test_missing_weights_are_reported(uri: str) -> None:
    failed = load_sweep("ad-hoc", uri).set_index("learning_rate").loc[1e36, "run_id"]
    with pytest.raises(SwathError, match=f"run {failed}: weights.npz cannot be read"):
        load_weights(failed, uri)


def test_unknown_sweep_suggests_the_nearest_name(uri: str) -> None:
    with pytest.raises(SwathError, match="nearest: quickstart"):
        load_sweep("quickstat", uri)


def test_python_code_of_the_readme_runs(folder: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    code += "\nprint(len(result.runs), len(curves))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "36 10800\n"


def test_example_script_runs(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLE)], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["batch_size", "learning_rate", "max_steps", "validation/accuracy"]
    assert [line.split()[0] for line in lines[1:3]] == ["50", "100"]
    assert sum("first had nine of ten" in line for line in lines) == 2
    assert lines[-1] == "weights (3072, 10) float32"
