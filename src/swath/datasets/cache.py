"""Arrays on disk in the user's cache folder, mapped into memory.

An entry is one file: 4,096 bytes of JSON, then the bytes of the four arrays. One file, since one rename
replaces it whole: a reader meets the old entry or the new one, and keeps the one that it has mapped.
"""

import json
import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from swath.datasets.cifar import Source
from swath.datasets.dataset import Dataset
from swath.datasets.registry import PIXELS, DatasetSpec

CACHE_VERSION = 1
"""Changes with the layout of an entry or with the meaning of its arrays; other versions are built anew."""


HEADER_BYTES = 4096


SUFFIX = ".arrays"


MAX_ENTRIES = 4
"""Entries of other places are removed beyond this number, the one built first going first (184 MB each)."""


log = logging.getLogger("swath")


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Hold the lock of the cache folder, waiting for another process that holds it.

    Yields:
      whether the folder can be written to; where it cannot, the caller works without a cache.
    """
    import filelock  # only a cache miss needs it

    lock = filelock.FileLock(folder / "cache.lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire(timeout=1)
        except filelock.Timeout:
            log.warning("waiting for another process that prepares images in the cache folder")
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
        """The one file of this entry."""
        return self.folder / f"{self.spec.name}-{self.source.key}{SUFFIX}"

    def read(self) -> Dataset | None:
        """The data set, mapped into memory; None if there is no entry, or one of another source or version.

        Trusts the recorded digest: see `Dataset.is_intact`.
        """
        train, test = self.spec.train_images, self.spec.test_images
        sizes = [train * PIXELS, train, test * PIXELS, test]
        try:
            with self.path.open("rb") as file:
                header = json.loads(file.read(HEADER_BYTES))
                if not isinstance(header, dict) or header != self._header(header.get("digest")):
                    return None
                if os.fstat(file.fileno()).st_size != HEADER_BYTES + sum(sizes):
                    return None
                mapped = np.asarray(np.memmap(file, dtype=np.uint8, mode="r", offset=HEADER_BYTES))
        except (OSError, ValueError):
            return None
        train_images, train_labels, test_images, test_labels = np.split(mapped, np.cumsum(sizes)[:-1])
        return Dataset(
            name=self.spec.name,
            train_images=train_images.reshape(train, PIXELS),
            train_labels=train_labels,
            test_images=test_images.reshape(test, PIXELS),
            test_labels=test_labels,
            class_names=self.spec.class_names,
            digest=header["digest"],
            source=self.source.origin,
        )

    def write(self, dataset: Dataset) -> bool:
        """Write the entry, whole or not at all; call it while holding the lock of the folder.

        Returns:
          whether it was written; if not, a warning has been logged.
        """
        part = self.path.with_name(f"{self.path.name}.{uuid.uuid4().hex}.part")
        try:
            for stale in self.folder.glob("*.part"):  # of processes that were killed while writing
                stale.unlink(missing_ok=True)
            try:
                with part.open("xb") as file:
                    file.write(json.dumps(self._header(dataset.digest)).encode().ljust(HEADER_BYTES))
                    for array in (
                        dataset.train_images,
                        dataset.train_labels,
                        dataset.test_images,
                        dataset.test_labels,
                    ):
                        file.write(array.data)
                part.replace(self.path)
            finally:
                part.unlink(missing_ok=True)
            entries = sorted(self.folder.glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime_ns)
            for old in entries[:-MAX_ENTRIES]:
                old.unlink(missing_ok=True)
        except OSError as error:
            _warn(error)
            return False
        return True

    def _header(self, digest: object) -> dict[str, object]:
        return {
            "version": CACHE_VERSION,
            "source": self.source.identity,
            "digest": str(digest),
            "train_images": [self.spec.train_images, PIXELS],
            "test_images": [self.spec.test_images, PIXELS],
        }


def _warn(error: Exception) -> None:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    log.warning("working without a cache of the images: cannot write to the cache folder (%s)", reason)
