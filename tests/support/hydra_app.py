"""Run Hydra in this process with swath's config and a given task function."""

from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from swath.config import register


def run(task: Any, folder: Path, overrides: list[str]) -> list[JobReturn]:
    """Run a task function with `swath`'s config in a new working directory."""
    register()
    task.__module__ = __name__  # Hydra looks up the module of the task function
    returns: list[JobReturn] = []

    class Keep(Callback):
        def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
            returns.append(job_return)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hydra._internal.callbacks.Callbacks.__init__", lambda self, config=None: None)
        patch.setattr("hydra._internal.callbacks.Callbacks.callbacks", [Keep()], raising=False)
        folder.mkdir()
        patch.chdir(folder)
        patch.setattr("sys.argv", ["swath", "-m", *overrides])
        hydra.main(version_base="1.3", config_path=None, config_name="config")(task)()
    return returns
