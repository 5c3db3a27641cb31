"""The place of an experiment's artifacts, tried before anything is trained."""

import re
import tempfile
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

from swath.errors import AwayError, SwathError, passes
from swath.system import hide_passwords
from swath.tracking.databases import how_to_install
from swath.tracking.locations import local_path
from swath.tracking.mlflow_setup import is_unreachable

AWAY = frozenset(
    {"ConnectionError", "HTTPClientError", "MaxRetryError", "ServerError", "Timeout", "TimeoutError"}
    | {"ServiceRequestError", "ServiceResponseError"}
)
"""Classes of errors, by name, with which libraries of object stores say that nobody answers."""


LIMIT_S = 8
"""Seconds for writing and deleting a file; libraries of object stores try for minutes."""


ANOTHER = "name another place for a new experiment: tracking.artifact_location=PLACE tracking.experiment=NAME"


def check_artifact_place(location: str, uri: str) -> None:
    """Write a small file to a place of artifacts and delete it.

    A local folder need not exist; it is not made.

    Args:
      location: artifact location of an experiment.
      uri: address of the store; a server passes files on.

    Raises:
      AwayError: it does not answer, or not within `LIMIT_S` seconds.
      SwathError: nothing can be written there.
    """
    shown = hide_passwords(location)
    folder = local_path(location)
    if folder is not None:
        _check_folder(folder.absolute())
        return
    failures: list[Exception] = []

    def attempt() -> None:
        try:
            _write_and_delete(location, uri)
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=attempt, name="swath-artifact-place", daemon=True)
    thread.start()
    thread.join(LIMIT_S)
    if thread.is_alive():
        raise AwayError(
            f"artifacts cannot be written to {shown}: no answer within {LIMIT_S} s; is the place right, and "
            f"reachable from here? Otherwise {ANOTHER}"
        )
    for error in failures:
        if isinstance(error, ImportError):
            raise SwathError(f"the artifact place {shown} {how_to_install(error)}") from error
        raise kind_of(error)(
            f"artifacts cannot be written to {shown}: {reason_of(error)}; make it writable, or {ANOTHER}"
        ) from error


def _check_folder(folder: Path) -> None:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        raise SwathError(
            f"artifacts cannot be written to {folder} ({error.strerror}: {existing}); make it writable, or "
            f"{ANOTHER}"
        ) from error


def _write_and_delete(location: str, uri: str) -> None:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    repository = get_artifact_repository(location, tracking_uri=uri)
    with tempfile.TemporaryDirectory(prefix="swath-") as folder:
        file = Path(folder, f"swath-was-here-{uuid.uuid4().hex}")
        file.write_bytes(b"swath tries whether this place can be written\n")
        repository.log_artifact(str(file))
        try:
            repository.delete_artifacts(file.name)
        except Exception:  # not every place lets files be deleted, and a run deletes none
            return


_ANSWER = re.compile(r"An error occurred \((\w+)\)[^:]*: (.*)")
"""How botocore words what an object store answers."""


def reason_of(error: Exception) -> str:
    """What a library of a place of artifacts says, in one line without passwords."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    if found := _ANSWER.search(text):
        return f"{found[1]}, {found[2].rstrip('.')}"
    return hide_passwords(text)


def kind_of(error: Exception) -> type[SwathError]:
    """The class of the error that stands for one of a place of artifacts: `AwayError` if it may pass."""
    return AwayError if any(_is_away(each) for each in _chain(error)) else SwathError


def _is_away(error: BaseException) -> bool:
    names = {each.__name__ for each in type(error).__mro__}
    if names & AWAY or passes(error) or (isinstance(error, Exception) and is_unreachable(error)):
        return True
    answer = getattr(error, "response", None)
    status = getattr(answer, "status_code", None)
    if isinstance(answer, dict):  # botocore's
        status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return isinstance(status, int) and (status >= 500 or status == 429)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what has caused it; boto3 tells the cause of few."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__ or error.__context__
