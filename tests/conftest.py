"""Fixtures for all tests: an isolated cache, and CIFAR-10 if it is available."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings
from support.forks import USER_VARIABLES, start_servers

# Machines of tests are shared: how long an example takes says nothing.
settings.register_profile("swath", deadline=None)
settings.load_profile("swath")

UNPACK = Path(__file__).resolve().parents[2] / "shared" / "data" / "unpack_cifar10.py"


def pytest_configure(config: pytest.Config) -> None:
    """Start the fork servers before the workers of a parallel test run, so that they share them."""
    if getattr(config.option, "numprocesses", None):
        start_servers()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slowest tests first, so that the others fill the remaining time of parallel runs."""
    items.sort(key=lambda item: "tests/torture/" not in item.nodeid)


@pytest.fixture(scope="session", autouse=True)
def isolated_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hide the user's cache and tracking store from the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SWATH_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        for name in USER_VARIABLES:
            patch.delenv(name, raising=False)
        # Postprocessing takes seconds, and would write to stores that a test is reading.
        patch.setenv("SWATH_POSTPROCESS", "off")
        patch.delenv("COLUMNS", raising=False)
        yield


@pytest.fixture(scope="session")
def cifar10_dir() -> Path:
    """Folder with `cifar-10-batches-py/`: $SWATH_TEST_CIFAR10, or a copy next to the checkout."""
    given = os.environ.get("SWATH_TEST_CIFAR10")
    if given:
        return Path(given)
    if not UNPACK.exists():
        pytest.skip("no CIFAR-10 at hand; SWATH_TEST_CIFAR10=FOLDER names one")
    folder = Path(tempfile.gettempdir()) / "swath-test-cifar10"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "lock"):  # the workers of a parallel test run start together
        subprocess.run([sys.executable, str(UNPACK), str(folder)], check=True, capture_output=True)
    return folder
