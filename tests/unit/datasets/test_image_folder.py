"""Folders of one's own images: what is found in them, how it is split and read, and what is refused."""

import io
import os
import struct
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from support.pictures import picture, write_pictures

from swath.datasets import DataKey, Dataset, forget_files, load_dataset, spec_of
from swath.datasets.image_files import read_image
from swath.datasets.image_folder import MOST_FILE_BYTES, find_images
from swath.errors import DataError

CLASSES = {"cats": 60, "dogs": 120, "owls": 200}
KEY = DataKey("images", 4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with twelve images of each of three classes."""
    return write_pictures(tmp_path / "pictures", CLASSES)


@pytest.fixture
def split_folder(tmp_path: Path) -> Path:
    """A folder with train/ and test/."""
    write_pictures(tmp_path / "split" / "train", CLASSES, 3)
    write_pictures(tmp_path / "split" / "test", {"dogs": 120}, 2)
    return tmp_path / "split"


def load(folder: Path, key: DataKey = KEY) -> Dataset:
    forget_files()
    return load_dataset(key, str(folder))


def refused(folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        load(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_sizes_and_classes_are_known_without_opening_an_image(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        for number in range(7):
            (tmp_path / name / f"{number}.PNG").write_bytes(b"no image")

    spec = find_images(str(tmp_path), 5)

    assert (spec.image_shape, spec.class_names) == ((3, 5, 5), ("a", "b"))
    assert (spec.train_images, spec.test_images) == (12, 2)


def test_images_are_resized_and_have_the_labels_of_their_folders(folder: Path) -> None:
    dataset = load(folder)

    assert dataset.train_images.shape == (30, 48)
    assert dataset.train_labels.dtype == dataset.train_images.dtype == np.uint8
    brightness = [dataset.train_images[dataset.train_labels == label].mean() for label in range(3)]
    assert np.allclose(brightness, list(CLASSES.values()), atol=5)
    assert dataset.source == "data.dir"


def test_a_sixth_of_each_class_are_test_images(folder: Path) -> None:
    assert Counter(load(folder).test_labels.tolist()) == {0: 2, 1: 2, 2: 2}


def test_the_last_training_images_hold_every_class_in_proportion(folder: Path) -> None:
    assert Counter(load(folder).train_labels[-15:].tolist()) == {0: 5, 1: 5, 2: 5}


def test_the_split_of_a_class_does_not_depend_on_the_other_classes(folder: Path) -> None:
    before = {path for path, label in find_images(str(folder), 4).test if label == 0}
    write_pictures(folder, {"ants": 10})

    assert {path for path, label in find_images(str(folder), 4).test if label == 1} == before


def test_test_images_may_lie_in_a_folder_of_their_own(split_folder: Path) -> None:
    dataset = load(split_folder)

    assert Counter(dataset.train_labels.tolist()) == {0: 3, 1: 3, 2: 3}
    assert dataset.test_labels.tolist() == [1, 1]
    assert dataset.class_names == ("cats", "dogs", "owls")


def test_the_cache_answers_until_a_file_changes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(folder)
    with monkeypatch.context() as patch:
        patch.setattr("swath.datasets.image_files.read_dataset", None)
        again = load(folder)
    Image.fromarray(picture(0, 0)).save(folder / "owls" / "3.png")
    changed = load(folder)

    assert again.digest == first.digest
    assert again.class_names == first.class_names
    assert again.is_intact() and changed.is_intact()
    assert changed.digest != first.digest


@pytest.mark.parametrize("change", ["size", "class name", "order of classes"])
def test_the_digest_covers_size_and_classes(change: str, folder: Path) -> None:
    first, key = load(folder).digest, KEY
    if change == "size":
        key = DataKey("images", 5)
    elif change == "class name":
        (folder / "cats").rename(folder / "cat")
    else:
        (folder / "cats").rename(folder / "zebras")

    assert load(folder, key).digest != first


def test_equal_images_elsewhere_have_the_same_digest(folder: Path, tmp_path: Path) -> None:
    first = load(folder).digest
    folder.rename(tmp_path / "elsewhere")

    assert load(tmp_path / "elsewhere").digest == first


def test_swath_data_dir_names_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWATH_DATA_DIR", str(folder))

    assert load_dataset(KEY).source == "SWATH_DATA_DIR"


def test_a_folder_is_looked_at_once_in_a_command(folder: Path) -> None:
    first = spec_of(KEY, str(folder))
    write_pictures(folder, {"ants": 10})
    assert spec_of(KEY, str(folder)) is first
    forget_files()
    assert spec_of(KEY, str(folder)).num_classes == 4


def test_hidden_files_are_ignored(folder: Path) -> None:
    first = load(folder).digest
    for name in (".DS_Store", "cats/.DS_Store", "cats/Thumbs.db", "README.txt"):
        (folder / name).write_text("hidden")
    (folder / ".git").mkdir()

    assert load(folder).digest == first


def test_no_folder_is_named() -> None:
    with pytest.raises(DataError, match=r"data=images: no folder of images is named; give it as data.dir"):
        spec_of(KEY, None)


def test_what_is_no_folder_of_classes_is_refused(folder: Path, tmp_path: Path) -> None:
    assert "there is no such folder" in refused(tmp_path / "nowhere")
    assert "it is not a folder" in refused(folder / "cats" / "1.png")
    assert "null" in refused(Path("a\0b"))
    assert "1.png, 11.png, 3.png and 3 more in" in refused(_only_png(folder / "cats"))
    (tmp_path / "empty").mkdir()
    assert "has 0 classes, expected 2 to 256" in refused(tmp_path / "empty")


def _only_png(folder: Path) -> Path:
    for file in folder.glob("*.jpg"):
        file.unlink()
    return folder


def test_files_that_are_no_images_are_named_together(folder: Path) -> None:
    (folder / "cats" / "notes.txt").write_text("about cats")
    (folder / "dogs" / "more").mkdir()
    os.mkfifo(folder / "owls" / "pipe.png")

    assert refused(folder).startswith("cats/notes.txt, dogs/more/, owls/pipe.png in ")


def test_a_class_without_images_is_refused(folder: Path) -> None:
    (folder / "ants").mkdir()

    assert refused(folder).startswith("ants/ in ")


def test_a_class_that_is_tested_only_is_refused(split_folder: Path) -> None:
    write_pictures(split_folder / "test", {"ants": 3}, 1)
    assert refused(split_folder).startswith("ants in ")


def test_other_folders_beside_train_and_test_are_refused(split_folder: Path) -> None:
    (split_folder / "val").mkdir()
    assert refused(split_folder).startswith("val in ")


@pytest.mark.parametrize("name", ["class_name", "two\nlines", "\x1b[31m"])
def test_a_class_whose_name_cannot_be_shown_is_refused(name: str, folder: Path) -> None:
    write_pictures(folder, {name: 0}, 1)
    assert f"{name!r} cannot be the name of a class" in refused(folder)


def test_one_image_of_each_class_is_too_little(tmp_path: Path) -> None:
    assert "two or more of a class" in refused(write_pictures(tmp_path / "few", CLASSES, 1))


@pytest.mark.parametrize("size", [0, MOST_FILE_BYTES + 1])
def test_an_empty_or_huge_file_is_refused_before_it_is_read(size: int, folder: Path) -> None:
    with (folder / "dogs" / "5.png").open("wb") as file:
        file.truncate(size)  # a sparse file

    assert refused(folder).startswith("dogs/5.png in ")


def png(columns: int, rows: int, *, data: bytes = b"") -> bytes:
    """A grey PNG whose header declares any size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no image", "it is no PNG or JPEG image"),
        (encoded(Image.fromarray(picture(9, 0)), "GIF"), "it is no PNG or JPEG image"),
        (encoded(Image.fromarray(picture(9, 0)))[:-40], "or is damaged"),
        (encoded(Image.fromarray(picture(9, 0)), "JPEG")[:-40], "or is damaged"),
        (png(8_000, 8_000), "has more than 50,000,000 pixels"),
        (png(12_000, 12_000), "has more than 50,000,000 pixels"),
        (png(60_000, 60_000), "has more than 50,000,000 pixels"),
        (png(6, 8), "or is damaged"),
        (encoded(Image.fromarray(np.zeros((4, 4), np.uint16))), "has more than 8 bits a channel"),
    ],
    ids=["text", "gif", "cut png", "cut jpeg", "large", "larger", "largest", "no data", "16 bits"],
)
@pytest.mark.filterwarnings("error")
def test_a_file_that_is_no_plain_image_is_named(content: bytes, reason: str, folder: Path) -> None:
    (folder / "dogs" / "5.png").write_bytes(content)

    line = refused(folder)
    assert "dogs/5.png in " in line
    assert reason in line


@pytest.mark.parametrize(
    "image",
    [
        Image.new("1", (3, 5), 1),
        Image.new("L", (3, 5), 255),
        Image.new("LA", (3, 5), (255, 7)),
        Image.new("RGBA", (3, 5), (255, 255, 255, 7)),
        Image.new("RGB", (3, 5), "white").convert("P"),
    ],
    ids=lambda image: image.mode,
)
def test_every_mode_of_eight_bits_becomes_rgb(image: Image.Image, tmp_path: Path) -> None:
    image.save(tmp_path / "image.png")

    assert read_image(tmp_path, "image.png", 2).tolist() == [255] * 12


def test_pixels_are_in_the_order_channel_row_column(tmp_path: Path) -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    Image.fromarray(pixels).save(tmp_path / "image.png")

    assert read_image(tmp_path, "image.png", 2).tolist() == pixels.transpose(2, 0, 1).ravel().tolist()


def test_an_image_is_turned_as_its_camera_says(tmp_path: Path) -> None:
    upright = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(2, 2, 3))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    upright.transpose(Image.Transpose.ROTATE_180).save(tmp_path / "image.png", exif=exif)

    assert read_image(tmp_path, "image.png", 2)[:2].tolist() == [0, 3]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), kind=st.sampled_from(["PNG", "JPEG"]))
def test_a_damaged_image_is_refused_or_well_formed(data: st.DataObject, kind: str, tmp_path: Path) -> None:
    content = bytearray(encoded(Image.fromarray(picture(90, 0)), kind))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=6)):
        content[place] = data.draw(st.integers(0, 255))
    (tmp_path / "image.png").write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))]))

    try:
        found = read_image(tmp_path, "image.png", 4)
    except DataError as error:
        assert "\n" not in str(error)
    else:
        assert (found.shape, found.dtype) == ((48,), np.uint8)
