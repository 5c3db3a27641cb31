"""`hydra/launcher=fused`: all jobs of a sweep in one call of the task function, where it can take them.

Hydra imports this module at the start of every program on the machine, so it imports nothing heavy.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, configure_log, run_job, setup_globals
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.swath_fused._job_configs import JobConfigs

log = logging.getLogger(__name__)

Fuse = Callable[[Sequence[DictConfig], Sequence[Sequence[str]]], Sequence[Callable[[], Any]]]
"""What a task function may carry as its attribute `fuse`: (configs, overrides) of all jobs -> for each job a
function that waits for it and returns what the task function would have returned, or raises. `fuse` itself
returns at once; what it has begun goes on while Hydra writes the jobs' files."""


@dataclass
class FusedLauncherConf:
    """Config of the launcher."""

    _target_: str = "hydra_plugins.swath_fused.launcher.FusedLauncher"


ConfigStore.instance().store(
    group="hydra/launcher", name="fused", node=FusedLauncherConf, provider="swath_fused"
)


class FusedLauncher(BasicLauncher):
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
        task_configs = [_without_hydra(configs.config(overrides, number)) for number, overrides in jobs]
        fuse: Fuse | None = getattr(self.task_function, "fuse", None)
        if fuse is None:
            return super().launch(job_overrides, initial_job_idx)
        configure_log(self.config.hydra.hydra_logging, self.config.hydra.verbose)
        Path(str(self.config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
        log.info(f"Launching {len(job_overrides)} jobs in one call")
        waits = fuse(task_configs, job_overrides)
        runs = []
        for (number, overrides), wait in zip(jobs, waits, strict=True):
            runs.append(
                run_job(
                    hydra_context=self.hydra_context,
                    task_function=_Waiting(wait),
                    config=configs.config(overrides, number),
                    job_dir_key="hydra.sweep.dir",
                    job_subdir_key="hydra.sweep.subdir",
                )
            )
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
