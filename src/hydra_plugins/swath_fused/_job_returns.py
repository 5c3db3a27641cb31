"""What a sweeper gets back for each of very many jobs."""

import pickle
import zlib
from dataclasses import fields
from typing import Any

from hydra.core.utils import JobReturn


class PackedJobReturn(JobReturn):
    """A `JobReturn` that keeps its configs packed, in 3 kB instead of 100.

    There may be ten thousand of them.
    """

    @property
    def cfg(self) -> Any:
        """The job's config, without Hydra's part; a copy each time."""
        return _unpacked(self._cfg)

    @cfg.setter
    def cfg(self, config: Any) -> None:
        self._cfg = _packed(config)

    @property
    def hydra_cfg(self) -> Any:
        """Hydra's part of the job's config; a copy each time."""
        return _unpacked(self._hydra_cfg)

    @hydra_cfg.setter
    def hydra_cfg(self, config: Any) -> None:
        self._hydra_cfg = _packed(config)


def pack(job: JobReturn) -> PackedJobReturn:
    """The same, packed."""
    packed = PackedJobReturn()
    for field in fields(JobReturn):
        setattr(packed, field.name, getattr(job, field.name))
    return packed


def _packed(config: Any) -> bytes | None:
    return None if config is None else zlib.compress(pickle.dumps(config), level=1)


def _unpacked(packed: bytes | None) -> Any:
    return None if packed is None else pickle.loads(zlib.decompress(packed))  # noqa: S301  made above
