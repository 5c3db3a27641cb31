"""swath's configuration with another task, run by Hydra in this process."""

from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from swath.config import register


def run(task: Any, folder: Path, words: list[str]) -> list[JobReturn]:
    """Run `swath`'s configuration with a task, in a new working folder."""
    register()
    task.__module__ = __name__  # Hydra looks for the module of the task
    returns: list[JobReturn] = []

    class Keep(Callback):
        def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
            returns.append(job_return)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hydra._internal.callbacks.Callbacks.__init__", lambda self, config=None: None)
        patch.setattr("hydra._internal.callbacks.Callbacks.callbacks", [Keep()], raising=False)
        folder.mkdir()
        patch.chdir(folder)
        patch.setattr("sys.argv", ["swath", "-m", *words])
        hydra.main(version_base="1.3", config_path=None, config_name="config")(task)()
    return returns
