"""Places of artifacts that are tried before anything is stored."""

import errno
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from mlflow.store.artifact import artifact_repository_registry
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from support.waiting import query_store

from swath.errors import AwayError, SwathError
from swath.tracking import StoreAddress, artifact_place
from swath.tracking.artifact_place import check_artifact_place, kind_of
from swath.tracking.store import RunStore


def test_driver_that_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(SwathError, match=r"s3://bucket/x needs boto3, .* type: pip install 'swath\[s3\]'"):
        RunStore().open(StoreAddress(f"sqlite:///{tmp_path}/mlflow.db", "swath", "s3://bucket/x"))
    assert query_store(tmp_path, "select name from experiments") == [("Default",)]


def test_folder_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SwathError, match=r"cannot be written to .*/file/x \(Not a directory: .*/file\)"):
        check_artifact_place(str(tmp_path / "file" / "x"), "sqlite://")


def test_folder_on_a_read_only_file_system() -> None:
    with pytest.raises(
        SwathError, match=r"artifacts cannot be written to /proc/swath/x .*; make it writable"
    ):
        check_artifact_place("/proc/swath/x", "sqlite://")


def test_folder_that_can_be_written_is_not_made(tmp_path: Path) -> None:
    check_artifact_place(str(tmp_path / "new" / "folder"), "sqlite://")
    assert list(tmp_path.iterdir()) == []


class Place(LocalArtifactRepository):
    """A place that is not known to be a folder."""

    refuses_deletion = False
    waits = threading.Event()

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        self.waits.wait()
        super().log_artifact(local_file, artifact_path)

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        if self.refuses_deletion:
            raise PermissionError("not allowed")
        super().delete_artifacts(artifact_path)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def repository(location: str, tracking_uri: str) -> Place:
        return Place(str(tmp_path))

    monkeypatch.setattr(artifact_repository_registry, "get_artifact_repository", repository)
    monkeypatch.setattr(Place, "waits", threading.Event())
    Place.waits.set()
    return tmp_path


def test_what_was_tried_is_removed(place: Path) -> None:
    check_artifact_place("other://place", "sqlite://")
    assert list(place.iterdir()) == []


def test_place_that_lets_nothing_be_deleted_is_good_enough(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Place, "refuses_deletion", True)
    check_artifact_place("other://place", "sqlite://")
    (left,) = place.iterdir()
    assert left.name.startswith("swath-was-here-")


def test_place_that_does_not_answer(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifact_place, "LIMIT_S", 0.3)
    Place.waits.clear()
    started = time.monotonic()
    with pytest.raises(SwathError, match=r"other://place: no answer within 0.3 s; is the place right"):
        check_artifact_place("other://place", "sqlite://")
    assert time.monotonic() - started < 5
    Place.waits.set()


def answered(status: int) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError("words", response=response)


def of_botocore(status: int) -> Exception:
    exceptions = pytest.importorskip("botocore.exceptions", reason="boto3 is not installed: swath[s3]")
    answer = {"Error": {"Code": "C", "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    found: Exception = exceptions.ClientError(answer, "PutObject")
    return found


def wrapped(error: Exception) -> Exception:
    """As boto3 does: without telling the cause."""
    try:
        try:
            raise error
        except Exception:
            raise ValueError("Failed to upload a file")  # noqa: B904
    except ValueError as outer:
        return outer


@pytest.mark.parametrize(
    ("make", "passes"),
    [
        (lambda: requests.ConnectionError("no route"), True),
        (lambda: requests.ReadTimeout("slow"), True),
        (lambda: wrapped(requests.ConnectionError("no route")), True),
        (lambda: answered(503), True),
        (lambda: answered(403), False),
        (lambda: of_botocore(503), True),
        (lambda: wrapped(of_botocore(404)), False),
        (lambda: OSError(errno.ESTALE, "Stale file handle"), True),
        (lambda: PermissionError(errno.EACCES, "Permission denied"), False),
    ],
)
def test_which_failures_of_a_place_pass(make: Callable[[], Exception], passes: bool) -> None:
    assert kind_of(make()) is (AwayError if passes else SwathError)
