"""A full-size set of batches in the official layout, with random pixels."""

import io
import pickle
import struct
import tarfile

import numpy as np
import pytest

from swath.datasets import load_dataset

CLASS_NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
ROWS = 10_000


class Python2Pickler(pickle._Pickler):
    """Writes byte strings and names as Python 2 wrote them into the official files."""

    dispatch = pickle._Pickler.dispatch.copy()

    def save_bytes(self, value):
        self.write(pickle.BINSTRING + struct.pack("<i", len(value)) + value)
        self.memoize(value)

    dispatch[bytes] = save_bytes

    def save_global(self, value, name=None):
        module = value.__module__.replace("numpy._core", "numpy.core")
        self.write(pickle.GLOBAL + f"{module}\n{name or value.__qualname__}\n".encode())
        self.memoize(value)

    dispatch[type] = dispatch[type(len)] = dispatch[type(pytest.fixture)] = save_global

    def save_text(self, value):
        self.save_bytes(value.encode())

    dispatch[str] = save_text


def pickled(content):
    """The bytes that Python 2 would pickle a value to."""
    file = io.BytesIO()
    Python2Pickler(file, protocol=2).dump(content)
    return file.getvalue()


@pytest.fixture(scope="session")
def pickle_as_python_2():
    """Function: a value to the bytes that Python 2 would pickle it to."""
    return pickled


@pytest.fixture(scope="session")
def images_and_labels():
    """Random uint8 [60000, 3072] and uint8 [60000]; the last 10,000 are test images."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, size=(6 * ROWS, 3072), dtype=np.uint8)
    return images, generator.integers(0, 10, size=6 * ROWS, dtype=np.uint8)


@pytest.fixture(scope="session")
def batches_dir(tmp_path_factory, images_and_labels):
    """A folder that holds cifar-10-batches-py/; do not write into it."""
    directory = tmp_path_factory.mktemp("cifar10")
    folder = directory / "cifar-10-batches-py"
    folder.mkdir()
    images, labels = images_and_labels
    for index, name in enumerate([f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]):
        rows = slice(index * ROWS, (index + 1) * ROWS)
        content = {b"batch_label": name.encode(), b"labels": labels[rows].tolist(), b"data": images[rows]}
        (folder / name).write_bytes(pickled(content))
    meta = {b"num_cases_per_batch": ROWS, b"label_names": [name.encode() for name in CLASS_NAMES]}
    (folder / "batches.meta").write_bytes(pickled(meta))
    return directory


@pytest.fixture(scope="session")
def archive(tmp_path_factory, batches_dir):
    """cifar-10-python.tar.gz with the same batches."""
    path = tmp_path_factory.mktemp("archive") / "cifar-10-python.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=0) as tar:
        tar.add(batches_dir / "cifar-10-batches-py", arcname="cifar-10-batches-py")
    return path


@pytest.fixture
def own_batches(tmp_path, batches_dir):
    """A folder with the same batches as links: unlink a file before you write another."""
    folder = tmp_path / "own" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for file in (batches_dir / "cifar-10-batches-py").iterdir():
        (folder / file.name).symlink_to(file)
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache folder that only this test sees."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("SWATH_CACHE_DIR", str(folder))
    monkeypatch.delenv("SWATH_DATA_DIR", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return folder


@pytest.fixture(scope="session")
def built_once(tmp_path_factory, batches_dir):
    """A cache folder with the entry of `batches_dir`; do not write into it."""
    folder = tmp_path_factory.mktemp("built")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SWATH_CACHE_DIR", str(folder))
        load_dataset("cifar10", str(batches_dir))
    return folder


@pytest.fixture
def warm_cache(cache, built_once):
    """The cache folder of this test, with the entry of `batches_dir` in it (a link: do not write to it)."""
    cache.mkdir()
    for entry in built_once.glob("*.arrays"):
        (cache / entry.name).hardlink_to(entry)
    return cache
