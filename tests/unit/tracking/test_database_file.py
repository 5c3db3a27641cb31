"""The database file of a store, and whether it is writable."""

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
        ("sqlite:///", None),
        ("sqlite:///b.db?timeout=3", Path.cwd() / "b.db"),
        ("sqlite:///a%20b%3F.db", Path.cwd() / "a b?.db"),
        ("sqlite+pysqlite:////a/b.db", Path("/a/b.db")),
        ("postgresql://user:word@host/name", None),
        ("http://127.0.0.1:5000", None),
        ("file:///a/mlruns", None),
        ("mlruns", None),
    ],
)
def test_database_file_of_a_store_address(uri: str, path: Path | None) -> None:
    assert database_file(uri) == path


def test_check_does_not_create_missing_folders(tmp_path: Path) -> None:
    check_writable(f"sqlite:///{tmp_path}/a/b/c.db")
    assert list(tmp_path.iterdir()) == []


def test_folder_in_place_of_the_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        SwathError, match=r"cannot be opened or made in .*\(Is a directory\); run swath in a folder"
    ):
        check_writable(f"sqlite:///{tmp_path}")


def test_file_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SwathError, match=r"\(Not a directory\)"):
        check_writable(f"sqlite:///{tmp_path}/file/x.db")
