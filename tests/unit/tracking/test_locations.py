"""The short way to see that files are where their store keeps them gives the answer of the long one."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swath.tracking.locations import ExperimentFolder

RUN = "a" * 32


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of a run, beside a database and in another place."""
    folder = tmp_path_factory.mktemp("store")
    for place in ("mlruns/1", "other/1", "a#b", "elsewhere/mlruns/1"):
        (folder / place / RUN / "artifacts").mkdir(parents=True)
    return folder


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["mlruns/1", "other/1", "a#b", "elsewhere/mlruns/1", "a%20b"]),
    st.sampled_from([None, "mlflow.db", "elsewhere/mlflow.db"]),
    st.sampled_from(["mlruns/1", "other/1", "a#b", "a%23b", "elsewhere/mlruns/1", "mlruns/10", "nowhere"]),
    st.sampled_from(["", "file://", "http://host"]),
    st.sampled_from([RUN, "b" * 32, ""]),
    st.sampled_from(["artifacts", "", "50%25", "x?y"]),
)
def test_short_and_long_way_agree(
    store: Path, recorded: str, home: str | None, place: str, scheme: str, owner: str, inside: str
) -> None:
    where = None if home is None else store / home
    short, long = (ExperimentFolder(store / "mlflow.db", "1", store / recorded, where) for _ in range(2))
    long.__dict__["_own"] = None  # every location is looked at
    location = f"{scheme}{store}/{place}/{owner}/{inside}"
    assert short.beside_of(location, RUN) == long.beside_of(location, RUN)


def test_location_of_the_stores_own_files_is_not_looked_at(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ExperimentFolder(store / "mlflow.db", "1", store / "mlruns/1", None)
    own = f"{store}/mlruns/1/{RUN}/artifacts"
    assert folder.beside_of(own, RUN) is None
    monkeypatch.setattr("swath.tracking.locations.local_path", lambda location: pytest.fail(location))
    assert folder.beside_of(own, RUN) is None
