"""What a sweeper gets back for each of very many jobs."""

import pickle
import zlib
from dataclasses import fields
from typing import Any

from hydra.core.utils import JobReturn

Packed = tuple[bytes, bytes] | None
"""A config, deflated, and the plain bytes of the one that it was deflated against.

Deflate looks back over 32 kB; of larger configs less is saved.
"""


class PackedJobReturn(JobReturn):
    """A `JobReturn` that keeps its configs as their differences from another job's: 0.3 kB instead of 15.

    There may be ten thousand of them.
    """

    _cfg: Packed = None
    _hydra_cfg: Packed = None

    @property
    def cfg(self) -> Any:
        """The job's config, without Hydra's part; a copy each time."""
        return _unpacked(self._cfg)

    @cfg.setter
    def cfg(self, config: Any) -> None:
        self._cfg = _packed(config, self._cfg)

    @property
    def hydra_cfg(self) -> Any:
        """Hydra's part of the job's config; a copy each time."""
        return _unpacked(self._hydra_cfg)

    @hydra_cfg.setter
    def hydra_cfg(self, config: Any) -> None:
        self._hydra_cfg = _packed(config, self._hydra_cfg)

    def pack(self, job: JobReturn) -> "PackedJobReturn":
        """Another job's, packed as its differences from this one."""
        packed = PackedJobReturn()
        packed._cfg, packed._hydra_cfg = self._cfg, self._hydra_cfg
        for field in fields(JobReturn):
            setattr(packed, field.name, getattr(job, field.name))
        return packed


def _packed(config: Any, like: Packed) -> Packed:
    if config is None:
        return None
    plain = pickle.dumps(config)
    known = plain if like is None else like[1]
    deflating = zlib.compressobj(zdict=known)
    return deflating.compress(plain) + deflating.flush(), known


def _unpacked(packed: Packed) -> Any:
    if packed is None:
        return None
    deflated, known = packed
    inflating = zlib.decompressobj(zdict=known)
    return pickle.loads(inflating.decompress(deflated) + inflating.flush())  # noqa: S301  made above
