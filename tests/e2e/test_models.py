"""The weights of a run as an MLflow model: what it predicts, where it loads, how it is served."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import mlflow
import numpy as np
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from numpy.typing import NDArray
from support.command import CONFIGURATIONS, swath, swath_reproduce
from support.server import free_port, mlflow_server

from swath.app.search_path import primary_configs
from swath.data import load_dataset

LARGEST_GAP = 1e-5
"""Difference between the two largest logits below which two ways to add up may disagree about the class."""

BUNDLED = sorted(set(primary_configs(())) - {"config"})

ALONE = """
import sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("swath", "tensorflow"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, NotInstalled())
import mlflow
import numpy as np
model = mlflow.pyfunc.load_model(sys.argv[1])
print(list(model.predict(np.zeros([1, 32, 32, 3], np.uint8)).columns))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep with what follows it."""
    folder = tmp_path_factory.mktemp("models")
    done = swath(folder, "-cn", "quickstart", SWATH_AFTERWARDS="wait")
    assert done.returncode == 0, done.stderr
    return folder


def store_of(folder: Path) -> str:
    return f"sqlite:///{folder}/mlflow.db"


def best_run(folder: Path) -> Run:
    client = MlflowClient(store_of(folder))
    experiment = client.get_experiment_by_name("swath")
    (own,) = client.search_runs([experiment.experiment_id], "tags.`swath.kind` = 'sweep'")
    return client.get_run(own.data.tags["swath.best_run_id"])


def file_of(run: Run, name: str) -> Any:
    return np.load(Path(run.info.artifact_uri.removeprefix("file://")) / name)


@contextlib.contextmanager
def using(folder: Path) -> Iterator[None]:
    """MLflow reads a model's entry from the store that is set for the process, whatever the client's is."""
    mlflow.set_tracking_uri(store_of(folder))
    try:
        yield
    finally:
        mlflow.set_tracking_uri(None)


def load_model(run: Run, folder: Path) -> Any:
    with using(folder):
        return mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")


def assert_same_classes(predicted: NDArray[Any], run: Run, images: NDArray[np.uint8]) -> None:
    """Classes as `predictions.npz` has them, but where the two best are as good as equal."""
    stored = file_of(run, "predictions.npz")["test"]
    others = np.flatnonzero(predicted != stored)
    with file_of(run, "weights.npz") as arrays:
        pixels = (images[others].astype(np.float64) - arrays["shift"]) * arrays.get("scale", 1)
        logits = np.sort(pixels @ arrays["weights"].astype(np.float64) + arrays["biases"], axis=1)
    assert (logits[:, -1] - logits[:, -2] < LARGEST_GAP).all()


@pytest.mark.parametrize("sweep", BUNDLED)
def test_best_model_of_every_bundled_sweep_predicts_what_the_run_predicted(
    sweep: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    cifar10_dir = None if sweep == "quickstart" else request.getfixturevalue("cifar10_dir")
    given = {} if cifar10_dir is None else {"SWATH_DATA_DIR": str(cifar10_dir)}
    done = swath(tmp_path, "-cn", sweep, SWATH_AFTERWARDS="wait", **given)
    assert done.returncode == 0, done.stderr
    run = best_run(tmp_path)
    dataset = load_dataset("digits" if cifar10_dir is None else "cifar10", cifar10_dir and str(cifar10_dir))
    images = dataset.test_images
    table = load_model(run, tmp_path).predict(images)
    names = list(table.columns[1:])
    predicted = np.array([names.index(name) for name in table["class_name"]])
    assert names == list(dataset.class_names)
    assert_same_classes(predicted, run, images)
    probabilities = table[names].to_numpy()
    np.testing.assert_array_equal(probabilities.argmax(axis=1), predicted)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert_every_run_can_be_had_again(sweep, tmp_path, given)


def assert_every_run_can_be_had_again(sweep: str, folder: Path, given: dict[str, str]) -> None:
    """No run of a bundled sweep is said to differ."""
    done = swath_reproduce(folder, "--sweep", sweep, **given)
    verdicts = [line.split("  ")[1] for line in done.stdout.splitlines()]
    assert verdicts == ["identical, bit for bit"] * len(verdicts), done.stdout
    assert len(verdicts) >= 12
    assert done.returncode == 0


def test_only_the_best_run_has_a_model(folder: Path) -> None:
    client = MlflowClient(store_of(folder))
    (model,) = client.search_logged_models(["1"])
    assert model.source_run_id == best_run(folder).info.run_id
    assert (model.name, str(model.status)) == ("model", "READY")
    with using(folder):
        with_files = [
            run.info.run_id
            for run in client.search_runs(["1"], CONFIGURATIONS)
            if client.list_artifacts(run.info.run_id, "model")
        ]
    assert with_files == [model.source_run_id]


def test_images_go_in_as_pictures_or_as_rows(folder: Path) -> None:
    model = load_model(best_run(folder), folder)
    rows = load_dataset("digits", None).test_images[:7]
    pictures = rows.reshape(7, 3, 32, 32).transpose(0, 2, 3, 1)
    assert model.predict(rows).equals(model.predict(pictures))


def test_model_says_what_goes_in_and_comes_out(folder: Path) -> None:
    with using(folder):
        info = mlflow.models.get_model_info(best_run(folder).info.artifact_uri + "/model")
    assert info.signature is not None
    assert info.signature.outputs.input_names() == ["class_name", *(str(digit) for digit in range(10))]
    assert info.saved_input_example_info is not None
    required = (
        Path(best_run(folder).info.artifact_uri.removeprefix("file://")) / "model/requirements.txt"
    ).read_text()
    assert {line.split("==")[0] for line in required.split()} == {"mlflow", "numpy", "pandas"}


def test_model_loads_without_swath_and_without_tensorflow(folder: Path, tmp_path: Path) -> None:
    address = f"{best_run(folder).info.artifact_uri}/model"
    done = subprocess.run(
        [sys.executable, "-c", ALONE, address],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("['class_name', '0', '1'")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    words = ("models", "serve", "-m", f"runs:/{best_run(folder).info.run_id}/model", "--env-manager", "local")
    with mlflow_server(folder, free_port(), "/ping", *words, MLFLOW_TRACKING_URI=store_of(folder)) as address:
        yield address


def ask(server: str, images: Any) -> tuple[int, Any]:
    request = Request(
        f"{server}/invocations",
        json.dumps({"inputs": images}).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urlopen(request, timeout=60) as reply:
            return reply.status, json.load(reply)
    except HTTPError as error:
        return error.code, json.load(error)


def test_server_answers_with_a_class_and_probabilities(folder: Path, server: str) -> None:
    run = best_run(folder)
    images = load_dataset("digits", None).test_images[:5]
    status, reply = ask(server, images.reshape(5, 3, 32, 32).transpose(0, 2, 3, 1).tolist())
    assert status == 200
    predicted = [int(row["class_name"]) for row in reply["predictions"]]
    assert predicted == file_of(run, "predictions.npz")["test"][:5].tolist()
    assert sum(reply["predictions"][0][str(digit)] for digit in range(10)) == pytest.approx(1)


@pytest.mark.parametrize(
    ("images", "found"),
    [
        (np.zeros([1, 5, 32, 3], int).tolist(), "shape [1, 5, 32, 3]"),
        (np.full([1, 3072], 256).tolist(), "values from 256 to 256"),
        (np.full([1, 3072], 0.5).tolist(), "values from 0.5 to 0.5"),
        ("x", "shape []"),
        ([["x"] * 3072], "values of type"),
        ([[1, 2], [3]], "images of different shapes"),
    ],
)
def test_server_refuses_what_is_no_image(server: str, images: Any, found: str) -> None:
    status, reply = ask(server, images)
    assert status == 400
    assert (
        "expected images as whole numbers from 0 to 255, of shape [n, 32, 32, 3] or [n, 3072]; found "
        in (reply["message"])
    )
    assert found in reply["message"]
