"""Loading data sets by name and folder."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.batches import SMALL, pickle_as_python_2, random_images, write_batches

from swath.datasets import DATASETS, Dataset, check_available, load_dataset
from swath.datasets.cifar import CIFAR10, BatchedSpec
from swath.datasets.cifar100 import CIFAR100
from swath.errors import DataError

ImagesAndLabels = tuple[NDArray[np.uint8], NDArray[np.uint8]]

LAYOUT_OF_TWO_FILES = replace(
    CIFAR100,
    image_shape=(1, 4, 5),
    train_images=50,
    test_images=10,
    layout=replace(CIFAR100.layout, batches=(("train", 50), ("test", 10))),
)
"""CIFAR-100 with small grey images."""


@pytest.fixture
def dataset(batches_dir: Path) -> Dataset:
    return SMALL.load(str(batches_dir))


def test_images_and_labels_of_a_folder_are_loaded(
    dataset: Dataset, images_and_labels: ImagesAndLabels
) -> None:
    images, labels = images_and_labels

    assert np.array_equal(dataset.train_images, images[:100])
    assert np.array_equal(dataset.test_images, images[100:])
    assert np.array_equal(np.concatenate([dataset.train_labels, dataset.test_labels]), labels)


def test_sizes_file_names_and_keys_are_taken_from_the_specification(tmp_path: Path) -> None:
    images, labels = random_images(LAYOUT_OF_TWO_FILES)
    write_batches(LAYOUT_OF_TWO_FILES, tmp_path / "data" / "cifar-100-python", images, labels)

    dataset = LAYOUT_OF_TWO_FILES.load(str(tmp_path / "data"))

    assert (dataset.train_images.shape, dataset.test_images.shape) == ((50, 20), (10, 20))
    assert (dataset.image_shape, dataset.num_classes) == ((1, 4, 5), 100)
    assert np.array_equal(dataset.train_labels, labels[:50])
    assert np.array_equal(dataset.test_images, images[50:])


def test_the_folder_of_batches_itself_is_a_data_dir(dataset: Dataset, batches: Path) -> None:
    assert SMALL.load(str(batches)).digest == dataset.digest


def test_a_folder_that_holds_the_archive_is_a_data_dir(dataset: Dataset, archive: Path) -> None:
    assert SMALL.load(str(archive.parent)).digest == dataset.digest


def test_swath_data_dir_is_used_if_no_data_dir_is_given(
    batches_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWATH_DATA_DIR", str(batches_dir))

    assert SMALL.load().source == "SWATH_DATA_DIR"


def test_data_dir_has_precedence_over_swath_data_dir(
    batches_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SWATH_DATA_DIR", str(tmp_path / "empty"))

    assert SMALL.load(str(batches_dir)).source == "data.dir"


@pytest.mark.parametrize("call", [load_dataset, check_available])
def test_a_data_dir_without_data_is_refused_with_the_files_expected(call: object, tmp_path: Path) -> None:
    assert callable(call)
    with pytest.raises(DataError, match=r"data\.dir.*none of its files.*data_batch_1.*test_batch") as error:
        call("cifar10", str(tmp_path))

    assert str(tmp_path) in str(error.value) and "\n" not in str(error.value)


def test_a_swath_data_dir_without_data_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWATH_DATA_DIR", str(tmp_path))

    for call in (load_dataset, check_available):
        with pytest.raises(DataError, match="given as SWATH_DATA_DIR"):
            call("cifar10")


def test_a_data_dir_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    for call in (load_dataset, check_available):
        with pytest.raises(DataError, match="there is no such folder"):
            call("cifar10", str(tmp_path / "nowhere"))


def test_a_data_dir_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(DataError, match="it is not a folder"):
        check_available("cifar10", str(tmp_path / "file"))


def test_a_data_dir_in_the_home_of_an_unknown_user_is_refused() -> None:
    with pytest.raises(DataError, match="cannot find the folder"):
        check_available("cifar10", "~no-such-user/cifar10")


def test_missing_batch_is_reported(batches: Path) -> None:
    (batches / "data_batch_3").unlink()

    with pytest.raises(DataError, match="data_batch_3 is missing"):
        SMALL.check_available(str(batches))


def test_a_complete_data_dir_is_available(batches_dir: Path) -> None:
    SMALL.check_available(str(batches_dir))


def test_data_that_can_be_downloaded_is_available() -> None:
    check_available("cifar10")


def test_an_unknown_name_is_refused_with_the_choices() -> None:
    for call in (load_dataset, check_available):
        with pytest.raises(DataError, match=r"^data set nothing is not installed; choose one of cifar10, "):
            call("nothing")


def test_batch_smaller_than_its_pixels_is_reported(batches: Path) -> None:
    content = (batches / "data_batch_2").read_bytes()
    (batches / "data_batch_2").write_bytes(content[:1_000])

    with pytest.raises(DataError, match=r"^data_batch_2 has 1,000 bytes, expected 3,840 to 12,800"):
        SMALL.load(str(batches))


def test_a_batch_larger_than_any_official_file_is_refused_before_it_is_read(batches: Path) -> None:
    with (batches / "data_batch_2").open("r+b") as file:
        file.truncate(1 << 40)  # a sparse file: reading it would take all memory

    with pytest.raises(DataError, match=r"^data_batch_2 has 1,099,511,627,776 bytes, expected 3,840 to"):
        SMALL.load(str(batches))


def test_truncated_batch_is_reported(batches: Path) -> None:
    content = (batches / "test_batch").read_bytes()
    (batches / "test_batch").write_bytes(content[:-7])

    with pytest.raises(DataError, match=r"^test_batch is not a file of images"):
        SMALL.load(str(batches))


def test_eleven_classes_are_refused(batches: Path) -> None:
    names = [b"class number %d" % label for label in range(11)]
    (batches / "batches.meta").write_bytes(pickle_as_python_2({b"label_names": names}))

    with pytest.raises(DataError, match=r"^batches\.meta names 11 classes, expected 10"):
        SMALL.load(str(batches))


def test_images_are_read_only(dataset: Dataset) -> None:
    with pytest.raises(ValueError, match="read-only"):
        dataset.train_images[0, 0] = 1


def test_official_sizes_of_a_batch_of_cifar10_are_plausible() -> None:
    assert CIFAR10.layout.size_limits("data_batch_1", CIFAR10.pixels) == (30_720_000, 64_000_000)


@pytest.mark.parametrize("spec", [spec for spec in DATASETS.values() if isinstance(spec, BatchedSpec)])
def test_batches_of_a_layout_add_up_to_the_images_of_its_data_set(spec: BatchedSpec) -> None:
    rows = [count for _, count in spec.layout.batches]

    assert sum(rows) == spec.train_images + spec.test_images
    assert spec.train_images in [sum(rows[:first]) for first in range(len(rows))]


def test_the_registry_is_read_without_loading_array_libraries() -> None:
    code = (
        "import sys; from swath.datasets import DATASETS; print('cifar10' in DATASETS, "
        "[name for name in ('numpy', 'sklearn', 'pooch') if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert done.stdout == "True []\n"
