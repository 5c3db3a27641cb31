"""A lot as its file in the store holds it: what a worker needs to train it, and nothing else."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from swath import __version__
from swath.config import (
    KeptSteps,
    SweepConfig,
    TrainConfig,
    computed_values,
    read_params,
    sweep_config_of,
    walk_values,
)
from swath.errors import SwathError
from swath.execution import RunRequest, SweepInfo, Trial
from swath.sweeps.search_record import SearchRecord, searched_by
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
      search: what decides the search whose trials they are; None for other sweeps.
      folders: folders with the user's configs, which a search may need to propose trials.
    """

    sweep_info: SweepInfo
    settings: SweepConfig
    requests: Sequence[RunRequest]
    canary: TrainConfig
    search: SearchRecord | None = None
    folders: tuple[str, ...] = ()

    def text(self) -> str:
        """The content of the file."""
        info = {name: value for name, value in asdict(self.sweep_info).items() if name not in NOT_STORED}
        settings: dict[str, Any] = {name: value for name, value, _ in walk_values(self.settings)}
        settings["tracking.uri"] = None
        content = {
            "format": FORMAT,
            "version": __version__,
            "sweep": info,
            "settings": settings,
            "canary": _texts(self.canary),
            "search": None if self.search is None else self.search.values(),
            "folders": self.folders,
            "runs": [_values(request) for request in self.requests],
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
        search = None if found["search"] is None else SearchRecord.of(found["search"])
        sweep_info = searched_by(SweepInfo(**info), search)
        requests = [_request(each, settings.tracking.kept, number) for each in found["runs"]]
        return cls(
            sweep_info, settings, requests, read_params(found["canary"]), search, tuple(found["folders"])
        )


def _values(request: RunRequest) -> dict[str, Any]:
    """What a worker needs of a request, for JSON. It finds by itself where the run goes on."""
    values: dict[str, Any] = {"values": _texts(request.config), "overrides": list(request.overrides)}
    if request.tags:
        values["tags"] = dict(request.tags)
    if request.trial is not None:
        values["trial"] = {**vars(request.trial), "full": _texts(request.trial.full)}
    return values


def _request(values: Mapping[str, Any], kept: KeptSteps, lot: int) -> RunRequest:
    trial = values.get("trial")
    return RunRequest(
        read_params(values["values"]),
        tuple(values["overrides"]),
        kept,
        trial=None if trial is None else Trial(**{**trial, "full": read_params(trial["full"])}),
        tags={**values.get("tags", {}), schema.RUN_LOT: str(lot)},
    )


def _texts(config: TrainConfig) -> Mapping[str, str]:
    return {name: str(value) for name, value in computed_values(config).items()}


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
