"""How many lanes may train side by side: what keeps the bits on this machine, and what was asked for."""

import hashlib
import json
import logging
import os
import uuid
from collections.abc import Callable
from pathlib import Path

import archspec.cpu
from filelock import FileLock

import swath.model
import swath.training.evaluation
import swath.training.probe
import swath.training.program
from swath.compute import RUNTIME
from swath.config.schema import RunConfig
from swath.data.cache import cache_folder

_log = logging.getLogger("swath")

NARROWER = (24, 16, 12, 8, 6, 4, 3, 2)
"""Widths that are tried where the wanted one does not keep the bits."""

Probe = Callable[[RunConfig, int], bool]
"""(configuration, lanes) -> whether every lane has the bits that it has alone."""


class LaneLimits:
    """The `Usable` of a plan: probes a width once, and remembers the answer in the user's cache folder.

    Args:
      probe: finds out.
      max_lanes: what was asked for at most.
    """

    def __init__(self, probe: Probe, max_lanes: int) -> None:
        self._probe = probe
        self._max_lanes = max_lanes
        self._path = cache_folder() / f"lanes-{_machine_key()}.json"
        self._known: dict[str, bool] = _read(self._path)

    def __call__(self, config: RunConfig, wanted: int) -> int:
        """The most lanes, from 1 to `wanted`, that may train side by side with `config`."""
        most = min(wanted, self._max_lanes)
        for width in (most, *(width for width in NARROWER if width < most)):
            if width == 1 or self._holds(config, width):
                return width
        _log.warning(
            "on this machine no number of lanes keeps the bits at batch_size=%d; these configurations are "
            "trained alone",
            config.batch_size,
        )
        return 1

    def _holds(self, config: RunConfig, width: int) -> bool:
        key = f"batch_size={config.batch_size} lanes={width}"
        if key not in self._known:
            self._known[key] = self._probe(config, width)
            self._remember(key)
        return self._known[key]

    def _remember(self, key: str) -> None:
        """Add one answer to the file; where that is impossible, it is found out again next time."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self._path.with_suffix(".lock"), timeout=5):
                answers = {**_read(self._path), key: self._known[key]}
                part = self._path.with_name(f"{self._path.name}.{uuid.uuid4().hex}.part")
                part.write_text(json.dumps(answers, indent=1), encoding="utf-8")
                part.replace(self._path)
        except OSError as error:
            _log.debug("the answer of a probe was not kept: %s", error)


def _read(path: Path) -> dict[str, bool]:
    try:
        answers = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return answers if isinstance(answers, dict) and all(type(v) is bool for v in answers.values()) else {}


def _machine_key() -> str:
    """What the answers hold for: TensorFlow, its kernels, the processor, and the program itself."""
    processor = archspec.cpu.host()
    modules = (swath.model, swath.training.program, swath.training.evaluation, swath.training.probe)
    sources = [Path(str(module.__file__)).read_bytes() for module in modules]
    facts = [
        RUNTIME.tensorflow,
        f"onednn={RUNTIME.onednn} threads={RUNTIME.intra_op_threads}",
        archspec.cpu.brand_string() or processor.name,
        *sorted(processor.features),
        os.environ.get("ONEDNN_MAX_CPU_ISA", ""),
        *(hashlib.sha256(source).hexdigest() for source in sources),
    ]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]
