"""Sweeps on one's own images, from a folder and from an .npz file."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.command import error_lines, swath, swath_compare, swath_reproduce
from support.models import best_run, load_model
from support.pictures import picture, write_pictures
from support.waiting import query_store

from swath.datasets import DataKey, load_dataset

CLASSES = {"cats": 60, "dogs": 120, "owls": 200}
SWEEP = (
    *("-m", "data=images", "data.image_size=4,6", "data.validation_size=6", "batch_size=10", "max_steps=20"),
    "learning_rate=1e-6",
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sweep over two sizes of the images in pictures/; do not change it."""
    folder = tmp_path_factory.mktemp("own")
    write_pictures(folder / "pictures", CLASSES)
    done = swath(folder, *SWEEP, "data.dir=pictures")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Path:
    """The images of `trained`, and an empty store."""
    shutil.copytree(trained / "pictures", tmp_path / "pictures")
    return tmp_path


def test_size_is_a_param_and_the_data_set_is_described(trained: Path) -> None:
    sizes = query_store(trained, "select value from params where key = 'data.image_size' order by value")
    tags = query_store(trained, "select value from tags where key = 'swath.data_sizes' order by value")

    assert sizes == [("4",), ("6",)]
    assert [json.loads(tag) for (tag,) in tags] == [
        {"shape": [3, size, size], "classes": 3, "train": 30, "test": 6} for size in (4, 6)
    ]


def test_accuracies_have_intervals_of_the_number_of_images(trained: Path) -> None:
    done = swath_compare(trained, "ad-hoc", "--format", "json", "--columns", "interval_low,interval_high")

    rows = json.loads(done.stdout)
    assert [0 < row["interval_low"] < row["interval_high"] < 1 for row in rows] == [True, True]


@pytest.mark.parametrize("how", ["--data-dir", "SWATH_DATA_DIR"])
def test_a_reproduction_is_identical(how: str, trained: Path) -> None:
    if how == "--data-dir":
        done = swath_reproduce(trained, "--sweep", "ad-hoc", "--data-dir", "pictures")
    else:
        done = swath_reproduce(trained, "--sweep", "ad-hoc", SWATH_DATA_DIR=str(trained / "pictures"))

    assert done.returncode == 0, done.stderr
    assert [line.split("  ")[1] for line in done.stdout.splitlines()] == ["identical, bit for bit"] * 2


def test_a_reproduction_without_the_images_says_how_to_name_them(trained: Path) -> None:
    done = swath_reproduce(trained, "--sweep", "ad-hoc")

    assert done.returncode == 2
    assert "no folder of images is named; give it as data.dir, as --data-dir of " in done.stdout


def test_a_resume_names_the_folder_that_has_changed(copy: Path) -> None:
    arguments = (*SWEEP, "data.dir=pictures")
    assert swath(copy, *arguments, "data.image_size=4").returncode == 0
    again = swath(copy, *arguments, "data.image_size=4", "resume=yes")
    assert "Resume: 1 already done." in again.stderr or "Nothing to do" in again.stderr

    Image.fromarray(picture(0, 0)).save(copy / "pictures" / "owls" / "3.png")
    done = swath(copy, *arguments, "data.image_size=4", "resume=yes")

    assert done.returncode == 1
    (line,) = error_lines(done.stderr)
    assert line.startswith("swath: changed since this sweep started: images in pictures: digest ")
    assert query_store(copy, "select count(*) from runs") == [(2,)]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("data=images",), "data=images: no folder of images is named; "),
        (("data=images", "data.dir=nowhere"), "no images in nowhere, given as data.dir: there is no such "),
        (("data=npz", "data.dir=pictures"), "no images in pictures, given as data.dir: it is a folder; "),
        (("data=images", "data.dir=pictures"), "batch_size=100: expected at most 30 images, because images "),
        (
            ("data=images", "data.dir=pictures", "data.validation_size=30", "batch_size=1"),
            "data.validation_size=30: expected at most 29 images, because images has 30 training images",
        ),
        (("data=digits", "data.image_size=8"), "data.image_size=8: only with data=images, found data=digits"),
        (("data=images", "data.image_size=0"), "data.image_size=0: expected a whole number of pixels from 1"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(arguments: tuple[str, ...], line: str, copy: Path) -> None:
    done = swath(copy, *arguments)

    assert done.returncode == 2
    (found,) = error_lines(done.stderr)
    assert found.startswith(f"swath: {line}")
    assert [path.name for path in copy.iterdir()] == ["pictures"]


def test_a_damaged_image_is_named_before_anything_is_stored(copy: Path) -> None:
    (copy / "pictures" / "dogs" / "5.png").write_bytes(b"no image")

    done = swath(copy, *SWEEP, "data.dir=pictures")

    assert done.returncode == 2
    (line,) = error_lines(done.stderr)
    assert line.startswith("swath: cannot read dogs/5.png in ")
    assert not (copy / "mlflow.db").exists()


def test_a_plan_is_shown_without_opening_an_image(copy: Path) -> None:
    (copy / "pictures" / "dogs" / "5.png").write_bytes(b"no image")

    done = swath(copy, *SWEEP, "data.dir=pictures", "dry_run=true")

    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def npz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sweep, its plots and models, on grey images of a hundred classes."""
    folder = tmp_path_factory.mktemp("npz")
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(100), 6)
    images = generator.integers(0, 256, (600, 7, 5), dtype=np.uint8)
    np.savez(folder / "pictures.npz", images=images, labels=labels)
    arguments = ("-m", "data=npz", "data.dir=pictures.npz", "batch_size=10", "max_steps=20")
    done = swath(folder, *arguments, "learning_rate=1e-6,1e-5", SWATH_POSTPROCESS="wait")
    assert done.returncode == 0, done.stderr
    assert "Added to the store: plots and models." in done.stderr
    return folder


def test_grey_images_of_a_hundred_classes_are_trained_and_reproduced(npz: Path) -> None:
    done = swath_reproduce(npz, "--sweep", "ad-hoc", "--data-dir", "pictures.npz")

    assert done.returncode == 0, done.stdout
    assert done.stdout.count("identical, bit for bit") == 2


def test_the_logged_model_takes_grey_images(npz: Path) -> None:
    model = load_model(best_run(npz), npz)
    rows = load_dataset(DataKey("npz"), str(npz / "pictures.npz")).test_images[:3]

    predicted = model.predict(rows.reshape(3, 7, 5, 1))

    assert predicted.equals(model.predict(rows))
    assert list(predicted.columns) == ["class_name", *map(str, range(100))]


def test_a_file_that_has_changed_is_named(npz: Path, tmp_path: Path) -> None:
    with np.load(npz / "pictures.npz") as arrays:
        np.savez(tmp_path / "pictures.npz", images=arrays["images"] // 2, labels=arrays["labels"])

    done = swath_reproduce(npz, "--sweep", "ad-hoc", "--data-dir", str(tmp_path / "pictures.npz"))

    assert done.returncode == 2
    assert done.stdout.count("its data differs from what it was trained on: digest ") == 2


def test_a_sweep_over_data_sets_of_other_shapes_has_plots_and_a_report(copy: Path) -> None:
    arguments = ("-m", "data=images,digits", "data.dir=pictures", "batch_size=10", "max_steps=20")
    done = swath(copy, *arguments, SWATH_POSTPROCESS="wait")

    assert done.returncode == 0, done.stderr
    assert "Added to the store: plots and models." in done.stderr
    shown = swath_compare(copy, "ad-hoc", "--format", "json", "--columns", "data.name,data.image_size")
    rows = json.loads(shown.stdout)
    assert {row["data.name"]: row["data.image_size"] for row in rows} == {"images": 32, "digits": None}
