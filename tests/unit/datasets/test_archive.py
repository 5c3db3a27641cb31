"""Reading batches from a tar archive."""

import gzip
import io
import tarfile
from pathlib import Path

import pytest
from support.batches import SMALL

from swath.datasets.batch_files import read_files
from swath.errors import DataError

META = "cifar-10-batches-py/batches.meta"
LINKS = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE)


def tar_of(path: Path, *members: tuple[str, bytes]) -> Path:
    """Write a tar archive of (name, content or type of link)."""
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if content not in LINKS:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            else:
                info.type, info.linkname = content, "/etc/passwd"
                tar.addfile(info)
    return path


def read(path: Path) -> list[tuple[str, bytes]]:
    return list(read_files(SMALL.layout, path, SMALL.pixels))


def test_member_names_are_returned_without_their_folder(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "a.tar.gz", (META, b"x" * 100))

    assert next(read_files(SMALL.layout, path, SMALL.pixels)) == ("batches.meta", b"x" * 100)


def test_archive_contents_equal_the_seven_files(archive: Path, batches: Path) -> None:
    contents = {file.name: file.read_bytes() for file in batches.iterdir()}

    assert dict(read(archive)) == contents
    assert len(contents) == 7


@pytest.mark.parametrize(
    "name", ["batches.meta", "./" + META, "/" + META, "../" + META, "x/" + META, META + "/", META.upper()]
)
def test_members_of_other_names_are_ignored(tmp_path: Path, name: str) -> None:
    path = tar_of(tmp_path / "a.tar.gz", (name, b"x" * 100))

    with pytest.raises(DataError, match=r"batches\.meta.*not found in the archive"):
        read(path)


@pytest.mark.parametrize("kind", LINKS)
def test_a_member_that_is_not_a_regular_file_is_refused(tmp_path: Path, kind: bytes) -> None:
    path = tar_of(tmp_path / "a.tar.gz", (META, kind))

    with pytest.raises(DataError, match="not a regular file"):
        read(path)


@pytest.mark.parametrize("size", [0, 99, 65_537])
def test_a_member_of_an_implausible_size_is_refused(tmp_path: Path, size: int) -> None:
    path = tar_of(tmp_path / "a.tar.gz", (META, b"x" * size))

    with pytest.raises(DataError, match=rf"^batches\.meta has {size:,} bytes"):
        read(path)


def test_archive_with_an_implausible_unpacked_size_is_refused(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "a.tar.gz", ("filler", b"x" * 4_000_000), (META, b"x" * 100))

    with pytest.raises(DataError, match="unpacks to more than 1,142,336 bytes"):
        read(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", gzip.compress(b"no tar"), gzip.compress(b"x" * 9_999)[:-9]],
    ids=["empty", "a page", "no tar", "cut short"],
)
def test_file_that_is_not_an_archive_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tar.gz").write_bytes(content)

    with pytest.raises(DataError, match="archive") as error:
        read(tmp_path / "a.tar.gz")

    assert "\n" not in str(error.value)


def test_truncated_archive_is_refused(tmp_path: Path, archive: Path) -> None:
    content = archive.read_bytes()
    (tmp_path / "a.tar.gz").write_bytes(content[: len(content) // 3])

    with pytest.raises(DataError, match="cannot read the archive"):
        read(tmp_path / "a.tar.gz")


def test_reading_an_archive_writes_nothing_to_disk(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "a.tar.gz", (META, b"x" * 100))

    next(read_files(SMALL.layout, path, SMALL.pixels))

    assert list(tmp_path.iterdir()) == [path]
