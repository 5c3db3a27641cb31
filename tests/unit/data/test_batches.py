"""Checks of what one batch file says."""

import numpy as np
import pytest

from swath.datasets.pickled_batches import check_class_names, parse_batch
from swath.errors import DataError

NAMES = ("cat", "dog", "frog")


@pytest.fixture
def batch():
    """Two images, three classes."""
    images = np.arange(2 * 3072, dtype=np.uint32).reshape(2, 3072).astype(np.uint8)
    return {b"data": images, b"labels": [2, 0]}


def parse(payload):
    return parse_batch(payload, "data_batch_1", rows=2, class_count=3)


def test_images_of_a_batch_come_back(batch, pickle_as_python_2):
    images, _ = parse(pickle_as_python_2(batch))

    assert images.dtype == np.uint8 and np.array_equal(images, batch[b"data"])


def test_labels_of_a_batch_come_back(batch, pickle_as_python_2):
    _, labels = parse(pickle_as_python_2(batch))

    assert labels.dtype == np.uint8 and labels.tolist() == [2, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({b"labels": [2, 3]}, r"the label 3, expected 0\.\.2"),
        ({b"labels": [2, -1]}, "the label -1"),
        ({b"labels": [2, True]}, "the label True"),
        ({b"labels": [2, []]}, "the label of type list"),
        ({b"labels": [2]}, "1 labels, expected 2"),
        ({b"labels": None}, "no labels, expected 2"),
        ({b"data": np.zeros((3, 3072), np.uint8)}, r"shape \[3, 3072\], expected \[2, 3072\]"),
        ({b"data": np.zeros((2, 3071), np.uint8)}, r"shape \[2, 3071\]"),
        ({b"data": np.zeros((2, 3072), np.int8)}, "another type than uint8"),
        ({b"data": [[1, 2], [3, 4]]}, "no array of images"),
    ],
)
def test_a_batch_with_one_mistake_is_refused_by_name(batch, pickle_as_python_2, change, message):
    with pytest.raises(DataError, match=f"^data_batch_1 .*{message}"):
        parse(pickle_as_python_2(batch | change))


def test_a_file_that_is_no_pickle_is_refused_in_one_line():
    with pytest.raises(DataError, match=r"^data_batch_1 is not a file of images") as error:
        parse(b"<!DOCTYPE html>\n<html>\n</html>\n")

    assert "\n" not in str(error.value)


def test_a_file_that_holds_no_dictionary_is_refused(pickle_as_python_2):
    with pytest.raises(DataError, match="holds a list, expected a dictionary"):
        parse(pickle_as_python_2([1, 2]))


def test_control_characters_in_a_hostile_name_do_not_reach_the_terminal():
    with pytest.raises(DataError) as error:
        parse(b"\x80\x02cos\nsys\x1b[2Jtem\n.")

    assert str(error.value).isprintable()


def test_text_keys_of_copies_written_by_python_3_are_understood(batch):
    import pickle

    images, _ = parse(pickle.dumps({"data": batch[b"data"], "labels": [2, 0]}, protocol=4))

    assert np.array_equal(images, batch[b"data"])


def test_declared_class_names_are_accepted(pickle_as_python_2):
    payload = pickle_as_python_2({b"label_names": [b"cat", b"dog", b"frog"]})

    assert check_class_names(payload, "batches.meta", NAMES) is None


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([b"cat", b"dog", b"frog", b"ship"], "4 classes, expected 3"),
        ([b"cat", b"dog", b"toad"], "class 2 b'toad', expected 'frog'"),
        ([b"cat", b"dog", {}], "class 2 of type dict, expected 'frog'"),
        (b"cat", "no list of class names"),
    ],
)
def test_other_class_names_are_refused(pickle_as_python_2, names, message):
    with pytest.raises(DataError, match=f"^batches.meta .*{message}"):
        check_class_names(pickle_as_python_2({b"label_names": names}), "batches.meta", NAMES)
