"""Checks of what is Hydra's in a command, before anything starts: folders, callbacks, launcher."""

import os
from collections.abc import Iterator
from pathlib import Path

from hydra._internal.utils import _locate
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

LANES_LAUNCHER = "hydra_plugins.swath_lanes.launcher.LanesLauncher"

LAUNCHERS = {
    LANES_LAUNCHER: "lanes",
    "hydra._internal.core_plugins.basic_launcher.BasicLauncher": "basic",
}
"""Launchers that train in this process; others pickle the task, which holds an open store."""

MAXIMIZE = "maximize"
"""The direction in which a sweeper that searches goes: a job returns an accuracy."""

LONGEST_NAME = 255
"""Most bytes in the name of a file or folder."""


def hydra_mistakes(composed: DictConfig, sweeping: bool) -> Iterator[str]:
    """Mistakes in Hydra's part of a composed job, one line each.

    Args:
      composed: a composed config with Hydra's part.
      sweeping: whether the command is a sweep.
    """
    launcher = composed.hydra.launcher.get("_target_")
    if sweeping and launcher not in LAUNCHERS:
        name = composed.hydra.runtime.choices.get("hydra/launcher", launcher)
        name = launcher if name in LAUNCHERS.values() else name
        expected = " or ".join(LAUNCHERS.values())
        yield f"hydra/launcher={name}: expected {expected}; swath trains in one process"
    if composed.hydra.job.chdir:
        yield "hydra.job.chdir=true: not supported; all jobs of a command share one process and its folder"
    direction = composed.hydra.sweeper.get("direction", MAXIMIZE)
    if sweeping and getattr(direction, "name", direction) != MAXIMIZE:
        yield (
            f"hydra.sweeper.direction={getattr(direction, 'name', direction)}: expected {MAXIMIZE}; "
            "a job returns an accuracy"
        )
    for name, callback in (composed.hydra.callbacks or {}).items():
        target = (callback or {}).get("_target_", "")
        try:
            _locate(target)
        except Exception as error:
            cause = _first_line(error.__cause__ or error)
            yield f"hydra.callbacks.{name}._target_={target}: cannot be loaded ({cause})"
    yield from _folder_mistakes(composed, sweeping)


def _folder_mistakes(composed: DictConfig, sweeping: bool) -> Iterator[str]:
    """Mistakes in the folder that Hydra will make for a job."""
    hydra = composed.hydra
    try:
        with open_dict(hydra):
            if OmegaConf.is_missing(hydra.job, "num"):
                hydra.job.num = 0
            if OmegaConf.is_missing(hydra.job, "id"):
                hydra.job.id = "0"
        parts = [hydra.sweep.dir, hydra.sweep.subdir] if sweeping else [hydra.run.dir]
    except OmegaConfBaseException as error:
        option = "hydra.sweep.dir or hydra.sweep.subdir" if sweeping else "hydra.run.dir"
        yield f"{option}: {_first_line(error)}"
        return
    folder = Path(*map(str, parts)).absolute()
    if long := [part for part in folder.parts if len(os.fsencode(part)) > LONGEST_NAME]:
        name = f"{long[0][:40]}... ({len(long[0])} characters)"
        yield f"the folder of a job would be named {name}, which is too long; set hydra.sweep.subdir"
        return
    option = "hydra.sweep.dir" if sweeping else "hydra.run.dir"
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists() or parent.is_symlink())
    if not existing.is_dir():
        what = "a file" if existing.is_file() else "no folder"
        yield f"Hydra keeps its files in {folder}, but {existing} is {what}; rename it, or set {option}"
    elif not os.access(existing, os.W_OK):
        yield f"Hydra keeps its files in {folder}, which cannot be written; set {option}=FOLDER"


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
