"""How many lanes may train side by side: what keeps the bits on this machine, what fits, what was asked."""

import hashlib
import importlib.util
import json
import logging
import os
import uuid
from collections.abc import Callable
from pathlib import Path

import archspec.cpu
from filelock import FileLock

from swath.config import TrainConfig, named_values, shape_values
from swath.planning.cost import lanes_that_fit
from swath.system import cache_folder

_log = logging.getLogger("swath")


FALLBACK_WIDTHS = (24, 16, 12, 8, 6, 4, 3, 2)
"""Widths that are tried where the wanted one does not keep the bits."""


_PROBED = (
    "swath.models.backend",
    "swath.models.softmax_regression",
    "swath.training.loop",
    "swath.training.evaluation",
    "swath.training.bit_exactness",
)
"""Modules whose source decides what a probe finds."""


Probe = Callable[[TrainConfig, int], bool]
"""(configuration, lanes) -> whether every lane has the bits that it has alone."""


class LaneWidths:
    """The `WidthLimit` of a plan: probes a width once, and remembers the answer in the user's cache folder.

    Args:
      max_lanes: what was asked for at most.
      memory_bytes: what a group's tensors may take.
      probe: finds out; without it a width that was never probed is taken for usable, and nothing is kept.
      tell: told, once per batch size, where configurations cannot be trained side by side.

    Attributes:
      unprobed: widths that were taken for usable.
    """

    def __init__(
        self,
        max_lanes: int,
        memory_bytes: int,
        probe: Probe | None = None,
        tell: Callable[[str], None] = _log.warning,
    ) -> None:
        self._max_lanes = max_lanes
        self._memory_bytes = memory_bytes
        self._probe = probe
        self._tell = tell
        self._told: set[int] = set()
        self._told_of_memory = False
        self._path = cache_folder() / f"lanes-{_machine_key()}.json"
        self._known: dict[str, bool] = _read(self._path)
        self.unverified: set[str] = set()

    def __call__(self, config: TrainConfig, wanted: int) -> int:
        """The most lanes, from 1 to `wanted`, that may train side by side with `config`."""
        asked, fit = min(wanted, self._max_lanes), lanes_that_fit(config.batch_size, self._memory_bytes)
        most = min(asked, fit)
        if fit < asked and not self._told_of_memory:
            self._told_of_memory = True
            of = f"{fit} of {asked} configurations side by side at batch_size={config.batch_size}"
            self._tell(f"Little memory is free: {of}.")
        for width in (most, *(width for width in FALLBACK_WIDTHS if width < most)):
            if width == 1 or self._holds(config, width):
                return width
        if config.batch_size not in self._told:
            self._told.add(config.batch_size)
            self._tell(
                f"On this machine no number of lanes keeps the bits at batch_size={config.batch_size}; these "
                "configurations are trained one by one."
            )
        return 1

    def _holds(self, config: TrainConfig, width: int) -> bool:
        shapes = shape_values(config)
        key = f"{named_values(shapes, tuple(shapes))} lanes={width}"
        if key in self._known:
            return self._known[key]
        if self._probe is None:
            self.unverified.add(key)
            return True
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
    """What the answers hold for: TensorFlow, its kernels, the processor, and the program itself.

    Found out without loading TensorFlow, so that a plan can be shown at once.
    """
    processor = archspec.cpu.host()
    specs = [importlib.util.find_spec(name) for name in _PROBED]
    sources = [Path(spec.origin).read_bytes() for spec in specs if spec is not None and spec.origin]
    facts = [
        importlib.metadata.version("tensorflow"),
        f"onednn={os.environ.get('TF_ENABLE_ONEDNN_OPTS', '1')}",
        os.environ.get("ONEDNN_MAX_CPU_ISA", ""),
        archspec.cpu.brand_string() or processor.name,
        *sorted(processor.features),
        *(hashlib.sha256(source).hexdigest() for source in sources),
    ]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]
