"""The file of a store, and whether it can be written."""

from pathlib import Path

import pytest

from swath.errors import SwathError
from swath.tracking.mlflow_setup import check_writable, database_file


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("sqlite:////a/b.db", Path("/a/b.db")),
        ("sqlite:///b.db", Path.cwd() / "b.db"),
        ("sqlite://", None),
        ("sqlite:///:memory:", None),
        ("postgresql://user:word@host/name", None),
        ("http://127.0.0.1:5000", None),
        ("file:///a/mlruns", None),
        ("mlruns", None),
    ],
)
def test_file_of_a_store(uri: str, path: Path | None) -> None:
    assert database_file(uri) == path


def test_missing_folders_are_made_later(tmp_path: Path) -> None:
    check_writable(f"sqlite:///{tmp_path}/a/b/c.db")
    assert list(tmp_path.iterdir()) == []


def test_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(
        SwathError, match=r"cannot be opened or made in .*\(Is a directory\); run swath in a folder"
    ):
        check_writable(f"sqlite:///{tmp_path}")


def test_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SwathError, match=r"\(Not a directory\)"):
        check_writable(f"sqlite:///{tmp_path}/file/x.db")
