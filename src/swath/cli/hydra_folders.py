"""Checks that the folders in which Hydra keeps its files can be made."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from omegaconf import DictConfig

from swath.config import NOT_EXPANDED, unexpanded

LONGEST_NAME = 255
"""Most bytes in the name of a file or folder."""


def job_folder(hydra: DictConfig, sweeping: bool) -> Path:
    """The folder that Hydra will make for a job.

    Args:
      hydra: Hydra's part of a composed config.
      sweeping: whether the job is one of a sweep.

    Raises:
      omegaconf.errors.OmegaConfBaseException: it has an interpolation that cannot be resolved.
    """
    parts = [hydra.sweep.dir, hydra.sweep.subdir] if sweeping else [hydra.run.dir]
    return Path(*map(str, parts)).absolute()


def folders_note(hydra: DictConfig, count: int) -> str:
    """A line if a sweep has too many jobs for a folder each; else empty.

    Args:
      hydra: Hydra's part of a composed config.
      count: number of jobs.
    """
    most = hydra.launcher.get("folders")
    if most is None or count <= most:
        return ""
    return (
        f"More than {most:,} configurations: Hydra makes one log for all, and no folder for each "
        f"(hydra.launcher.folders={count} makes them)"
    )


def folder_mistakes(hydra: DictConfig, sweeping: bool) -> Iterator[str]:
    """Mistakes in the folders of a job, one line each.

    Args:
      hydra: Hydra's part of a composed config, whose interpolations can be resolved.
      sweeping: whether the job is one of a sweep.
    """
    names = ("sweep.dir", "sweep.subdir") if sweeping else ("run.dir",)
    given = {"hydra.sweep.dir": hydra.sweep.dir, "hydra.sweep.subdir": hydra.sweep.subdir}
    given |= {"hydra.run.dir": hydra.run.dir, "hydra.output_subdir": hydra.output_subdir}
    options = [*(f"hydra.{name}" for name in names), "hydra.output_subdir"]
    home = [(option, unexpanded(option, given[option])) for option in options]
    for option, meant in home:
        if meant is not None:
            yield f"{option}={given[option]}: {NOT_EXPANDED}; expected {meant}"
    if any(meant for _, meant in home):
        return
    folder = job_folder(hydra, sweeping)
    mistake = _folder_mistake(folder, options[0], "sweep.subdir")
    if mistake is None and hydra.output_subdir is not None:
        inner = folder / str(hydra.output_subdir)
        mistake = None if inner == folder else _folder_mistake(inner, "hydra.output_subdir", "output_subdir")
    if mistake is not None:
        yield mistake


def _folder_mistake(folder: Path, option: str, name: str) -> str | None:
    """Why a folder cannot be made; None if it can.

    Args:
      folder: that is to be made.
      option: sets the folder.
      name: of the option that shortens its last part.
    """
    if long := [part for part in folder.parts if len(os.fsencode(part)) > LONGEST_NAME]:
        start = f"{long[0][:40]}... ({len(long[0])} characters)"
        return f"the folder of a job would be named {start}, which is too long; set hydra.{name}"
    existing = next(parent for parent in (folder, *folder.parents) if os.path.lexists(parent))
    if not existing.is_dir():
        what = "a file" if existing.is_file() else "no folder"
        return f"Hydra keeps its files in {folder}, but {existing} is {what}; rename it, or set {option}"
    if not os.access(existing, os.W_OK) or not _takes_folders(existing):
        if existing == Path.cwd():
            return (
                f"the working folder {existing} cannot be written; run the command in another one, or keep "
                f"Hydra's files elsewhere: {option}=FOLDER"
            )
        return f"Hydra keeps its files in {folder}, which cannot be written; set {option}=FOLDER"
    return None


def _takes_folders(place: Path) -> bool:
    """Whether a folder can be made in a place: for root, `os.access` allows everything, also in /proc."""
    with contextlib.suppress(OSError), tempfile.TemporaryDirectory(prefix=".swath-", dir=place):
        return True
    return False
