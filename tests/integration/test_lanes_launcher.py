"""The lanes launcher does what Hydra expects of a launcher, whether or not a task has `start_jobs`."""

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from hydra.plugins.launcher import Launcher
from hydra.test_utils.launcher_common_tests import IntegrationTestSuite, LauncherTestSuite
from hydra.test_utils.test_utils import SweepTaskFunction
from omegaconf import DictConfig, OmegaConf

from swath.cli.validation import check_command
from swath.config import register

LANES = {"defaults": [{"override hydra/launcher": "lanes"}, {"override hydra/sweeper": "lanes"}]}
MARKER = "started.txt"


@pytest.fixture
def task_functions_start_jobs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Give Hydra's own test task a `start_jobs`; returns how many jobs came with each call."""
    calls: list[int] = []

    def start_jobs(
        self: SweepTaskFunction, overrides: Sequence[Sequence[str]], compose: Callable[[Any], DictConfig]
    ) -> list[Callable[[], Any]]:
        calls.append(len(overrides))
        return [lambda config=compose(job): self(config) for job in overrides]

    monkeypatch.setattr(SweepTaskFunction, "start_jobs", start_jobs, raising=False)
    return calls


def test_hydra_finds_the_launcher() -> None:
    names = [plugin.__name__ for plugin in Plugins.instance().discover(Launcher)]
    assert names.count("LanesLauncher") == 1


@pytest.mark.parametrize(("launcher_name", "overrides"), [("lanes", []), ("lanes", ["hydra/sweeper=lanes"])])
class TestOneByOne(LauncherTestSuite):
    """A task function like any other: the jobs run one by one."""


@pytest.mark.usefixtures("task_functions_start_jobs")
@pytest.mark.parametrize(("launcher_name", "overrides"), [("lanes", []), ("lanes", ["hydra/sweeper=lanes"])])
class TestWithStartJobs(LauncherTestSuite):
    """A task function that takes all jobs at once."""


@pytest.mark.parametrize(("task_launcher_cfg", "extra_flags"), [(LANES, ["-m"])])
class TestAsAnApp(IntegrationTestSuite):
    """Whole programs."""


START_JOBS = """
def start_jobs(overrides, compose):
    open({marker!r}, "w").close()
    return [lambda config=compose(job): experiment.__wrapped__(config) for job in overrides]

experiment.__wrapped__.start_jobs = start_jobs

if __name__ =="""


@pytest.mark.parametrize(("task_launcher_cfg", "extra_flags"), [(LANES, ["-m"])])
class TestAsAnAppWithStartJobs(IntegrationTestSuite):
    """Whole programs whose task function has `start_jobs`."""

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
    def was_really_started_with_one_call(self, tmpdir: Path) -> Iterator[None]:
        yield
        assert (Path(tmpdir) / MARKER).exists()


def run(task: Any, folder: str, *words: str) -> list[JobReturn]:
    """Run `swath`'s configuration with a task, in the present working folder."""
    register()
    returns: list[JobReturn] = []

    class Keep(Callback):
        def on_job_end(self, config: DictConfig, job_return: JobReturn, **_: Any) -> None:
            returns.append(job_return)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hydra._internal.callbacks.Callbacks.__init__", lambda self, config=None: None)
        patch.setattr("hydra._internal.callbacks.Callbacks.callbacks", [Keep()], raising=False)
        patch.setattr("sys.argv", ["swath", "-m", f"hydra.sweep.dir={folder}", *words])
        hydra.main(version_base="1.3", config_path=None, config_name="config")(task)()
    return returns


WORDS = ["data=digits,cifar10", "seed=1,2", "data.dir=null,'a, b'", "max_steps=${seed}", "on_failure=stop"]


def test_files_and_returns_of_jobs_are_those_of_hydras_own_launcher(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def task(config: DictConfig) -> float:
        logging.getLogger(__name__).warning("seed %s", HydraConfig.get().overrides.task)
        return float(config.seed)

    monkeypatch.chdir(tmp_path)
    register()
    checked = check_command("config", WORDS, True, ())
    started: Any = partial(task)
    started.compose_job = checked.composer.composed
    started.start_jobs = lambda overrides, compose: [partial(task, compose(job)) for job in overrides]
    expected, found = run(task, "hydras", *WORDS), run(started, "lanes", *WORDS)
    assert len(found) == 8
    for theirs, ours in zip(expected, found, strict=True):
        assert ours.return_value == theirs.return_value
        assert ours.overrides == theirs.overrides
        assert ours.cfg == theirs.cfg
        assert (ours.task_name, ours.working_dir) == (theirs.task_name, theirs.working_dir)
        assert OmegaConf.to_yaml(ours.hydra_cfg).replace("/lanes", "/hydras").replace(
            "dir=lanes", "dir=hydras"
        ).replace("dir: lanes", "dir: hydras") == OmegaConf.to_yaml(theirs.hydra_cfg)
    names = sorted(path.relative_to("hydras") for path in Path("hydras").rglob("*") if path.is_file())
    assert names == sorted(path.relative_to("lanes") for path in Path("lanes").rglob("*") if path.is_file())
    assert len(names) == 1 + 8 * 4
    for name in (name for name in names if name.suffix == ".yaml"):
        ours = (Path("lanes") / name).read_text(encoding="utf-8")
        theirs = (Path("hydras") / name).read_text(encoding="utf-8")
        assert ours.replace("lanes", "hydras") == theirs.replace("lanes", "hydras")
    for name in (name for name in names if name.suffix == ".log"):
        ours = (Path("lanes") / name).read_text(encoding="utf-8")
        theirs = (Path("hydras") / name).read_text(encoding="utf-8")
        assert ours.partition("[")[2][25:] == theirs.partition("[")[2][25:]


def test_hydra_composes_once_for_all_jobs_of_a_grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    composed: list[list[str]] = []
    original = ConfigLoaderImpl._load_configuration_impl

    def counted(self: ConfigLoaderImpl, config_name: str, overrides: list[str], **others: Any) -> DictConfig:
        composed.append(overrides)
        return original(self, config_name, overrides, **others)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ConfigLoaderImpl, "_load_configuration_impl", counted)
    register()
    checked = check_command("config", ["seed=range(0,30)"], True, ())
    assert len(composed) == 2  # what all jobs have in common, for the mode and as a job

    def task(config: DictConfig) -> float:
        raise AssertionError("all jobs are started with one call")

    started: Any = task
    started.compose_job = checked.composer.composed
    started.start_jobs = lambda overrides, compose: [lambda: 0.0 for _ in overrides]
    assert len(run(started, "lanes", "seed=range(0,30)")) == 30
    assert not [overrides for overrides in composed if any(text.startswith("seed=1") for text in overrides)]
