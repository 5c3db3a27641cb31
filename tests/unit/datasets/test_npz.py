"""One's own images in an .npz file: headers first, nothing unpickled, and what is refused."""

import io
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swath.datasets import DataKey, Dataset, forget_files, load_dataset, spec_of
from swath.datasets.npz_file import _with_members
from swath.errors import DataError

KEY = DataKey("npz")
GENERATOR = np.random.default_rng(0)
GREY = GENERATOR.integers(0, 256, (24, 4, 5), dtype=np.uint8)
COLOUR = GENERATOR.integers(0, 256, (24, 4, 5, 3), dtype=np.uint8)
LABELS = np.arange(24) % 3


def saved(tmp_path: Path, *, compressed: bool = False, **arrays: Any) -> Path:
    """A new file with arrays; None leaves one out."""
    path = tmp_path / "data.npz"
    given = {"images": GREY, "labels": LABELS, **arrays}
    save = np.savez_compressed if compressed else np.savez
    save(path, **{name: array for name, array in given.items() if array is not None})
    return path


def load(path: Path) -> Dataset:
    forget_files()
    return load_dataset(KEY, str(path))


def refused(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("compressed", [False, True])
def test_grey_images_are_split_in_proportion_to_their_labels(compressed: bool, tmp_path: Path) -> None:
    dataset = load(saved(tmp_path, compressed=compressed))

    assert (dataset.image_shape, dataset.class_names) == ((1, 4, 5), ("0", "1", "2"))
    assert Counter(dataset.test_labels.tolist()) == {0: 1, 1: 1, 2: 1}
    rows = [*map(bytes, np.concatenate([dataset.train_images, dataset.test_images]))]
    labels = np.concatenate([dataset.train_labels, dataset.test_labels])
    assert labels.dtype == np.uint8
    assert sorted(zip(rows, labels.tolist(), strict=True)) == sorted(
        (image.tobytes(), label) for image, label in zip(GREY, LABELS.tolist(), strict=True)
    )


def test_colours_come_first_in_the_order_of_the_pixels(tmp_path: Path) -> None:
    path = saved(tmp_path, images=COLOUR, test_images=COLOUR[:2], test_labels=LABELS[:2].astype(np.int8))
    dataset = load(path)

    assert dataset.image_shape == (3, 4, 5)
    assert np.array_equal(dataset.test_images, COLOUR[:2].transpose(0, 3, 1, 2).reshape(2, 60))
    assert dataset.test_labels.tolist() == [0, 1]
    assert len(dataset.train_images) == 24


def test_arrays_in_the_order_of_fortran_are_the_same(tmp_path: Path) -> None:
    first = load(saved(tmp_path)).digest

    assert load(saved(tmp_path, images=np.asfortranarray(GREY))).digest == first


def test_class_names_are_those_of_the_file(tmp_path: Path) -> None:
    names = np.array(["ant", "bee", "cat", "dog"])

    assert load(saved(tmp_path, class_names=names)).class_names == tuple(names)


def test_the_specification_reads_no_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path)
    monkeypatch.setattr("swath.datasets.npz_file._flat", None)

    spec = spec_of(KEY, str(path))

    assert (spec.image_shape, spec.train_images, spec.test_images) == ((1, 4, 5), 21, 3)


def test_the_cache_answers_until_the_file_changes(tmp_path: Path) -> None:
    first, again = load(saved(tmp_path)), load(tmp_path / "data.npz")
    changed = load(saved(tmp_path, images=GREY // 2))

    assert first.digest == again.digest != changed.digest
    assert first.is_intact() and again.is_intact() and changed.is_intact()


def test_a_file_that_changes_between_its_headers_and_its_images_is_refused(tmp_path: Path) -> None:
    spec = spec_of(KEY, str(saved(tmp_path)))
    saved(tmp_path, images=GREY[:12], labels=LABELS[:12])

    with pytest.raises(DataError, match="has changed since its headers were read"):
        spec.load()


def test_the_digest_covers_the_shape(tmp_path: Path) -> None:
    first = load(saved(tmp_path)).digest

    assert load(saved(tmp_path, images=GREY.reshape(24, 5, 4))).digest != first


def test_swath_data_dir_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWATH_DATA_DIR", str(saved(tmp_path)))

    assert load_dataset(KEY).source == "SWATH_DATA_DIR"


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^data=npz: no \.npz file is named; give it as data\.dir"):
        spec_of(KEY)
    assert "there is no such file" in refused(tmp_path / "nowhere.npz")
    assert "there is no such file" in refused(Path("a\0b"))
    assert "it is a folder" in refused(tmp_path)


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"images": None}, "no array images: it has labels"),
        ({"x_train": GREY}, "unknown array x_train"),
        ({"test_images": GREY}, "test_images and test_labels: expected both or none"),
        ({"images": GREY.astype(float)}, "images is float64 [24, 4, 5]; expected uint8 [n, rows"),
        ({"images": GREY.reshape(24, 20)}, "images is uint8 [24, 20]"),
        ({"images": COLOUR[..., :2]}, "images is uint8 [24, 4, 5, 2]"),
        ({"images": GREY[:0], "labels": LABELS[:0]}, "images is uint8 [0, 4, 5]; expected 1 to"),
        ({"images": np.zeros((1, 2, 1025), np.uint8)}, "images is uint8 [1, 2, 1025]; expected 1 to"),
        ({"labels": LABELS[:5]}, "labels is int64 [5]; expected whole numbers [24]"),
        ({"labels": LABELS.astype(float)}, "labels is float64 [24]"),
        ({"labels": LABELS - 1}, "labels has -1 to 1; expected 0 to 255"),
        ({"labels": LABELS + 254}, "labels has 254 to 256"),
        ({"labels": LABELS * 0}, "labels has 1 classes, expected 2 to 256"),
        ({"class_names": np.array(["a", "b"])}, "class_names has 2 names, but there is a label 2"),
        ({"class_names": np.array(["a", "b", "a"])}, "class_names: two classes have the name 'a'"),
        ({"class_names": np.array(["a", "b", "\x1b"])}, "cannot be the name of a class"),
        ({"class_names": np.arange(3)}, "class_names is int64 [3]; expected texts"),
        ({"class_names": np.array(["x" * 1001, "b", "c"])}, "class_names is <U1001 [3]"),
        ({"images": np.array([{}] * 24)}, "images is object [24], which is no plain array"),
        ({"labels": np.array([print] * 24)}, "labels is object [24], which is no plain array"),
        ({"test_images": COLOUR, "test_labels": LABELS}, "test_images are of shape [3, 4, 5], images of [1,"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_other_arrays_are_refused(arrays: dict[str, Any], reason: str, tmp_path: Path) -> None:
    path = saved(tmp_path, **arrays)

    assert refused(path).startswith(f"{path}: ")
    assert reason in refused(path)


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (npy(GREY)[:-1], "images has 607 bytes, not those of uint8 [24, 4, 5]"),
        (npy(GREY).replace(b"(24, 4, 5)", b"(24, -4, 5)"), "no plain array"),
        (npy(GREY).replace(b"(24, 4, 5)", b"(2 ** 9**9)"), "damaged"),
        (npy(GREY).replace(b"'|u1'", b"'|O8'"), "object"),
        (npy(GREY).replace(b"\x93NUMPY\x01", b"\x93NUMPY\x09"), "version (9, 0)"),
        (b"not an array", "damaged"),
        (b"", "damaged"),
    ],
    ids=["short", "negative", "expression", "object", "version", "text", "empty"],
)
def test_a_damaged_array_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as archive:
        archive.writestr("images.npy", content)
        archive.writestr("labels.npy", npy(LABELS))

    assert reason in refused(tmp_path / "data.npz")


def test_a_small_file_that_unpacks_to_any_size_is_refused_by_its_header(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "data.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", npy(GREY) + bytes(50_000_000))
        archive.writestr("labels.npy", npy(LABELS))

    assert "images has 50,000,608 bytes, not those of uint8 [24, 4, 5]" in refused(tmp_path / "data.npz")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), compressed=st.booleans())
def test_a_damaged_file_is_refused_or_well_formed(
    data: st.DataObject, compressed: bool, tmp_path: Path
) -> None:
    path = saved(tmp_path, compressed=compressed, class_names=np.array(["a", "b", "c"]))
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=6)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))]))

    try:
        found = load(path)
    except DataError as error:
        assert "\n" not in str(error)
    else:
        assert len(found.train_images) == len(found.train_labels)
        assert found.train_images.dtype == found.train_labels.dtype == np.uint8
        assert found.train_labels.max() < found.num_classes


def test_lack_of_memory_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "images.npz"
    np.savez(path, images=np.zeros((2, 4, 4), np.uint8), labels=np.array([0, 1]))

    def too_large(_: object) -> None:
        raise MemoryError

    with pytest.raises(DataError, match=r"^not enough memory to read .*images\.npz"):
        _with_members(path, too_large)
