"""Validation of the content of a batch file."""

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.batches import SMALL, pickle_as_python_2

from swath.datasets.pickled_batches import check_class_names, parse_batch
from swath.errors import DataError

SPEC = replace(
    SMALL,
    image_shape=(3, 2, 2),
    class_names=("cat", "dog", "frog"),
    layout=replace(SMALL.layout, batches=(("data_batch_1", 2), ("test_batch", 1))),
)
IMAGES = np.arange(2 * 12, dtype=np.uint8).reshape(2, 12)
BATCH: dict[bytes, Any] = {b"data": IMAGES, b"labels": [2, 0]}


def parse(payload: bytes) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    return parse_batch(SPEC, SPEC.layout, "data_batch_1", payload)


def test_images_of_a_batch_are_read() -> None:
    images, _ = parse(pickle_as_python_2(BATCH))

    assert images.dtype == np.uint8 and np.array_equal(images, IMAGES)


def test_labels_of_a_batch_are_read() -> None:
    _, labels = parse(pickle_as_python_2(BATCH))

    assert labels.dtype == np.uint8 and labels.tolist() == [2, 0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({b"labels": [2, 3]}, r"the label 3, expected 0\.\.2"),
        ({b"labels": [2, -1]}, "the label -1"),
        ({b"labels": [2, True]}, "the label True"),
        ({b"labels": [2, []]}, "the label of type list"),
        ({b"labels": [2, 1 << 100_000]}, "the label of type int"),
        ({b"labels": [2, b"x" * 100_000]}, "the label b'xxxx"),
        ({b"labels": [2]}, "1 labels, expected 2"),
        ({b"labels": None}, "no labels, expected 2"),
        ({b"data": np.zeros((3, 12), np.uint8)}, r"shape \[3, 12\], expected \[2, 12\]"),
        ({b"data": np.zeros((2, 11), np.uint8)}, r"shape \[2, 11\]"),
        ({b"data": np.zeros((2, 12), np.int8)}, "another type than uint8"),
        ({b"data": [[1, 2], [3, 4]]}, "no array of images"),
    ],
)
def test_batch_with_one_mistake_is_refused_with_the_reason(change: dict[bytes, Any], message: str) -> None:
    with pytest.raises(DataError, match=f"^data_batch_1 .*{message}"):
        parse(pickle_as_python_2(BATCH | change))


def test_file_that_is_not_a_pickle_is_refused_in_one_line() -> None:
    with pytest.raises(DataError, match=r"^data_batch_1 is not a file of images") as error:
        parse(b"<!DOCTYPE html>\n<html>\n</html>\n")

    assert "\n" not in str(error.value)


def test_pickle_that_is_not_a_dictionary_is_refused() -> None:
    with pytest.raises(DataError, match="holds a list, expected a dictionary"):
        parse(pickle_as_python_2([1, 2]))


def test_errors_name_the_archive_of_the_data_set() -> None:
    with pytest.raises(DataError, match=r"get the file again from the official archive cifar-10-python\.tar"):
        parse(pickle_as_python_2([1, 2]))


def test_control_characters_in_names_are_not_printed() -> None:
    with pytest.raises(DataError) as error:
        parse(b"\x80\x02cos\nsys\x1b[2Jtem\n.")

    assert str(error.value).isprintable()


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_batches_pickled_by_python_3_are_read(protocol: int) -> None:
    names = [b"image_0.png", b"image_1.png"]
    batch = {"data": IMAGES, "labels": [2, 0], "filenames": names}

    images, labels = parse(pickle.dumps(batch, protocol=protocol))

    assert np.array_equal(images, IMAGES) and labels.tolist() == [2, 0]


def test_declared_class_names_are_accepted() -> None:
    check_class_names(SPEC, SPEC.layout, pickle_as_python_2({b"label_names": [b"cat", b"dog", b"frog"]}))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([b"cat", b"dog", b"frog", b"ship"], "4 classes, expected 3"),
        ([b"cat", b"dog", b"toad"], "class 2 b'toad', expected 'frog'"),
        ([b"cat", b"dog", {}], "class 2 of type dict, expected 'frog'"),
        (b"cat", "no list of class names"),
    ],
)
def test_other_class_names_are_refused(names: object, message: str) -> None:
    with pytest.raises(DataError, match=f"^batches.meta .*{message}"):
        check_class_names(SPEC, SPEC.layout, pickle_as_python_2({b"label_names": names}))
