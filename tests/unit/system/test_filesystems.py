"""A file is local only if the file system at the longest mount point above it is known to be."""

from pathlib import Path

import pytest

from swath.system import filesystems, is_local


@pytest.fixture(autouse=True)
def mounts(monkeypatch: pytest.MonkeyPatch) -> None:
    found = (
        (Path("/"), "ext4"),
        (Path("/home"), "nfs4"),
        (Path("/home/me/disk"), "xfs"),
        (Path("/later"), "ext4"),
        (Path("/later"), "fuse.sshfs"),
    )
    monkeypatch.setattr(filesystems, "_mounts", lambda: found)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/var/cache/x", True),
        ("/home/me/.cache/swath/x", False),
        ("/home/me/disk/x", True),
        ("/homes/x", True),
        ("/later/x", False),
    ],
)
def test_the_nearest_mount_decides(path: str, expected: bool) -> None:
    assert is_local(Path(path)) == expected


def test_nothing_known_is_not_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystems, "_mounts", tuple)
    assert not is_local(Path("/var/cache/x"))
