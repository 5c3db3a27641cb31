"""Atomic writes."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from swath.system import atomic_write

WRITE_AND_DIE = """
import os, signal, sys
from pathlib import Path
from swath.system import atomic_write

def die_half_way(part):
    part.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)

atomic_write(Path(sys.argv[1]), die_half_way)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    "content", ["grün\n", "grün\n".encode(), lambda part: part.write_bytes("grün\n".encode())]
)
def test_text_bytes_and_functions_write_the_whole_file(tmp_path: Path, content: str) -> None:
    atomic_write(tmp_path / "file", content)

    assert (tmp_path / "file").read_bytes() == "grün\n".encode()
    assert names(tmp_path) == ["file"]


def test_previous_content_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")

    atomic_write(tmp_path / "file", "new", durable=True)

    assert (tmp_path / "file").read_text() == "new"


def test_readers_see_the_previous_content_while_the_new_one_is_written(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")
    seen = []

    def write(part: Path) -> None:
        part.write_text("new")
        seen.append(target.read_text())

    atomic_write(target, write)

    assert seen == ["old"]


def test_failed_write_leaves_the_previous_content_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")

    def fail(part: Path) -> None:
        part.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        atomic_write(tmp_path / "file", fail)

    assert (tmp_path / "file").read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_missing_folder_raises_the_error_of_the_write(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(NotADirectoryError):
        atomic_write(tmp_path / "file" / "below", "text")


def test_existing_file_can_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("first")

    atomic_write(tmp_path / "file", "second", keep_existing=True)

    assert (tmp_path / "file").read_text() == "first"
    assert names(tmp_path) == ["file"]


def test_missing_file_is_written_even_if_existing_ones_are_kept(tmp_path: Path) -> None:
    atomic_write(tmp_path / "file", "first", keep_existing=True)

    assert (tmp_path / "file").read_text() == "first"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("existing", [None, "first"])
def test_keeping_existing_files_works_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, existing: str | None
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no links on this file system")

    monkeypatch.setattr(os, "link", refuse)
    if existing is not None:
        (tmp_path / "file").write_text(existing)

    atomic_write(tmp_path / "file", "second", keep_existing=True)

    assert (tmp_path / "file").read_text() == (existing or "second")
    assert names(tmp_path) == ["file"]


def test_killed_writer_leaves_no_file_under_the_final_name(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", WRITE_AND_DIE, tmp_path / "file"])

    assert len(names(tmp_path)) == 1
    assert not (tmp_path / "file").exists()


def test_next_write_in_a_folder_removes_files_of_a_killed_writer(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", WRITE_AND_DIE, tmp_path / "file"])

    atomic_write(tmp_path / "another", "text")

    assert names(tmp_path) == ["another"]


def test_temporary_file_of_a_running_writer_is_kept(tmp_path: Path) -> None:
    seen = []

    def write(part: Path) -> None:
        part.write_text("outer")
        atomic_write(tmp_path / "inner", "inner")
        seen.extend(names(tmp_path))

    atomic_write(tmp_path / "outer", write)

    assert len(seen) == 2 and names(tmp_path) == ["inner", "outer"]


def test_temporary_files_of_other_machines_and_other_files_are_kept(tmp_path: Path) -> None:
    others = ["file.0123abcd-1-89abcdef.part", "notes.part", "file.part"]
    for name in others:
        (tmp_path / name).touch()

    atomic_write(tmp_path / "file", "text")

    assert names(tmp_path) == sorted(["file", *others])


def test_concurrent_writers_leave_one_complete_content(tmp_path: Path) -> None:
    contents = [letter * 100_000 for letter in "abcdefgh"]
    threads = [
        threading.Thread(target=atomic_write, args=(tmp_path / "file", content)) for content in contents
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (tmp_path / "file").read_text() in contents
    assert names(tmp_path) == ["file"]
