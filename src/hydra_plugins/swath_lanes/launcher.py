"""`hydra/launcher=lanes`: all jobs of a sweep in one call of the task function, where it can take them.

Hydra imports this module at the start of every program on the machine, so it imports nothing heavy.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, configure_log, run_job, setup_globals
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.swath_lanes._job_configs import JobConfigs
from hydra_plugins.swath_lanes._job_returns import PackedJobReturn

log = logging.getLogger(__name__)

Fuse = Callable[[Iterable[DictConfig], Sequence[Sequence[str]]], Sequence[Callable[[], Any]]]
"""What a task function may carry as its attribute `fuse`: (configs, overrides) of all jobs -> for each job a
function that waits for it and returns what the task function would have returned, or raises. `fuse` itself
returns at once; what it has begun goes on while Hydra writes the jobs' files."""


@dataclass
class LanesLauncherConf:
    """Config of the launcher."""

    _target_: str = "hydra_plugins.swath_lanes.launcher.LanesLauncher"


ConfigStore.instance().store(
    group="hydra/launcher", name="lanes", node=LanesLauncherConf, provider="swath_lanes"
)


class LanesLauncher(BasicLauncher):
    """Hands all jobs over in one call; a task function without `fuse` runs them one by one, as ever.

    Every job still gets its folder, `.hydra/`, log file, callbacks, `HydraConfig` and `JobReturn`.
    """

    composes_every_job_first = True
    """A sweeper need not compose the jobs to find out whether they are legal."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run jobs; called by a sweeper.

        Args:
          job_overrides: of each job.
          initial_job_idx: number of the first.
        """
        assert self.config is not None
        assert self.hydra_context is not None
        assert self.task_function is not None
        setup_globals()
        configs = JobConfigs(self.hydra_context.config_loader, self.config)
        jobs = list(enumerate(job_overrides, start=initial_job_idx))
        fuse: Fuse | None = getattr(self.task_function, "fuse", None)
        # One at a time: the configs of ten thousand jobs would take half a gigabyte.
        task_configs = (_without_hydra(configs.config(overrides, number)) for number, overrides in jobs)
        if fuse is None:
            for _ in task_configs:  # every job is composed before the first is run
                pass
            return super().launch(job_overrides, initial_job_idx)
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        waits = fuse(task_configs, job_overrides)
        log.info(f"Launched {len(job_overrides)} jobs in one call")
        Path(str(self.config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
        runs: list[PackedJobReturn] = []
        for (number, overrides), wait in zip(jobs, waits, strict=True):
            job = run_job(
                hydra_context=self.hydra_context,
                task_function=_Waiting(wait),
                config=configs.config(overrides, number),
                job_dir_key="hydra.sweep.dir",
                job_subdir_key="hydra.sweep.subdir",
            )
            runs.append((runs[0] if runs else PackedJobReturn()).pack(job))
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        return runs


class _Waiting:
    """A task function that waits for a job which has been begun."""

    def __init__(self, wait: Callable[[], Any]) -> None:
        self._wait = wait

    def __call__(self, config: DictConfig) -> Any:
        return self._wait()


def _without_hydra(config: DictConfig) -> DictConfig:
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
