"""The fused launcher does what Hydra expects of a launcher, with and without a task function that fuses."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.test_utils.launcher_common_tests import IntegrationTestSuite, LauncherTestSuite
from hydra.test_utils.test_utils import SweepTaskFunction
from omegaconf import DictConfig

FUSED = {"defaults": [{"override hydra/launcher": "fused"}, {"override hydra/sweeper": "fused"}]}


@pytest.fixture
def task_functions_fuse(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Give Hydra's own test task a `fuse`; returns how many jobs came with each call."""
    calls: list[int] = []

    def fuse(
        self: SweepTaskFunction, configs: Sequence[DictConfig], overrides: Sequence[Sequence[str]]
    ) -> list[Callable[[], Any]]:
        calls.append(len(configs))
        assert len(configs) == len(overrides)
        return [lambda config=config: self(config) for config in configs]

    monkeypatch.setattr(SweepTaskFunction, "fuse", fuse, raising=False)
    return calls


def test_hydra_finds_the_launcher() -> None:
    names = [plugin.__name__ for plugin in Plugins.instance().discover(Launcher)]
    assert names.count("FusedLauncher") == 1


@pytest.mark.parametrize(("launcher_name", "overrides"), [("fused", []), ("fused", ["hydra/sweeper=fused"])])
class TestWithoutFuse(LauncherTestSuite):
    """A task function like any other: the jobs run one by one."""


@pytest.mark.usefixtures("task_functions_fuse")
@pytest.mark.parametrize(("launcher_name", "overrides"), [("fused", []), ("fused", ["hydra/sweeper=fused"])])
class TestWithFuse(LauncherTestSuite):
    """A task function that takes all jobs at once."""


@pytest.mark.parametrize(("task_launcher_cfg", "extra_flags"), [(FUSED, ["-m"])])
class TestAsAnApp(IntegrationTestSuite):
    """Whole programs."""
