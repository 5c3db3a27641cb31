"""The way from a name and a folder to images."""

import numpy as np
import pytest

from swath.datasets import check_available, load_dataset
from swath.errors import DataError


@pytest.fixture
def dataset(warm_cache, batches_dir):
    return load_dataset("cifar10", str(batches_dir))


def test_training_images_of_a_folder_come_back(dataset, images_and_labels):
    assert np.array_equal(dataset.train_images, images_and_labels[0][:50_000])


def test_test_images_of_a_folder_come_back(dataset, images_and_labels):
    assert np.array_equal(dataset.test_images, images_and_labels[0][50_000:])


def test_labels_of_a_folder_come_back(dataset, images_and_labels):
    assert np.array_equal(np.concatenate([dataset.train_labels, dataset.test_labels]), images_and_labels[1])


def test_the_folder_of_batches_itself_is_a_data_dir(dataset, batches_dir):
    assert load_dataset("cifar10", str(batches_dir / "cifar-10-batches-py")).digest == dataset.digest


def test_a_folder_that_holds_the_archive_is_a_data_dir(dataset, archive):
    assert load_dataset("cifar10", str(archive.parent)).digest == dataset.digest


def test_swath_data_dir_is_used_where_no_data_dir_is_given(warm_cache, batches_dir, monkeypatch):
    monkeypatch.setenv("SWATH_DATA_DIR", str(batches_dir))

    assert load_dataset("cifar10").source == "SWATH_DATA_DIR"


def test_data_dir_goes_before_swath_data_dir(warm_cache, batches_dir, monkeypatch, tmp_path):
    monkeypatch.setenv("SWATH_DATA_DIR", str(tmp_path))

    assert load_dataset("cifar10", str(batches_dir)).source == "data.dir"


@pytest.mark.parametrize("call", [load_dataset, check_available])
def test_a_data_dir_without_data_is_refused_with_the_files_expected(call, tmp_path):
    with pytest.raises(DataError, match=r"data\.dir.*none of its files.*data_batch_1.*test_batch") as error:
        call("cifar10", str(tmp_path))

    assert str(tmp_path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("call", [load_dataset, check_available])
def test_a_swath_data_dir_without_data_is_refused_by_name(call, tmp_path, monkeypatch):
    monkeypatch.setenv("SWATH_DATA_DIR", str(tmp_path))

    with pytest.raises(DataError, match="given as SWATH_DATA_DIR"):
        call("cifar10")


@pytest.mark.parametrize("call", [load_dataset, check_available])
def test_a_data_dir_that_does_not_exist_is_refused(call, tmp_path):
    with pytest.raises(DataError, match="there is no such folder"):
        call("cifar10", str(tmp_path / "nowhere"))


def test_a_data_dir_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(DataError, match="it is not a folder"):
        check_available("cifar10", str(tmp_path / "file"))


def test_a_data_dir_in_the_home_of_nobody_is_refused():
    with pytest.raises(DataError, match="cannot find the folder"):
        check_available("cifar10", "~no-such-user/cifar10")


def test_a_missing_batch_is_named(own_batches):
    (own_batches / "data_batch_3").unlink()

    with pytest.raises(DataError, match="data_batch_3 is missing"):
        check_available("cifar10", str(own_batches))


def test_a_complete_data_dir_is_available(batches_dir):
    assert check_available("cifar10", str(batches_dir)) is None


def test_data_that_may_be_downloaded_counts_as_available():
    assert check_available("cifar10") is None


@pytest.mark.parametrize("call", [load_dataset, check_available])
def test_an_unknown_name_is_refused_with_the_choices(call):
    with pytest.raises(DataError, match="unknown data set 'mnist'; choose one of cifar10, digits"):
        call("mnist")


def test_a_batch_that_is_cut_short_is_named(own_batches):
    content = (own_batches / "data_batch_2").read_bytes()
    (own_batches / "data_batch_2").unlink()
    (own_batches / "data_batch_2").write_bytes(content[:1_000_000])

    with pytest.raises(DataError, match=r"^data_batch_2 has 1,000,000 bytes, expected 30,720,000 to"):
        load_dataset("cifar10", str(own_batches))


def test_a_batch_that_lacks_its_last_bytes_is_named(own_batches):
    content = (own_batches / "test_batch").read_bytes()
    (own_batches / "test_batch").unlink()
    (own_batches / "test_batch").write_bytes(content[:-7])

    with pytest.raises(DataError, match=r"^test_batch is not a file of images"):
        load_dataset("cifar10", str(own_batches))


def test_eleven_classes_are_refused(own_batches, pickle_as_python_2):
    (own_batches / "batches.meta").unlink()
    names = [b"class number %d" % label for label in range(11)]
    (own_batches / "batches.meta").write_bytes(pickle_as_python_2({b"label_names": names}))

    with pytest.raises(DataError, match=r"^batches\.meta names 11 classes, expected 10"):
        load_dataset("cifar10", str(own_batches))


def test_images_are_read_only(dataset):
    with pytest.raises(ValueError, match="read-only"):
        dataset.train_images[0, 0] = 1
