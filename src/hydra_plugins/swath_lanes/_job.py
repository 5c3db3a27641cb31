"""Runs jobs as Hydra's `run_job` does, but does not copy each config or dump it completely."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra import version
from hydra._internal.deprecation_warning import deprecation_warning
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobRuntime, JobStatus, configure_log, env_override, filter_overrides
from hydra.core.utils import _flush_loggers as flush_loggers
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from swath.config import IncrementalYaml

CHDIR_NOTE = """\
Future Hydra versions will no longer change working directory at job runtime by default.
See https://hydra.cc/docs/1.2/upgrades/1.1_to_1.2/changes_to_job_working_dir/ for more information."""

Wait = Callable[[], Any]
"""Waits for the end of a job: returns the result of the task function, or raises its exception."""

_JOB_KEYS = (
    ("job", "id"),
    ("job", "num"),
    ("job", "override_dirname"),
    ("overrides", "task"),
    ("runtime", "output_dir"),
)
"""Keys in Hydra's part of the config that differ between jobs whose configs are the same object."""


def without_hydra(config: DictConfig) -> DictConfig:
    """A copy of a job's config without Hydra's part."""
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])


class LazyJobReturn(JobReturn):
    """A `JobReturn` that composes its configs on access, because a sweep may have ten thousand jobs."""

    _config: Callable[[], DictConfig] | None = None

    @property
    def cfg(self) -> Any:
        """The job's config without Hydra's part; a new copy each time."""
        return None if self._config is None else without_hydra(self._config())

    @cfg.setter
    def cfg(self, config: Any) -> None:
        """Ignored: the initializer of the base class sets None."""

    @property
    def hydra_cfg(self) -> Any:
        """Hydra's part of the job's config; a new copy each time."""
        return None if self._config is None else OmegaConf.masked_copy(self._config(), "hydra")

    @hydra_cfg.setter
    def hydra_cfg(self, config: Any) -> None:
        """Ignored: the initializer of the base class sets None."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as Hydra's own `JobReturn`, with its configs; Hydra's callbacks may pickle it."""
        composed = {"cfg": self.cfg, "hydra_cfg": self.hydra_cfg}
        others = {name: value for name, value in vars(self).items() if name != "_config"}
        return JobReturn, (), {**others, **composed}


class JobRunner:
    """Runs jobs; the common content of their files is converted to text only once.

    Args:
      context: Hydra's context.
      task_function: the task function; passed to callbacks.
      shared: folder of a job whose folder is not made; None where each job has its own.
    """

    def __init__(self, context: HydraContext, task_function: Any, shared: str | None = None) -> None:
        self._shared = shared
        self._logs = False
        self._brief: JobReturn | None = None
        self._callbacks = context.callbacks
        self._task_function = task_function
        self._yaml = {name: IncrementalYaml() for name in ("config.yaml", "hydra.yaml", "overrides.yaml")}
        self._current: tuple[DictConfig, DictConfig] | None = None

    def run(self, overrides: Sequence[str], compose: Callable[[], DictConfig], wait: Wait) -> JobReturn:
        """Create the folder and files of a job, unless it shares a folder, then wait for its end.

        Args:
          overrides: of the job.
          compose: returns the config of the job.
          wait: returns the result of the task function, or raises its exception.
        """
        if self._brief is not None:
            return self._run_like(self._brief, overrides, compose, wait)
        previous = HydraConfig.instance().cfg
        config = compose()
        try:
            folder = self._set_folder(config)
            self._set_config(config)
            task: Any = OmegaConf.to_container(config.hydra.overrides.task)
            found = self._return(task, compose, folder)
            with _working_folder(config, folder):
                found.working_dir = str(Path.cwd())
                if not self._logs:
                    configure_log(config.hydra.job_logging, config.hydra.verbose)
                if self._shared is None:
                    self._write_files(config)
                else:  # what is set up for the first job is there for all
                    self._logs = True
                with env_override(config.hydra.job.env_set):
                    self._callbacks.on_job_start(config=config, task_function=self._task_function)
                    _wait_for(found, wait)
                found.task_name = JobRuntime.instance().get("name")
                flush_loggers()
                self._callbacks.on_job_end(config=config, job_return=found)
            if self._shared is not None and self._needs_no_config(config):
                self._brief = found
            return found
        finally:
            HydraConfig.instance().cfg = previous

    def _needs_no_config(self, config: DictConfig) -> bool:
        """Whether nothing happens at a job but waiting: composing a config takes milliseconds."""
        job = config.hydra.job
        changes = bool(self._callbacks.callbacks) or bool(job.env_set) or job.chdir is not False
        return hasattr(self._task_function, "compose_job") and not changes

    def _run_like(
        self, first: JobReturn, overrides: Sequence[str], compose: Callable[[], DictConfig], wait: Wait
    ) -> JobReturn:
        """Wait for the end of a job whose config nothing needs; the rest is as at the first job."""
        assert self._shared is not None
        found = self._return(filter_overrides(overrides), compose, self._shared)
        found.working_dir, found.task_name = first.working_dir, first.task_name
        _wait_for(found, wait)
        return found

    def _return(
        self, overrides: Sequence[str], compose: Callable[[], DictConfig], folder: str
    ) -> LazyJobReturn:
        found = LazyJobReturn()
        found._config = lambda: _with_folder(compose(), folder)
        found.overrides = list(overrides)
        return found

    def _set_folder(self, config: DictConfig) -> str:
        HydraConfig.instance().cfg = config  # interpolations may refer to it
        if self._shared is not None:
            _with_folder(config, self._shared)
            return self._shared
        place, name = (str(OmegaConf.select(config, f"hydra.sweep.{key}")) for key in ("dir", "subdir"))
        folder = os.path.abspath(os.path.join(place, name))  # noqa: PTH100, PTH118  as Hydra does
        _with_folder(config, folder)
        Path(folder).mkdir(parents=True, exist_ok=True)
        return folder

    def _set_config(self, config: DictConfig) -> None:
        """Set the config in `HydraConfig`; update only the job's keys if the config object is the same."""
        if self._current is None or self._current[0] is not config:
            HydraConfig.instance().set_config(config)
            current = HydraConfig.instance().cfg
            assert current is not None
            self._current = config, current
            return
        current = self._current[1]
        with read_write(current), read_write(current.hydra), open_dict(current.hydra):
            for part, name in _JOB_KEYS:
                current.hydra[part][name] = config.hydra[part][name]
        HydraConfig.instance().cfg = current

    def _write_files(self, config: DictConfig) -> None:
        if config.hydra.output_subdir is None:
            return
        plain = OmegaConf.to_container(config, enum_to_str=True)
        assert isinstance(plain, dict)
        hydra = plain.pop("hydra")
        place = Path(config.hydra.runtime.output_dir) / config.hydra.output_subdir
        place.mkdir(parents=True, exist_ok=True)
        contents = {
            "config.yaml": plain,
            "hydra.yaml": {"hydra": hydra},
            "overrides.yaml": hydra["overrides"]["task"],
        }
        for name, content in contents.items():
            (place / name).write_text(self._yaml[name].dump(content), encoding="utf-8")


def _wait_for(found: JobReturn, wait: Wait) -> None:
    """Wait for the end of a job, and keep its result or its exception."""
    try:
        found.return_value = wait()
        found.status = JobStatus.COMPLETED
    except Exception as error:
        found.return_value = error
        found.status = JobStatus.FAILED


def _with_folder(config: DictConfig, folder: str) -> DictConfig:
    with read_write(config.hydra.runtime), open_dict(config.hydra.runtime):
        config.hydra.runtime.output_dir = folder
    return config


@contextmanager
def _working_folder(config: DictConfig, folder: str) -> Iterator[None]:
    """Change to the folder of the job if `hydra.job.chdir` is set."""
    changes = config.hydra.job.chdir
    if changes is None:
        changes = not version.base_at_least("1.2")
        if changes:
            deprecation_warning(CHDIR_NOTE, stacklevel=2)
    before = Path.cwd()
    try:
        if changes:
            os.chdir(folder)
        yield
    finally:
        if changes:
            os.chdir(before)
