"""Data sets in the user's cache folder, mapped into memory.

An entry is one file: 4,096 bytes of JSON, then the bytes of the four arrays. One rename replaces it, so
readers find the old entry or the new one, and keep the one that they have mapped.
"""

import itertools
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from swath.datasets.dataset import Dataset, DatasetSpec
from swath.datasets.source import Source
from swath.system import atomic_write, is_local

CACHE_VERSION = 1
"""Version of the layout of an entry and the meaning of its arrays; other versions are replaced."""


HEADER_BYTES = 4096
"""Size of the JSON header, padded with spaces."""


SUFFIX = ".arrays"
"""Of the file names of entries."""


MOST_BYTES = 2_000_000_000
"""Size of the entries that are kept; the oldest are removed (CIFAR-10: 184 MB). The newest stays."""


log = logging.getLogger("swath")


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Hold the lock of the cache folder, waiting for another process that holds it.

    Yields:
      whether the folder is writable; if not, a warning has been logged and the lock is not held.
    """
    import filelock  # only a cache miss needs it

    lock = filelock.FileLock(folder / "cache.lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=1)
        except filelock.Timeout:
            log.warning("waiting for another process that is preparing images in the cache folder")
            lock.acquire()
    except (OSError, NotImplementedError) as error:
        _warn(error)
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


@dataclass(frozen=True)
class Entry:
    """The cache entry of one data set from one source."""

    folder: Path
    spec: DatasetSpec
    source: Source

    @property
    def path(self) -> Path:
        """The file of this entry."""
        return self.folder / f"{self.spec.name}-{self.source.key}{SUFFIX}"

    def read(self) -> Dataset | None:
        """The data set, mapped into memory; None if there is no valid entry of this source and version.

        The digest is taken from the entry, not computed: see `Dataset.is_intact`.
        """
        train, test, pixels = self.spec.train_images, self.spec.test_images, self.spec.pixels
        sizes = [train * pixels, train, test * pixels, test]
        try:
            with self.path.open("rb") as file:
                header = json.loads(file.read(HEADER_BYTES))
                if not isinstance(header, dict) or header != self._header(header.get("digest")):
                    return None
                if os.fstat(file.fileno()).st_size != HEADER_BYTES + sum(sizes):
                    return None
                # Private pages, though nobody writes: only such memory can be handed to TensorFlow uncopied.
                # On the file system of another machine a mapped file may vanish, so there it is copied.
                mode: Literal["c", "r"] = "c" if is_local(self.path) else "r"
                mapped = np.asarray(np.memmap(file, dtype=np.uint8, mode=mode, offset=HEADER_BYTES))
                mapped.flags.writeable = False
        except (OSError, ValueError):
            return None
        train_images, train_labels, test_images, test_labels = np.split(mapped, np.cumsum(sizes)[:-1])
        return Dataset(
            name=self.spec.name,
            train_images=train_images.reshape(train, pixels),
            train_labels=train_labels,
            test_images=test_images.reshape(test, pixels),
            test_labels=test_labels,
            image_shape=self.spec.image_shape,
            class_names=self.spec.class_names,
            digest=header["digest"],
            source=self.source.origin,
            heading=self.spec.heading,
        )

    def write(self, dataset: Dataset) -> bool:
        """Write the entry, completely or not at all, and remove old ones.

        Hold the lock of the folder during the call.

        Returns:
          whether it was written; if not, a warning has been logged.
        """
        arrays = (dataset.train_images, dataset.train_labels, dataset.test_images, dataset.test_labels)

        def write_to(part: Path) -> None:
            with part.open("xb") as file:
                file.write(json.dumps(self._header(dataset.digest)).encode().ljust(HEADER_BYTES))
                for array in arrays:
                    file.write(array.data)

        try:
            atomic_write(self.path, write_to)
            self._remove_old()
        except OSError as error:
            _warn(error)
            return False
        return True

    def _remove_old(self) -> None:
        """Remove the oldest entries where all together are too large."""
        found = [(path, path.stat()) for path in self.folder.glob(f"*{SUFFIX}")]
        newest_first = sorted(found, key=lambda entry: entry[1].st_mtime_ns, reverse=True)
        sizes = itertools.accumulate(status.st_size for _, status in newest_first)
        for (path, _), total in zip(newest_first, sizes, strict=True):
            if total > MOST_BYTES and path != self.path:
                path.unlink(missing_ok=True)

    def _header(self, digest: object) -> dict[str, object]:
        return {
            "version": CACHE_VERSION,
            "source": self.source.identity,
            "digest": str(digest),
            "train_images": [self.spec.train_images, self.spec.pixels],
            "test_images": [self.spec.test_images, self.spec.pixels],
        }


def _warn(error: Exception) -> None:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    log.warning("working without a cache of the images: cannot write to the cache folder (%s)", reason)
