"""A sweep of multilayer perceptrons from the shell to the store, the model and the reproduction."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.command import error_lines, swath, swath_compare, swath_reproduce
from support.models import best_run, load_model, load_npz
from support.waiting import query_store

import swath as api
from swath.datasets import load_dataset

GRID = (
    "-m",
    "data=digits",
    "data.validation_size=300",
    "model=mlp",
    "model.hidden_units=8,[12,6]",
    "preprocessing=scale",
    "learning_rate=0.01,0.03",
    "l2=0.01",
    "max_steps=60",
    "lanes.verify=4",
)


Swept = tuple[Path, str]
"""Folder of the store, and what the command wrote to standard error."""


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Swept:
    folder = tmp_path_factory.mktemp("mlp")
    done = swath(folder, *GRID, SWATH_POSTPROCESS="wait")
    assert done.returncode == 0, done.stderr
    return folder, done.stderr


def run_ids(folder: Path, hidden_units: str) -> list[str]:
    chosen = "select run_uuid from params where key = 'model.hidden_units' and value = '{}'"
    return [str(run_id) for (run_id,) in query_store(folder, chosen.format(hidden_units))]


def test_lanes_are_verified(swept: Swept) -> None:
    assert "lanes.verify: 4 of 4 runs are bit-identical to their solo runs" in swept[1]


def test_params_are_written_as_lists(swept: Swept) -> None:
    assert len(run_ids(swept[0], "[8]")) == len(run_ids(swept[0], "[12,6]")) == 2


def test_weights_are_named_arrays(swept: Swept) -> None:
    folder, _ = swept
    learned = api.load_weights(run_ids(folder, "[12,6]")[0], f"sqlite:///{folder}/mlflow.db")
    assert {name: array.shape for name, array in learned.arrays.items()} == {
        "weights_1": (3072, 12),
        "biases_1": (12,),
        "weights_2": (12, 6),
        "biases_2": (6,),
        "weights_3": (6, 10),
        "biases_3": (10,),
    }
    assert learned["weights_1"].dtype == np.float32
    assert learned.scale is not None


def test_picture_has_a_tile_for_each_unit(swept: Swept) -> None:
    folder, _ = swept
    (path,) = folder.glob(f"mlruns/*/{run_ids(folder, '[8]')[0]}/artifacts/weights.png")
    with Image.open(path) as picture:
        assert picture.size == (8 + 8 * (64 + 8), 8 + 64 + 8)


def test_logged_model_predicts_as_the_run_did(swept: Swept) -> None:
    folder, _ = swept
    run = best_run(folder)
    pixels = load_dataset("digits").test_images.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    predicted = load_model(run, folder).predict(np.ascontiguousarray(pixels))
    stored = load_npz(run, "predictions.npz")["test"]
    assert (predicted["class_name"].astype(int) == stored).mean() > 0.99  # rounding decides near ties


def test_run_is_reproduced(swept: Swept) -> None:
    folder, _ = swept
    done = swath_reproduce(folder, *run_ids(folder, "[8]"), run_ids(folder, "[12,6]")[0])
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("identical, bit for bit") == 3


def test_difference_of_two_runs_names_their_arrays(swept: Swept) -> None:
    folder, _ = swept
    found = swath_compare(folder, "--diff", *run_ids(folder, "[8]")).stdout
    assert "config: learning_rate: " in found
    assert "weights_1" in found
    other = swath_compare(folder, "--diff", run_ids(folder, "[8]")[0], run_ids(folder, "[12,6]")[0]).stdout
    assert "config: model.hidden_units: [8] | [12,6]" in other


def test_longer_runs_continue(swept: Swept, tmp_path: Path) -> None:
    shorter = (*GRID[:5], "preprocessing=scale", "learning_rate=0.01", "l2=0.01", "optimizer=nesterov")
    assert swath(tmp_path, *shorter, "max_steps=20").returncode == 0
    done = swath(tmp_path, *shorter, "max_steps=50", "resume=yes")
    assert "Resume: 2 resumed." in done.stderr.splitlines(), done.stderr
    ids = query_store(tmp_path, "select run_uuid from params where key = 'max_steps' and value = '50'")
    verdicts = swath_reproduce(tmp_path, *(str(run_id) for (run_id,) in ids))
    assert verdicts.stdout.count("identical, bit for bit") == 2, verdicts.stdout


def test_plan_counts_the_weights(tmp_path: Path) -> None:
    done = swath(tmp_path, *GRID, "model.hidden_units=[8],[4000]", "dry_run=true")
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
    small, large = (float(seconds) for seconds in re.findall(r"([0-9.]+) s\n", done.stdout)[:2])
    assert large > 20 * small


UNITS = "a list of 1 to 8 whole numbers of units from 1 to 8192: [256,128]"


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        (
            ("model.hidden_units=[8]",),
            "model.hidden_units=[8]: only with model=mlp, found model=softmax_regression",
        ),
        (("model=mlp", "model.hidden_units=[]"), f"model.hidden_units=[]: expected {UNITS}"),
        (("model=mpl",), "model=mpl: expected one of mlp, softmax_regression; did you mean mlp?"),
    ],
)
def test_mistake_is_one_line(tmp_path: Path, typed: tuple[str, ...], line: str) -> None:
    done = swath(tmp_path, "data=digits", *typed)
    assert (done.returncode, error_lines(done.stderr)) == (2, [f"swath: {line}"])
    assert list(tmp_path.iterdir()) == []
