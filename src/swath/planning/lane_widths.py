"""Allowed widths of lane groups: limited by the settings, by memory, and by bit-exactness on this machine."""

import hashlib
import importlib.metadata
import importlib.util
import json
import logging
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import archspec.cpu
from filelock import FileLock

from swath.config import TrainConfig, computed_values, named_values, shape_values, shared_key, shared_values
from swath.datasets import DATASETS, DataKey
from swath.models import code_of, compute_variables, is_onednn_on, model_of, most_isa
from swath.planning.cost import Images, ImageSizes, lanes_that_fit
from swath.planning.lane_groups import LaneGroup
from swath.system import atomic_write, cache_folder

_log = logging.getLogger("swath")

FALLBACK_WIDTHS = (36, 24, 16, 12, 8, 6, 4, 3, 2)
"""Widths that are tried if the wanted one is not bit-exact."""

VERIFIED_SOURCES = ("swath.models", "swath.training", "swath.planning.cost")
"""Packages and modules whose source code determines whether a width is bit-exact."""


@dataclass(frozen=True)
class LaneWidths:
    """The known allowed widths: the `WidthLimit` of a plan.

    Attributes:
      most: maximum width in the settings.
      memory_bytes: memory that the tensors of one group may use.
      verified: whether a width is bit-exact on this machine, by `width_key`.
      images: sizes of the data sets; those of the registered ones are known.
    """

    most: int
    memory_bytes: int
    verified: Mapping[str, bool] = field(default_factory=dict)
    images: Images = field(default_factory=lambda: {DataKey(name): spec for name, spec in DATASETS.items()})

    def __call__(self, config: TrainConfig, wanted: int) -> int:
        """Maximum width, from 1 to `wanted`; a width that has not been verified counts as bit-exact."""
        if wanted == 1:
            return 1
        limit = model_of(computed_values(config)).most_lanes
        most = min(wanted, self.most, limit or wanted, self._fitting(config))
        for width in (most, *(width for width in FALLBACK_WIDTHS if width < most)):
            if width == 1 or self.verified.get(self._key(config, width), True):
                return width
        return 1

    def unverified(self, groups: Iterable[LaneGroup]) -> list[tuple[TrainConfig, int]]:
        """The widths of a plan that have not been verified, each once."""
        found: dict[str, tuple[TrainConfig, int]] = {}
        for group in groups:
            config, width = group.shared, len(group.lanes)
            if width > 1 and (key := self._key(config, width)) not in self.verified:
                found.setdefault(key, (config, width))
        return list(found.values())

    def with_answer(self, config: TrainConfig, width: int, is_bit_exact: bool) -> "LaneWidths":
        """A copy of these widths with one more verified width."""
        return replace(self, verified={**self.verified, self._key(config, width): is_bit_exact})

    def _fitting(self, config: TrainConfig) -> int:
        return lanes_that_fit(config, self.memory_bytes, self.images[config.data.key])

    def _key(self, config: TrainConfig, width: int) -> str:
        return width_key(config, width, self.images[config.data.key])

    def notes(self, configs: Sequence[TrainConfig]) -> Iterator[str]:
        """A line for each batch size whose configurations cannot all be trained together."""
        lanes: dict[Hashable, dict[Hashable, TrainConfig]] = {}
        for config in configs:
            lanes.setdefault(shared_key(config, "group"), {})[shared_key(config, "lane")] = config
        widest: dict[int, list[TrainConfig]] = {}
        for members in lanes.values():
            batch_size = next(iter(members.values())).batch_size
            widest[batch_size] = max(widest.get(batch_size, []), list(members.values()), key=len)
        for batch_size, found in widest.items():
            wanted, fit = min(len(found), self.most), self._fitting(found[0])
            if fit < wanted:
                yield (
                    f"Little memory available: at batch_size={batch_size}, at most {fit} of {wanted} "
                    "lanes are trained together."
                )
            if min(wanted, fit) > 1 and self(found[0], wanted) == 1:
                yield (
                    f"No width is bit-exact on this machine for batch_size={batch_size}; these "
                    "configurations are trained one at a time."
                )


def width_key(config: TrainConfig, width: int, sizes: ImageSizes) -> str:
    """Identity of a width: everything that its bit-exactness depends on, except the machine."""
    program = {  # of the data set, its sizes count only
        name: value
        for name, value in shared_values(config, "program").items()
        if name.partition(".")[0] != "data"
    }
    values = {name: value for name, value in {**program, **shape_values(config)}.items() if value is not None}
    spec = model_of(computed_values(config))
    model = code_of(spec) or spec.name
    images = f"pixels={sizes.pixels} classes={sizes.num_classes}"
    return f"{model} {images} {named_values(values, tuple(values))} lanes={width}"


def read_verified() -> dict[str, bool]:
    """Results of earlier checks on this machine: whether a width is bit-exact, by `width_key`."""
    return _read(_path())


def remember_verified(key: str, is_bit_exact: bool) -> None:
    """Save one result in the user's cache; if that fails, the width is checked again by the next command."""
    path = _path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock"), timeout=5):
            answers = {**_read(path), key: is_bit_exact}
            atomic_write(path, json.dumps(answers, indent=1))
    except OSError as error:
        _log.debug("the result of a width check was not saved: %s", error)


def _path() -> Path:
    return cache_folder() / f"lanes-{_machine_key()}.json"


def _read(path: Path) -> dict[str, bool]:
    try:
        answers = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return answers if isinstance(answers, dict) and all(type(v) is bool for v in answers.values()) else {}


def _machine_key() -> str:
    """Hash of everything that may change results: TensorFlow, its kernels, the processor, the source code.

    It is computed without loading TensorFlow, so that a dry run is fast.
    """
    processor = archspec.cpu.host()
    provenance = [
        importlib.metadata.version("tensorflow"),
        f"onednn={is_onednn_on()} {most_isa()}",
        compute_variables(),
        archspec.cpu.brand_string() or processor.name,
        *sorted(processor.features),
        *(hashlib.sha256(path.read_bytes()).hexdigest() for path in _sources()),
    ]
    return hashlib.sha256("\n".join(provenance).encode()).hexdigest()[:16]


def _sources() -> Iterator[Path]:
    """The source files of `VERIFIED_SOURCES`, in a fixed order."""
    for name in VERIFIED_SOURCES:
        spec = importlib.util.find_spec(name)
        assert spec is not None and spec.origin is not None
        path = Path(spec.origin)
        yield from sorted(path.parent.glob("*.py")) if path.name == "__init__.py" else [path]
