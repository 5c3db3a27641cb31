"""The lanes launcher meets Hydra's expectations of a launcher, with and without `start_jobs`."""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hydra import initialize
from hydra._internal.callbacks import Callbacks
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from hydra.plugins.launcher import Launcher
from hydra.test_utils.launcher_common_tests import IntegrationTestSuite, LauncherTestSuite
from hydra.test_utils.test_utils import SweepTaskFunction
from hydra.types import HydraContext, RunMode
from hydra.version import VersionBase
from omegaconf import DictConfig, OmegaConf
from support.hydra_app import run

from hydra_plugins.swath_lanes.launcher import LanesLauncher
from swath.cli.validation import check_command
from swath.config import register

LANES = {"defaults": [{"override hydra/launcher": "lanes"}, {"override hydra/sweeper": "lanes"}]}
MARKER = "started.txt"


@pytest.fixture(autouse=True)
def unspecified_version_base() -> None:
    """Hydra's test suite expects the default version base; another test in this process may have set 1.3."""
    Singleton._instances.pop(VersionBase, None)


@pytest.fixture
def task_functions_start_jobs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Add `start_jobs` to the task function of Hydra's test suite; yields the number of jobs of each call."""
    calls: list[int] = []

    def start_jobs(
        self: SweepTaskFunction, overrides: Sequence[Sequence[str]], compose: Callable[[Any], DictConfig]
    ) -> list[Callable[[], Any]]:
        calls.append(len(overrides))
        return [partial(self, compose(job)) for job in overrides]

    monkeypatch.setattr(SweepTaskFunction, "start_jobs", start_jobs, raising=False)
    return calls


def test_hydra_finds_the_launcher() -> None:
    names = [plugin.__name__ for plugin in Plugins.instance().discover(Launcher)]
    assert names.count("LanesLauncher") == 1


@pytest.mark.parametrize(("launcher_name", "overrides"), [("lanes", []), ("lanes", ["hydra/sweeper=lanes"])])
class TestWithoutStartJobs(LauncherTestSuite):
    """Task functions without `start_jobs`: jobs run one after the other."""


@pytest.mark.usefixtures("task_functions_start_jobs")
@pytest.mark.parametrize(("launcher_name", "overrides"), [("lanes", []), ("lanes", ["hydra/sweeper=lanes"])])
class TestWithStartJobs(LauncherTestSuite):
    """Task functions with `start_jobs`: all jobs start in one call."""


@pytest.mark.parametrize(("task_launcher_cfg", "extra_flags"), [(LANES, ["-m"])])
class TestAsAnApp(IntegrationTestSuite):
    """Complete applications."""


START_JOBS = """
def start_jobs(overrides, compose):
    open({marker!r}, "w").close()
    return [lambda config=compose(job): experiment.__wrapped__(config) for job in overrides]

experiment.__wrapped__.start_jobs = start_jobs

if __name__ =="""


@pytest.mark.parametrize(("task_launcher_cfg", "extra_flags"), [(LANES, ["-m"])])
class TestAsAnAppWithStartJobs(IntegrationTestSuite):
    """Complete applications whose task function has `start_jobs`."""

    def generate_custom_cmd(self) -> Callable[..., list[str]]:
        def give_start_jobs(command: list[str], filename: str) -> list[str]:
            program, marker = Path(filename).resolve(), str(Path(MARKER).resolve())
            text = program.read_text(encoding="utf-8")
            assert text.count("if __name__ ==") == 1
            program.write_text(
                text.replace("if __name__ ==", START_JOBS.format(marker=marker)), encoding="utf-8"
            )
            return command

        return give_start_jobs

    @pytest.fixture(autouse=True)
    def assert_started_with_one_call(self, tmpdir: Path) -> Iterator[None]:
        yield
        assert (Path(tmpdir) / MARKER).exists()


OVERRIDES = [
    "data=digits,cifar10",
    "seed=1,2",
    "data.dir='a, b'",
    "preprocessing=none,mean_image",
    "max_steps=${seed}",
    "on_failure=stop",
    "hydra.sweep.dir=jobs",
    "hydra.sweep.subdir=${hydra.job.num}-${seed}",
]


def test_job_files_and_returns_equal_those_of_hydras_basic_launcher(tmp_path: Path) -> None:
    def task(config: DictConfig) -> float:
        logging.getLogger(__name__).warning("overrides %s", HydraConfig.get().overrides.task)
        return float(config.seed)

    register()
    checked = check_command("config", OVERRIDES, True, ())
    started: Any = partial(task)
    started.compose_job = checked.composer.composed
    started.start_jobs = lambda overrides, compose: [partial(task, compose(job)) for job in overrides]
    folders = tmp_path / "theirs", tmp_path / "ours"
    expected, found = run(task, folders[0], OVERRIDES), run(started, folders[1], OVERRIDES)
    assert len(found) == 8
    for theirs, ours in zip(expected, found, strict=True):
        assert ours.return_value == theirs.return_value
        assert ours.overrides == theirs.overrides
        assert ours.cfg == theirs.cfg
        assert ours.task_name == theirs.task_name
        assert OmegaConf.to_yaml(ours.hydra_cfg).replace("/ours", "/theirs") == OmegaConf.to_yaml(
            theirs.hydra_cfg
        )
    files = [sorted(path for path in place.rglob("*") if path.is_file()) for place in folders]
    assert len(files[0]) == len(files[1]) == 1 + 8 * 4
    for theirs_file, ours_file in zip(*files, strict=True):
        assert theirs_file.relative_to(folders[0]) == ours_file.relative_to(folders[1])
        texts = [
            path.read_text(encoding="utf-8").replace("/ours", "/theirs") for path in (theirs_file, ours_file)
        ]
        start = len("[2026-01-01 00:00:00,000]") if theirs_file.suffix == ".log" else 0
        assert texts[0][start:] == texts[1][start:]


def test_hydra_composes_once_for_all_jobs_of_a_grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    composed: list[list[str]] = []
    original = ConfigLoaderImpl._load_configuration_impl

    def counting_load(
        self: ConfigLoaderImpl, config_name: str, overrides: list[str], **others: Any
    ) -> DictConfig:
        composed.append(overrides)
        return original(self, config_name, overrides, **others)

    monkeypatch.setattr(ConfigLoaderImpl, "_load_configuration_impl", counting_load)
    register()
    overrides = ["seed=range(0,30)"]
    checked = check_command("config", overrides, True, ())
    assert len(composed) == 2  # once for the mode and the sweeper, once for all jobs

    def task(config: DictConfig) -> float:
        raise AssertionError("all jobs are started with one call")

    started: Any = task
    started.compose_job = checked.composer.composed
    started.start_jobs = lambda overrides, compose: [lambda: 0.0 for _ in overrides]
    assert len(run(started, tmp_path / "jobs", overrides)) == 30
    assert not [overrides for overrides in composed if "seed=1" in overrides]


class Counting(Callback):
    """Counts the starts of jobs."""

    jobs = 0

    def on_job_start(self, config: DictConfig, **_: Any) -> None:
        self.jobs += 1


@pytest.mark.parametrize("calls_back", [False, True])
def test_jobs_beyond_the_folders_have_the_same_returns(
    tmp_path: Path, calls_back: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no callback needs the config of a job, it is composed on access only."""
    monkeypatch.chdir(tmp_path)
    register()
    jobs = [[f"seed={seed}", "max_steps=${seed}"] for seed in (1, 2, 3)]
    composed: list[Sequence[str]] = []
    outcomes = [lambda: 1.0, lambda: math.sqrt(-1), lambda: 3.0]

    def task(config: DictConfig) -> float:
        raise AssertionError("all jobs are started with one call")

    started: Any = task
    started.start_jobs = lambda jobs, compose: outcomes
    callbacks, counting = Callbacks(), Counting()
    callbacks.callbacks = [counting] if calls_back else []

    def launch(name: str, folders: int) -> Sequence[JobReturn]:
        place = f"hydra.sweep.dir={name}"
        composer = check_command("config", ["seed=1,2", "max_steps=${seed}", place], True, ()).composer

        def compose_job(job: Sequence[str]) -> DictConfig:
            composed.append(job)
            return composer.composed(job)

        started.compose_job = compose_job
        with initialize(version_base="1.3", config_path=None):
            loader = GlobalHydra.instance().config_loader()
            config = loader.load_configuration("config", [place], RunMode.MULTIRUN)
            launcher = LanesLauncher(folders)
            launcher.setup(hydra_context=HydraContext(loader, callbacks), task_function=task, config=config)
            return launcher.launch(jobs, 0)

    each, (composed_for_each, composed[:]) = launch("each", 3), (len(composed), [])
    none = launch("none", 2)
    assert (composed_for_each, len(composed)) == (3, 3 if calls_back else 1)
    assert counting.jobs == (6 if calls_back else 0)
    for theirs, ours in zip(each, none, strict=True):
        assert (ours.status, ours.task_name) == (theirs.status, theirs.task_name)
        assert ours.overrides == theirs.overrides
        assert repr(ours._return_value) == repr(theirs._return_value)
        assert ours.cfg == theirs.cfg
        assert ours.hydra_cfg.hydra.job == theirs.hydra_cfg.hydra.job
        assert ours.hydra_cfg.hydra.runtime.output_dir == str(tmp_path / "none")
    assert [found.status.name for found in none] == ["COMPLETED", "FAILED", "COMPLETED"]
    assert [path.name for path in (tmp_path / "none").iterdir()] == ["swath.log"]
    assert sorted(path.name for path in (tmp_path / "each").iterdir()) == ["0", "1", "2"]
