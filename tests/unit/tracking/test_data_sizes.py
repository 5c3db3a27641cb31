"""Sizes of the data set of a stored run."""

import pytest
from support.small import small_dataset

from swath.tracking import DataSizes, StoredRun, data_sizes, sizes_of


def run(name: str, tag: str | None) -> StoredRun:
    tags = {} if tag is None else {"swath.data_sizes": tag}
    return StoredRun("run", "1", "", "FINISHED", 0, None, "", {"data.name": name}, tags=tags)


def test_sizes_are_read_as_they_were_stored() -> None:
    sizes = sizes_of(small_dataset())

    assert sizes == DataSizes((3, 32, 32), 10, 300, 60)
    assert data_sizes(run("images", sizes.text())) == sizes


@pytest.mark.parametrize("tag", [None, "", "{}", "[1]", '{"shape": 3}', '{"shape": [1, 2], "classes": 2}'])
def test_without_the_tag_a_registered_data_set_is_known_by_its_name(tag: str | None) -> None:
    assert data_sizes(run("digits", tag)) == DataSizes((3, 32, 32), 10, 1_497, 300)
    assert data_sizes(run("images", tag)) is None
