"""The fused launcher does what Hydra expects of a launcher, with and without a task function that fuses."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.test_utils.launcher_common_tests import IntegrationTestSuite, LauncherTestSuite
from hydra.test_utils.test_utils import SweepTaskFunction
from omegaconf import DictConfig

FUSED = {"defaults": [{"override hydra/launcher": "lanes"}, {"override hydra/sweeper": "lanes"}]}
MARKER = "fused.txt"


@pytest.fixture
def task_functions_fuse(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Give Hydra's own test task a `fuse`; returns how many jobs came with each call."""
    calls: list[int] = []

    def fuse(
        self: SweepTaskFunction, configs: Iterable[DictConfig], overrides: Sequence[Sequence[str]]
    ) -> list[Callable[[], Any]]:
        jobs = list(configs)
        calls.append(len(jobs))
        assert len(jobs) == len(overrides)
        return [lambda config=config: self(config) for config in jobs]

    monkeypatch.setattr(SweepTaskFunction, "fuse", fuse, raising=False)
    return calls


def test_hydra_finds_the_launcher() -> None:
    names = [plugin.__name__ for plugin in Plugins.instance().discover(Launcher)]
    assert names.count("LanesLauncher") == 1


@pytest.mark.parametrize(("launcher_name", "overrides"), [("lanes", []), ("lanes", ["hydra/sweeper=lanes"])])
class TestWithoutFuse(LauncherTestSuite):
    """A task function like any other: the jobs run one by one."""


@pytest.mark.usefixtures("task_functions_fuse")
@pytest.mark.parametrize(("launcher_name", "overrides"), [("lanes", []), ("lanes", ["hydra/sweeper=lanes"])])
class TestWithFuse(LauncherTestSuite):
    """A task function that takes all jobs at once."""


@pytest.mark.parametrize(("task_launcher_cfg", "extra_flags"), [(FUSED, ["-m"])])
class TestAsAnApp(IntegrationTestSuite):
    """Whole programs."""


FUSE = """
def fuse(configs, overrides):
    open({marker!r}, "w").close()
    return [lambda config=config: experiment.__wrapped__(config) for config in configs]

experiment.__wrapped__.fuse = fuse

if __name__ =="""


@pytest.mark.parametrize(("task_launcher_cfg", "extra_flags"), [(FUSED, ["-m"])])
class TestAsAnAppThatFuses(IntegrationTestSuite):
    """Whole programs whose task function carries `fuse`."""

    def generate_custom_cmd(self) -> Callable[..., list[str]]:
        def give_fuse(command: list[str], filename: str) -> list[str]:
            program, marker = Path(filename).resolve(), str(Path(MARKER).resolve())
            text = program.read_text(encoding="utf-8")
            assert text.count("if __name__ ==") == 1
            program.write_text(text.replace("if __name__ ==", FUSE.format(marker=marker)), encoding="utf-8")
            return command

        return give_fuse

    @pytest.fixture(autouse=True)
    def was_really_fused(self, tmpdir: Path) -> Iterator[None]:
        yield
        assert (Path(tmpdir) / MARKER).exists()


def test_config_of_a_job_is_whole_although_hydra_froze_the_one_before(
    hydra_sweep_runner: Any, task_functions_fuse: list[int]
) -> None:
    """`run_job` freezes its config and writes into it; the next job's is made of the same one."""
    loads: list[list[str]] = []
    original = ConfigLoaderImpl.load_sweep_config

    def counted(self: ConfigLoaderImpl, master: DictConfig, overrides: list[str]) -> DictConfig:
        loads.append(overrides)
        return original(self, master, overrides)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ConfigLoaderImpl, "load_sweep_config", counted)
        sweep = hydra_sweep_runner(
            calling_file=None,
            calling_module="hydra.test_utils.a_module",
            task_function=None,
            config_path="configs",
            config_name="compose.yaml",
            overrides=["hydra/launcher=lanes", "hydra/sweeper=lanes", "foo=1,2,3,4"],
        )
        with sweep:
            jobs = sweep.returns[0]
    assert [job.cfg.foo for job in jobs] == [1, 2, 3, 4]
    assert [job.overrides for job in jobs] == [["foo=1"], ["foo=2"], ["foo=3"], ["foo=4"]]
    folders = [job.hydra_cfg.hydra.runtime.output_dir for job in jobs]
    assert [Path(folder).name for folder in folders] == ["0", "1", "2", "3"]
    assert [job.hydra_cfg.hydra.job.num for job in jobs] == [0, 1, 2, 3]
    assert task_functions_fuse == [4]
    assert len(loads) == 1  # all others were made of the first
