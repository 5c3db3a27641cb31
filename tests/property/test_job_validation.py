"""The fast validation of a sweep's jobs composes the same configs as Hydra, in the same order."""

from collections.abc import Iterator
from typing import Any

import pytest
from hydra import compose
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from omegaconf.errors import OmegaConfBaseException

from swath.cli.validation import check_command
from swath.config import FIELDS, JobConfig, config_of, parse_overrides, register
from swath.config.compose import hydra_ready
from swath.errors import ConfigError

VALUES: dict[str, list[str]] = {
    "batch_size": ["50", "100", "1497", "0x10", "${max_steps}", "range(10,40,15)"],
    "learning_rate": ["1e-6", "0.005", "3", "'1e-5'", "choice(1e-7,1e-6)"],
    "max_steps": ["1", "20", "${seed}"],
    "seed": ["7", "2", "9223372036854775807"],
    "evaluate_every_steps": ["0", "10"],
    "preprocessing": ["none", "standardize", "mean_image"],
    "data": ["digits", "cifar10", "glob(*)"],
    "data.validation_size": ["0", "300", "300.0", "${max_steps}"],
    "data.dir": ["null", "/some/where", "'a, b'", "'${data.name}'"],
    "print_every_steps": ["10", "${batch_size}"],
    "tracking.experiment": ["swath", "'a b=c'", "sweep-${seed}"],
}


@pytest.fixture(autouse=True, scope="module")
def swath_on_search_path() -> Iterator[None]:
    register()
    yield


@st.composite
def commands(draw: st.DrawFn) -> list[str]:
    keys = draw(st.lists(st.sampled_from(sorted(VALUES)), unique=True, max_size=4))
    overrides = []
    for key in keys:
        most = 1 if key.startswith("tracking") or len(overrides) > 2 else 2
        several = st.lists(st.sampled_from(VALUES[key]), min_size=1, max_size=most, unique=True)
        values = draw(several)
        if any("(" in value for value in values):  # a function must be the only value
            values = [next(value for value in values if "(" in value)]
        overrides.append(f"{key}={','.join(values)}")
    return overrides


def compose_in_full(config_name: str, overrides: list[str]) -> list[JobConfig]:
    """All jobs as Hydra's basic sweeper splits them and its launcher composes them."""
    with hydra_ready():
        single = [text for text in overrides if "," not in text and "(" not in text]
        base: Any = compose(config_name, single, return_hydra_config=True)
        params = [f"{key}={value}" for key, value in (base.hydra.sweeper.params or {}).items()]
        parser = OverridesParser.create(GlobalHydra.instance().config_loader())
        (jobs,) = BasicSweeper.split_arguments(parser.parse_overrides([*params, *overrides]), None)
        return [config_of(compose(config_name, list(job))) for job in jobs]


def assert_same(config_name: str, overrides: list[str]) -> None:
    try:
        expected = compose_in_full(config_name, overrides)
    except (HydraException, OmegaConfBaseException, ConfigError):
        with pytest.raises(ConfigError):
            check_command(config_name, overrides, True, ())
        return
    if len({job.sweep for job in expected}) > 1 or any(map(sweeps_a_setting, overrides)):
        with pytest.raises(ConfigError, match="expected one value for the whole sweep"):
            check_command(config_name, overrides, True, ())
        return
    checked = check_command(config_name, overrides, True, ())
    assert list(checked.configs) == [job.train for job in expected]
    assert {checked.sweep} == {job.sweep for job in expected}


def sweeps_a_setting(text: str) -> bool:
    (override,) = parse_overrides([text])
    spec = FIELDS.get(override.key_or_group)
    return spec is not None and spec.scope == "sweep" and override.is_sweep_override()


@settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(commands())
@example(["data.dir='a, b'", "seed=1,2"])
@example(["tracking.experiment=sweep-${seed}", "data=digits,cifar10", "seed=1,2"])
def test_jobs_equal_those_that_hydra_composes(overrides: list[str]) -> None:
    assert_same("config", overrides)


@pytest.mark.parametrize(
    "overrides",
    [[], ["max_steps=20"], ["seed=2", "batch_size=${seed}"], ["data=cifar10", "data.validation_size=10,20"]],
    ids=" ".join,
)
def test_jobs_of_a_named_sweep_equal_those_that_hydra_composes(overrides: list[str]) -> None:
    assert_same("quickstart", overrides)
