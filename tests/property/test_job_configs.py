"""Configs made from a composed config by setting fields equal those that Hydra composes for the job."""

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

from hydra_plugins.swath_lanes.launcher import LanesLauncher
from swath.config import JobComposer, register
from swath.errors import ConfigError

VALUES: dict[str, list[str]] = {
    "batch_size": ["50", "100", "${max_steps}"],
    "learning_rate": ["1e-6", "3", "'1e-5'"],
    "max_steps": ["1", "20", "${seed}", "many"],
    "seed": ["7", "2"],
    "preprocessing": ["none", "standardize"],
    "data": ["digits", "cifar10"],
    "data.validation_size": ["0", "300"],
    "data.dir": ["null", "/some/where", "'a, b'", "${data.name}"],
    "tracking.experiment": ["'a b=c'", "sweep-${seed}"],
    "+hydra.job.env_set.X": ["1"],
    "hydra.job.name": ["other"],
}


@pytest.fixture(scope="module")
def loader() -> Iterator[ConfigLoader]:
    register()
    with initialize(version_base="1.3", config_path=None):
        yield GlobalHydra.instance().config_loader()


@pytest.fixture(scope="module")
def master(loader: ConfigLoader) -> DictConfig:
    return loader.load_configuration("config", [], run_mode=RunMode.MULTIRUN)


@st.composite
def jobs(draw: st.DrawFn) -> list[list[str]]:
    """Overrides of a sweep's jobs, in any order, with different fields in different jobs."""
    values = st.fixed_dictionaries({}, optional={key: st.sampled_from(VALUES[key]) for key in sorted(VALUES)})
    drawn = draw(st.lists(values, min_size=2, max_size=4))
    return [[f"{key}={value}" for key, value in list(job.items())[:4]] for job in drawn]


def compose_in_full(loader: ConfigLoader, master: DictConfig, overrides: list[str], number: int) -> Any:
    config = loader.load_sweep_config(master, overrides)
    OmegaConf.set_struct(config, False)
    OmegaConf.set_readonly(config, False)
    OmegaConf.set_readonly(config.hydra, False)
    config.hydra.job.id = str(number)
    config.hydra.job.num = number
    return plain(config)


def plain(config: DictConfig) -> Any:
    return OmegaConf.to_container(config, resolve=False)


@example([["seed=7", "data=digits"], ["data=digits"], ["seed=${max_steps}", "data=digits"], ["data=digits"]])
@settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(jobs())
def test_job_configs_equal_those_that_hydra_composes(
    loader: ConfigLoader, master: DictConfig, jobs: list[list[str]]
) -> None:
    composer, launcher = JobComposer("config", []), LanesLauncher()
    launcher.config = master
    for number, overrides in enumerate(jobs):
        try:
            expected = compose_in_full(loader, master, overrides, number)
        except HydraException:
            with pytest.raises(ConfigError):
                composer.composed(overrides)
            continue
        assert plain(launcher._job_config(composer.composed, tuple(overrides), number)) == expected


def configuration(composer: JobComposer, overrides: list[str]) -> Any:
    """The configuration of a job, or the mistakes in it."""
    try:
        return composer.job(overrides)
    except ConfigError as error:
        return error.mistakes


SIZES = ("[128]", "[256]", "[128,64]", "64")


@example([["model=mlp", f"model.hidden_units={sizes}"] for sizes in (*SIZES, *SIZES)])
@settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["model=mlp", "data=digits"]),
            st.sampled_from([f"model.hidden_units={sizes}" for sizes in SIZES]),
            st.sampled_from(["seed=1", "learning_rate=0.1", "learning_rate=0.2"]),
        ).map(list),
        min_size=2,
        max_size=5,
    )
)
def test_configuration_of_a_job_does_not_depend_on_other_jobs(
    loader: ConfigLoader, jobs: list[list[str]]
) -> None:
    composer = JobComposer("config", [])
    for number, overrides in enumerate([*jobs, *jobs]):
        # One more override, because the configuration of equal overrides is kept.
        changed = [*overrides, f"max_steps={number + 1}"]
        assert configuration(composer, changed) == configuration(JobComposer("config", []), changed)
