"""Setting the leaves of a config that was composed before gives what composing it from nothing gives."""

from collections.abc import Iterator
from typing import Any

import pytest
from hydra import initialize
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf

from hydra_plugins.swath_lanes._job_configs import JobConfigs
from swath.config import register

VALUES: dict[str, list[str]] = {
    "batch_size": ["50", "100", "${max_steps}"],
    "learning_rate": ["1e-6", "3", "'1e-5'"],
    "max_steps": ["1", "20", "${seed}", "many"],
    "seed": ["7", "2"],
    "preprocessing": ["none", "standardize"],
    "data": ["digits", "cifar10"],
    "data.validation_size": ["0", "300"],
    "data.dir": ["null", "/some/where", "'a, b'", "${data.name}"],
    "tracking": ["{experiment: other}"],
    "tracking.experiment": ["'a b=c'", "sweep-${seed}"],
    "+hydra.job.env_set.X": ["1"],
    "hydra.job.name": ["other"],
    "~seed": [""],
}


@pytest.fixture(scope="module")
def loader() -> Iterator[ConfigLoader]:
    register()
    with initialize(version_base="1.3", config_path=None):
        yield GlobalHydra.instance().config_loader()


@st.composite
def jobs(draw: st.DrawFn) -> list[list[str]]:
    """Jobs of a sweep: the same keys, in the same order, with other values."""
    keys = draw(st.lists(st.sampled_from(sorted(VALUES)), unique=True, max_size=4))
    values = [st.sampled_from(VALUES[key]) for key in keys]
    drawn = draw(st.lists(st.tuples(*values), min_size=2, max_size=4))
    return [
        [key if key[0] == "~" else f"{key}={v}" for key, v in zip(keys, job, strict=True)] for job in drawn
    ]


def in_full(loader: ConfigLoader, master: DictConfig, overrides: list[str], number: int) -> Any:
    config = loader.load_sweep_config(master, overrides)
    OmegaConf.set_struct(config, False)
    OmegaConf.set_readonly(config, False)
    OmegaConf.set_readonly(config.hydra, False)
    config.hydra.job.id = str(number)
    config.hydra.job.num = number
    return plain(config)


def plain(config: DictConfig) -> Any:
    return OmegaConf.to_container(config, resolve=False)


@example(
    [
        ["tracking.experiment=sweep-${seed}", "tracking={experiment: other}"],
        ["tracking.experiment='a b=c'", "tracking={experiment: other}"],
    ]
)
@settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(jobs())
def test_jobs_are_what_hydra_composes(loader: ConfigLoader, jobs: list[list[str]]) -> None:
    master = loader.load_configuration("config", [], run_mode=RunMode.MULTIRUN)
    configs = JobConfigs(loader, master)
    for number, overrides in enumerate(jobs):
        try:
            expected = in_full(loader, master, overrides, number)
        except HydraException as error:
            with pytest.raises(type(error), match="^" + str(error).splitlines()[0][:20]):
                configs.config(overrides, number)
            continue
        assert plain(configs.config(overrides, number)) == expected
