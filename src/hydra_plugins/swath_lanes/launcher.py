"""`hydra/launcher=lanes`: starts all jobs of a sweep with one call, if the task function supports it.

Every program that uses Hydra imports this module when it starts, so its imports must be fast.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, configure_log, setup_globals
from omegaconf import DictConfig, OmegaConf, open_dict

log = logging.getLogger(__name__)

Compose = Callable[[Sequence[str]], DictConfig]
"""(overrides of a job) -> composed config."""

StartJobs = Callable[[Sequence[Sequence[str]], Compose], Sequence[Callable[[], Any]]]
"""Optional attribute `start_jobs` of a task function: (overrides of each job, `Compose` without Hydra's part)
-> one function per job, which waits for the end of the job and returns or raises as the task function would.
`start_jobs` returns before the jobs end, so that Hydra writes their files meanwhile.

A task function may also have an attribute `compose_job` (a `Compose`): a faster way to compose a job, with
Hydra's part. The next call may change the config that it returned. The sweeper does not check jobs of such a
task function by composing them. Where its jobs have no folders, `HydraConfig` is not set for each of them."""


MOST_FOLDERS = 1_000
"""Jobs up to which each has a folder, where the config does not say it."""


@dataclass
class LanesLauncherConf:
    """Config of the launcher.

    Attributes:
      folders: jobs up to which each has a folder. A launch that goes beyond them makes none for its jobs:
        they share the folder of the sweep and one log in it, and their configs are composed on demand only.
    """

    _target_: str = "hydra_plugins.swath_lanes.launcher.LanesLauncher"
    folders: Any = MOST_FOLDERS


ConfigStore.instance().store(
    group="hydra/launcher", name="lanes", node=LanesLauncherConf, provider="swath_lanes"
)


class LanesLauncher(BasicLauncher):
    """Starts all jobs with one call, or runs them sequentially if the task function has no `start_jobs`.

    In both cases each job has its folder, `.hydra/`, log file, callbacks, `HydraConfig` and `JobReturn`.
    Where jobs are started with one call and are more than `folders`, they have no folder and no `.hydra/`.

    Args:
      folders: see `LanesLauncherConf`.
    """

    def __init__(self, folders: int = MOST_FOLDERS) -> None:
        super().__init__()
        self._folders = folders
        self._latest: DictConfig | None = None

    @property
    def jobs_are_checked(self) -> bool:
        """Whether every job of the task function has been composed without an error."""
        return hasattr(self.task_function, "compose_job")

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run jobs; called by a sweeper.

        Args:
          job_overrides: overrides of each job.
          initial_job_idx: index of the first job.
        """
        assert self.config is not None
        assert self.hydra_context is not None
        start_jobs: StartJobs | None = getattr(self.task_function, "start_jobs", None)
        if start_jobs is None:
            return super().launch(job_overrides, initial_job_idx)
        # Imported here, because other programs import this module too.
        from hydra_plugins.swath_lanes._job import JobRunner, without_hydra

        setup_globals()
        compose: Compose = getattr(self.task_function, "compose_job", None) or self._compose
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        waits = start_jobs(job_overrides, lambda overrides: without_hydra(self._compose(overrides)))
        log.info(f"Started {len(job_overrides)} jobs with one call")
        place = Path(str(self.config.hydra.sweep.dir)).absolute()
        place.mkdir(parents=True, exist_ok=True)
        is_large = initial_job_idx + len(job_overrides) > self._folders
        runner = JobRunner(self.hydra_context, self.task_function, str(place) if is_large else None)
        jobs = enumerate(zip(job_overrides, waits, strict=True), start=initial_job_idx)
        returns = [
            runner.run(overrides, partial(self._job_config, compose, tuple(overrides), number), wait)
            for number, (overrides, wait) in jobs
        ]
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        return returns

    def _compose(self, overrides: Sequence[str]) -> DictConfig:
        assert self.hydra_context is not None
        assert self.config is not None
        return self.hydra_context.config_loader.load_sweep_config(self.config, list(overrides))

    def _job_config(self, compose: Compose, overrides: Sequence[str], number: int) -> DictConfig:
        """The config of a job, with Hydra's runtime values and the job number."""
        assert self.config is not None
        config, master = compose(overrides), self.config.hydra
        OmegaConf.set_readonly(config.hydra, None)
        with open_dict(config):
            if config is not self._latest:  # the same object as before already has them
                for name in ("version", "version_base", "cwd", "config_sources"):
                    config.hydra.runtime[name] = master.runtime[name]
                self._latest = config
            config.hydra.job.id = number
            config.hydra.job.num = number
        OmegaConf.copy_cache(
            from_config=self.config, to_config=config
        )  # so that ${now:...} is the same for all jobs
        return config
