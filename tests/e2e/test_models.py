"""Logged models: their predictions, where they load, and how they are served."""

import json
import re
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
from mlflow.tracking import MlflowClient
from support.command import IS_CONFIGURATION, swath
from support.models import best_run, load_model, load_npz, store_of, use_store
from support.server import free_port, mlflow_server

from swath.datasets import load_dataset

LOAD_WITHOUT_SWATH = """
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
    """A sweep with postprocessing."""
    folder = tmp_path_factory.mktemp("models")
    done = swath(folder, "-cn", "quickstart", SWATH_POSTPROCESS="wait")
    assert done.returncode == 0, done.stderr
    return folder


def test_only_the_best_run_has_a_model(folder: Path) -> None:
    client = MlflowClient(store_of(folder))
    (model,) = client.search_logged_models(["1"])
    assert model.source_run_id == best_run(folder).info.run_id
    assert (model.name, str(model.status)) == ("model", "READY")
    with use_store(folder):
        with_files = [
            run.info.run_id
            for run in client.search_runs(["1"], IS_CONFIGURATION)
            if client.list_artifacts(run.info.run_id, "model")
        ]
    assert with_files == [model.source_run_id]


def test_model_accepts_images_as_pixel_grids_or_as_rows(folder: Path) -> None:
    model = load_model(best_run(folder), folder)
    rows = load_dataset("digits", None).test_images[:7]
    pictures = rows.reshape(7, 3, 32, 32).transpose(0, 2, 3, 1)
    assert model.predict(rows).equals(model.predict(pictures))


def test_model_signature_describes_inputs_and_outputs(folder: Path) -> None:
    with use_store(folder):
        info = mlflow.models.get_model_info(best_run(folder).info.artifact_uri + "/model")
    assert info.signature is not None
    assert info.signature.outputs.input_names() == ["class_name", *(str(digit) for digit in range(10))]
    assert info.saved_input_example_info is not None
    required = (
        Path(best_run(folder).info.artifact_uri.removeprefix("file://")) / "model/requirements.txt"
    ).read_text()
    assert {line.split("==")[0] for line in required.split()} == {"mlflow", "numpy", "pandas"}


def test_model_contains_no_local_paths(folder: Path) -> None:
    text = (Path(best_run(folder).info.artifact_uri.removeprefix("file://")) / "model/MLmodel").read_text()
    assert "model_code_path: model_code.py" in text
    assert not re.search(r": /|file:", text)


def test_model_loads_without_swath_and_tensorflow(folder: Path, tmp_path: Path) -> None:
    address = f"{best_run(folder).info.artifact_uri}/model"
    done = subprocess.run(
        [sys.executable, "-c", LOAD_WITHOUT_SWATH, address],
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
    arguments = (
        "models",
        "serve",
        "-m",
        f"runs:/{best_run(folder).info.run_id}/model",
        "--env-manager",
        "local",
    )
    with mlflow_server(
        folder, free_port(), "/ping", *arguments, MLFLOW_TRACKING_URI=store_of(folder)
    ) as address:
        yield address


def post_images(server: str, images: Any) -> tuple[int, Any]:
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
    status, reply = post_images(server, images.reshape(5, 3, 32, 32).transpose(0, 2, 3, 1).tolist())
    assert status == 200
    predicted = [int(row["class_name"]) for row in reply["predictions"]]
    assert predicted == load_npz(run, "predictions.npz")["test"][:5].tolist()
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
def test_server_refuses_invalid_images(server: str, images: Any, found: str) -> None:
    status, reply = post_images(server, images)
    assert status == 400
    assert (
        "expected images as whole numbers from 0 to 255, of shape [n, 32, 32, 3] or [n, 3072]; found "
        in (reply["message"])
    )
    assert found in reply["message"]
