"""What all tests share: a cache of their own, and CIFAR-10 where it is at hand."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from support.forks import OF_THE_USER, start_servers

UNPACK = Path(__file__).resolve().parents[2] / "shared" / "data" / "unpack_cifar10.py"


def pytest_configure(config: pytest.Config) -> None:
    """Tests that run in several processes share those that their commands are forked from."""
    if getattr(config.option, "numprocesses", None):
        start_servers()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first, so that the others fill the time beside it."""
    items.sort(key=lambda item: "tests/torture/" not in item.nodeid)


@pytest.fixture(scope="session", autouse=True)
def nothing_of_the_users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests see neither the user's cache nor the user's tracking store."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SWATH_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        for name in OF_THE_USER:
            patch.delenv(name, raising=False)
        # What follows a command takes seconds, and would write into stores that a test is reading.
        patch.setenv("SWATH_POSTPROCESS", "off")
        yield


@pytest.fixture(scope="session")
def cifar10_dir() -> Path:
    """A folder that holds `cifar-10-batches-py/`: $SWATH_TEST_CIFAR10, or images kept beside the checkout."""
    given = os.environ.get("SWATH_TEST_CIFAR10")
    if given:
        return Path(given)
    if not UNPACK.exists():
        pytest.skip("no CIFAR-10 at hand; SWATH_TEST_CIFAR10=FOLDER names one")
    folder = Path(tempfile.gettempdir()) / "swath-test-cifar10"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "lock"):  # the processes of a parallel test run start together
        subprocess.run([sys.executable, str(UNPACK), str(folder)], check=True, capture_output=True)
    return folder
