"""A lot as its file in the store holds it: what a worker needs to train it, and nothing else."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from swath import __version__
from swath.config import SweepConfig, TrainConfig, computed_values, read_params, sweep_config_of, walk_values
from swath.errors import SwathError
from swath.execution import RunRequest, SweepInfo
from swath.tracking import schema

FORMAT = 1
"""Version of the file."""

NOT_STORED = ("space", "objective")
"""What a worker does not need of a sweep's metadata."""


@dataclass(frozen=True)
class LotFile:
    """A lot: some configurations of a sweep.

    Attributes:
      sweep_info: metadata that the runs share.
      settings: how they are trained; without the address of the store.
      requests: the runs.
      canary: the configuration of which each worker trains a few steps first; the same in all lots.
    """

    sweep_info: SweepInfo
    settings: SweepConfig
    requests: Sequence[RunRequest]
    canary: TrainConfig

    def text(self) -> str:
        """The content of the file."""
        info = {name: value for name, value in asdict(self.sweep_info).items() if name not in NOT_STORED}
        settings: dict[str, Any] = {name: value for name, value, _ in walk_values(self.settings)}
        settings["tracking.uri"] = None
        runs = [
            {"values": _texts(request.config), "overrides": list(request.overrides)}
            for request in self.requests
        ]
        content = {
            "format": FORMAT,
            "version": __version__,
            "sweep": info,
            "settings": settings,
            "canary": _texts(self.canary),
            "runs": runs,
        }
        return json.dumps(content, default=list)

    @classmethod
    def of(cls, content: bytes, number: int) -> Self:
        """Read the file of the lot with this number.

        Raises:
          SwathError: it is damaged, or was written by another version of swath.
        """
        try:
            found = json.loads(content)
            version = found["version"]
        except (ValueError, TypeError, KeyError) as error:
            raise SwathError(f"the file of the lot is damaged: {error}") from error
        if (found["format"], version) != (FORMAT, __version__):
            raise SwathError(
                f"the sweep was started by swath {version}, this worker has {__version__}; "
                "all workers of a sweep need the same version"
            )
        info = found["sweep"]
        known = {each.name for each in fields(SweepInfo)}
        info = {name: _tuple(value) for name, value in info.items() if name in known}
        settings = sweep_config_of(found["settings"])
        requests = [
            RunRequest(
                read_params(each["values"]),
                tuple(each["overrides"]),
                settings.tracking.kept,
                tags={schema.RUN_LOT: str(number)},
            )
            for each in found["runs"]
        ]
        return cls(SweepInfo(**info), settings, requests, read_params(found["canary"]))


def _texts(config: TrainConfig) -> Mapping[str, str]:
    return {name: str(value) for name, value in computed_values(config).items()}


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
