"""Data sets that packages and programs declare: what is checked of them, and when they are read again."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.own_datasets import dataset_added, dots, find_dots

from swath.config import (
    FIELDS,
    DataConfig,
    Range,
    add_declared,
    computed_values,
    data_field,
    fingerprint,
    read_stored_config,
    stored_config,
)
from swath.datasets import DataKey, Images, OwnDataset, check_available, load_dataset, names, spec_of
from swath.errors import ConfigError, DataError

KEY = DataKey("dots")


def test_images_are_flattened_channel_by_channel_and_described() -> None:
    with dataset_added(OwnDataset("dots", find_dots)):
        data = load_dataset(KEY)
        assert spec_of(KEY).image_shape == data.image_shape == (3, 4, 5)
    images, labels, _, test_labels = dots().read()
    assert (data.train_images.reshape(24, 3, 4, 5)[:, 1] == images[..., 1]).all()
    assert (data.train_images.dtype, data.train_images.flags.writeable) == (np.uint8, False)
    assert (data.train_labels == labels).all()
    assert (data.test_labels == test_labels).all()
    assert data.class_names == ("top", "middle", "low")
    assert data.is_intact()
    assert "dots" not in names()


def test_digest_tells_shapes_and_classes_apart() -> None:
    found = set()
    for changes in ({}, {"class_names": ("a", "b", "c")}):
        with dataset_added(OwnDataset("dots", lambda fields, place, changes=changes: dots(**changes))):
            found.add(load_dataset(KEY).digest)
    assert len(found) == 2


def changed(part: int, array: Any) -> Images:
    arrays = list(dots().read())
    arrays[part] = array
    return dots(read=lambda: tuple(arrays))


@pytest.mark.parametrize(
    ("images", "line"),
    [
        (dots(shape=(4, 5, 2)), "images of 4 x 5 x 2, expected 1 to 512 rows"),
        (dots(shape=(4, 5)), "shape is \\(4, 5\\), expected \\(rows, columns, channels\\)"),
        (dots(class_names=None), "class_names is None, expected a tuple of 2 to 256 texts"),
        (dots(train_images="24"), "'24' training and 6 test images, expected whole numbers above 0"),
        (dots(files=("here",)), r"files is \('here',\), expected paths"),
        (dots(class_names=("one",)), "has 1 classes, expected 2 to 256"),
        (dots(test_images=0), "24 training and 0 test images, expected whole numbers above 0"),
        (3, "find returns int, expected Images"),
    ],
)
def test_what_is_told_is_checked_before_anything_is_read(images: Any, line: str) -> None:
    with (
        dataset_added(OwnDataset("dots", lambda fields, place: images)),
        pytest.raises(DataError, match=f"^data set dots:? .*{line}"),
    ):
        check_available(KEY)


@pytest.mark.parametrize(
    ("images", "line"),
    [
        (changed(0, np.zeros((24, 4, 5, 3))), r"train_images are float64 \[24, 4, 5, 3\], expected uint8"),
        (changed(2, np.zeros((5, 4, 5, 3), np.uint8)), r"test_images are uint8 \[5, 4, 5, 3\], expected"),
        (changed(1, np.full(24, 3)), "train_labels go from 3 to 3, expected 0 to 2"),
        (changed(3, np.zeros((6, 1), int)), r"test_labels are int64 \[6, 1\], expected whole numbers \[6\]"),
        (dots(read=lambda: 3), "read returns no tuple of train_images, train_labels"),
        (dots(read=lambda: 1 / 0), "ZeroDivisionError: division by zero"),
    ],
)
def test_arrays_that_are_not_what_was_told_are_one_line(images: Images, line: str) -> None:
    with (
        dataset_added(OwnDataset("dots", lambda fields, place: images)),
        pytest.raises(DataError, match=f"^data set dots: {line}"),
    ):
        load_dataset(KEY)


def test_fields_are_given_to_the_function_and_part_of_a_configuration() -> None:
    from support.small import run_config

    given: list[Mapping[str, Any]] = []

    def find(fields: Mapping[str, Any], place: Path | None) -> Images:
        given.append(fields)
        return dots()

    fields = {"noise": data_field(2, Range(0), "Noise.", unit="levels")}
    with dataset_added(OwnDataset("dots", find, fields)):
        one, other = (
            run_config(batch_size=5, data=DataConfig("dots", 0, own=(("noise", noise),))) for noise in (2, 3)
        )
        assert one.data.noise == 2
        assert one.data.key == DataKey("dots", None, (("noise", 2),)) != other.data.key
        assert computed_values(one)["data.noise"] == 2
        assert fingerprint(one) != fingerprint(other)
        assert read_stored_config(stored_config(one), "here") == one
        spec_of(other.data.key)
        assert given == [{"noise": 3}]
        with pytest.raises(ConfigError, match=r"^data\.noise=-1: expected a whole number of levels"):
            run_config(data=DataConfig("dots", 0, own=(("noise", -1),)))
        with pytest.raises(ConfigError, match=r"^data\.noise=1: only with data=dots, found data=digits$"):
            run_config(data=DataConfig("digits", 0, own=(("noise", 1),)))
        text = stored_config(one)
    assert "data.noise" not in FIELDS
    with pytest.raises(ConfigError, match=r"^here: data set dots is not installed; choose one of cifar10,"):
        read_stored_config(text, "here")


@pytest.mark.parametrize("name", ["cifar10", "npz"])
def test_names_of_swath_are_taken(name: str) -> None:
    with pytest.raises(ConfigError, match=f"^data set {name}: the name is taken by a data set of swath"):
        add_declared(OwnDataset(name, find_dots))


def test_a_program_that_ends_in_find_is_one_line() -> None:
    with (
        dataset_added(OwnDataset("dots", lambda fields, place: sys.exit(3))),
        pytest.raises(DataError, match=r"^data set dots: SystemExit: 3$"),
    ):
        check_available(KEY)


@pytest.mark.parametrize("name", ["dir", "validation_size", "name"])
def test_fields_that_every_data_set_has_are_taken(name: str) -> None:
    field = data_field(2, Range(0), "Something.")
    with pytest.raises(ConfigError, match=f"^data set dots: field {name} is taken; rename it"):
        add_declared(OwnDataset("dots", find_dots, {name: field}))


@pytest.mark.parametrize("name", ["key", "own", "group", "class"])
def test_fields_with_names_that_are_in_use_are_refused(name: str) -> None:
    field = data_field(2, Range(0), "Something.")
    with pytest.raises(ConfigError, match=f"^data set dots: field {name} has a name that Python"):
        add_declared(OwnDataset("dots", find_dots, {name: field}))
