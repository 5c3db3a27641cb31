"""Reading batches out of a tar archive."""

import gzip
import io
import tarfile

import pytest

from swath.datasets import cifar as archive_module
from swath.datasets.cifar import read_archive
from swath.errors import DataError

META = "cifar-10-batches-py/batches.meta"
LINKS = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE)


def tar_of(path, *members):
    """Write a tar archive of (name, size or content or type of link)."""
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


def test_members_come_without_their_folder(tmp_path):
    path = tar_of(tmp_path / "a.tar.gz", (META, b"x" * 100))

    assert next(read_archive(path)) == ("batches.meta", b"x" * 100)


def test_a_real_archive_has_all_seven_files(archive, batches_dir):
    sizes = {file.name: file.stat().st_size for file in (batches_dir / "cifar-10-batches-py").iterdir()}

    assert {name: len(content) for name, content in read_archive(archive)} == sizes


@pytest.mark.parametrize(
    "name", ["batches.meta", "./" + META, "/" + META, "../" + META, "x/" + META, META + "/", META.upper()]
)
def test_members_of_other_names_are_passed_over(tmp_path, name):
    path = tar_of(tmp_path / "a.tar.gz", (name, b"x" * 100))

    with pytest.raises(DataError, match=r"batches\.meta.*not found in the archive"):
        list(read_archive(path))


@pytest.mark.parametrize("kind", LINKS)
def test_a_member_that_is_not_a_regular_file_is_refused(tmp_path, kind):
    path = tar_of(tmp_path / "a.tar.gz", (META, kind))

    with pytest.raises(DataError, match="not a regular file"):
        list(read_archive(path))


@pytest.mark.parametrize("size", [0, 99, 65_537])
def test_a_member_of_an_implausible_size_is_refused(tmp_path, size):
    path = tar_of(tmp_path / "a.tar.gz", (META, b"x" * size))

    with pytest.raises(DataError, match=rf"^batches\.meta has {size:,} bytes"):
        list(read_archive(path))


def test_an_archive_that_unpacks_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_module, "MAX_BYTES", 1_000_000)
    path = tar_of(tmp_path / "a.tar.gz", ("filler", b"x" * 4_000_000), (META, b"x" * 100))

    with pytest.raises(DataError, match="unpacks to more than 1,000,000 bytes"):
        list(read_archive(path))


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", gzip.compress(b"no tar"), gzip.compress(b"x" * 9_999)[:-9]],
    ids=["empty", "a page", "no tar", "cut short"],
)
def test_a_file_that_is_no_archive_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "a.tar.gz").write_bytes(content)

    with pytest.raises(DataError, match="archive") as error:
        list(read_archive(tmp_path / "a.tar.gz"))

    assert "\n" not in str(error.value)


def test_an_archive_that_is_cut_short_is_refused(tmp_path, archive):
    (tmp_path / "a.tar.gz").write_bytes(archive.read_bytes()[:50_000_000])

    with pytest.raises(DataError, match="cannot read the archive"):
        list(read_archive(tmp_path / "a.tar.gz"))


def test_nothing_is_unpacked_to_disk(tmp_path):
    path = tar_of(tmp_path / "a.tar.gz", (META, b"x" * 100))

    next(read_archive(path))

    assert list(tmp_path.iterdir()) == [path]
