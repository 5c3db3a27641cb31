"""Checks of what is Hydra's in a command, before anything starts: launcher, folders, logs, callbacks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hydra._internal.utils import _locate
from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from swath.cli.hydra_folders import folder_mistakes, job_folder
from swath.cli.hydra_logging import cause_of, logging_mistakes

LANES_LAUNCHER = "hydra_plugins.swath_lanes.launcher.LanesLauncher"

LAUNCHERS = {
    LANES_LAUNCHER: "lanes",
    "hydra._internal.core_plugins.basic_launcher.BasicLauncher": "basic",
}
"""Launchers that train in this process; others pickle the task, which holds an open store."""

LANES_SWEEPER = "hydra_plugins.swath_lanes.sweeper.LanesSweeper"

MAXIMIZE = "maximize"
"""The direction in which a sweeper that searches goes: a job returns an accuracy."""

EVENTS = tuple(name for name in vars(Callback) if name.startswith("on_"))
"""Methods of which a callback has one or more."""


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
        yield f"hydra/launcher={name}: expected {expected}; several processes: executor=processes"
    if composed.hydra.job.chdir:
        yield "hydra.job.chdir=true: not supported; all jobs of a command share one process and its folder"
    direction = composed.hydra.sweeper.get("direction", MAXIMIZE)
    is_ours = composed.hydra.sweeper.get("_target_") == LANES_SWEEPER  # where it says what a search ranks by
    if sweeping and not is_ours and getattr(direction, "name", direction) != MAXIMIZE:
        yield (
            f"hydra.sweeper.direction={getattr(direction, 'name', direction)}: expected {MAXIMIZE}; "
            "a job returns an accuracy"
        )
    jobs = composed.hydra.sweeper.get("max_batch_size")
    if sweeping and jobs is not None and (type(jobs) is not int or jobs < 1):
        yield f"hydra.sweeper.max_batch_size={jobs}: expected a whole number of jobs from 1 up, or null"
    folders = composed.hydra.launcher.get("folders", 0)
    if launcher == LANES_LAUNCHER and (type(folders) is not int or folders < 0):
        yield f"hydra.launcher.folders={folders}: expected a whole number of jobs from 0 up"
    for name, callback in (composed.hydra.callbacks or {}).items():
        target = (callback or {}).get("_target_", "")
        try:
            _locate(target)
        except Exception as error:
            yield f"hydra.callbacks.{name}._target_={target}: cannot be loaded ({cause_of(error)})"
    yield from _file_mistakes(composed, sweeping)


def _file_mistakes(composed: DictConfig, sweeping: bool) -> Iterator[str]:
    """Mistakes in what Hydra will write for a job."""
    with _as_job(composed):
        try:
            folder = job_folder(composed.hydra, sweeping)
        except OmegaConfBaseException as error:
            option = "hydra.sweep.dir or hydra.sweep.subdir" if sweeping else "hydra.run.dir"
            yield f"{option}: {str(error).splitlines()[0]}"
            return
        composed.hydra.runtime.output_dir = str(folder)
        try:
            yield from list(folder_mistakes(composed.hydra, sweeping)) or logging_mistakes(
                composed.hydra, folder
            )
        except OmegaConfBaseException as error:
            yield f"hydra: {str(error).splitlines()[0]}"


@contextmanager
def _as_job(composed: DictConfig) -> Iterator[None]:
    """Give a composed config what Hydra sets for a job, so that its interpolations can be resolved."""
    config: Any = HydraConfig.instance()
    before = config.cfg
    with open_dict(composed.hydra):
        for name, value in (("num", 0), ("id", "0")):
            if OmegaConf.is_missing(composed.hydra.job, name):
                composed.hydra.job[name] = value
        config.cfg = composed
        try:
            yield
        finally:
            config.cfg = before


def callback_mistakes(composed: DictConfig) -> Iterator[str]:
    """Callbacks that cannot be made, one line each. They are made here for the first time, by Hydra again.

    Args:
      composed: a composed config with Hydra's part.
    """
    with _as_job(composed):
        for name, callback in (composed.hydra.callbacks or {}).items():
            try:
                made: Any = instantiate(callback)
            except Exception as error:
                yield f"hydra.callbacks.{name}: cannot be made ({cause_of(error)})"
            else:
                if not any(hasattr(made, event) for event in EVENTS):
                    yield f"hydra.callbacks.{name}: expected an object with {EVENTS[0]} or another event"
