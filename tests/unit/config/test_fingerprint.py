"""Fingerprints depend on the hyperparameters and on nothing else."""

from dataclasses import dataclass
from typing import Any

import pytest
from omegaconf import OmegaConf
from support.small import run_config

from swath.config import (
    DataConfig,
    TrainConfig,
    computed_values,
    fingerprint,
    lane_fingerprint,
    read_stored_config,
    readable_name,
    stored_config,
    translated,
)
from swath.config.constraints import Range
from swath.config.fields import hyperparameter
from swath.config.schema import schema_node
from swath.errors import ConfigError


@dataclass(frozen=True)
class LaterConfig(TrainConfig):
    """The schema of a later version: it has one more field, whose default 0.0 has no effect."""

    momentum: float = hyperparameter(Range(0), "Momentum.", shared_by="lane", when_absent=0.0)


def later(config: TrainConfig, momentum: float) -> LaterConfig:
    return LaterConfig(**{name: getattr(config, name) for name in vars(config)}, momentum=momentum)


STORED: list[tuple[tuple[str, int], dict[str, Any], str, str]] = [
    (("cifar10", 0), {}, "12e82f131834997a", "7bb3338de2e1c66a"),
    (("cifar10", 5000), {"learning_rate": 1e-6}, "e2cf735fcb93143c", "9583a0e3faef7bb6"),
    (
        ("digits", 300),
        {"batch_size": 50, "learning_rate": 1e-7, "max_steps": 200},
        "e74427aa0b7c57ac",
        "a816bf51d6660c50",
    ),
    (("digits", 0), {"seed": 2**63 - 1, "preprocessing": "none"}, "6d38fe6b16cc16e5", "75683d406b7576c4"),
    (
        ("cifar10", 1),
        {"learning_rate": 3e38, "evaluate_every_steps": 7},
        "72c1cbadd3f9fc09",
        "581109a9e5d8901c",
    ),
    (
        ("digits", 0),
        {"preprocessing": "standardize", "learning_rate": 1e-45, "max_steps": 1},
        "79a5641e21ed916a",
        "79a5641e21ed916a",
    ),
]
"""Data set, changes to the article's run, and fingerprints of the run and of its lane, as stored by 0.1.0."""


@pytest.mark.parametrize(("data", "changes", "stored", "lane"), STORED)
def test_fingerprints_equal_those_in_existing_stores(
    data: tuple[str, int], changes: dict[str, Any], stored: str, lane: str
) -> None:
    article: dict[str, Any] = {"batch_size": 100, "learning_rate": 0.005, "max_steps": 1000}
    config = run_config(**{**article, **changes, "data": DataConfig(*data)})
    assert fingerprint(config) == stored
    assert lane_fingerprint(config) == lane


@pytest.mark.parametrize(
    "change",
    [
        {"batch_size": 11},
        {"learning_rate": 2e-6},
        {"max_steps": 11},
        {"seed": 1},
        {"evaluate_every_steps": 5},
        {"preprocessing": "none"},
        {"data": DataConfig("digits", 0)},
        {"data": DataConfig("cifar10", 1)},
    ],
)
def test_every_hyperparameter_changes_the_fingerprint(change: dict[str, Any]) -> None:
    assert fingerprint(run_config(**change)) != fingerprint(run_config())


def test_learning_rates_with_equal_float32_values_are_one_configuration() -> None:
    assert fingerprint(run_config(learning_rate=1e-6)) == fingerprint(run_config(learning_rate=1e-6 + 1e-16))


def test_added_field_with_its_former_behaviour_keeps_fingerprints() -> None:
    assert fingerprint(later(run_config(), momentum=0.0)) == fingerprint(run_config())


def test_added_field_gets_its_former_value_if_a_config_lacks_it() -> None:
    node = schema_node(LaterConfig)
    assert node.momentum == 0.0
    assert OmegaConf.is_missing(node, "learning_rate")
    without = {name: getattr(run_config(), name) for name in vars(run_config())}
    assert LaterConfig(**without) == later(run_config(), momentum=0.0)


def test_added_field_with_another_value_changes_the_fingerprint() -> None:
    assert fingerprint(later(run_config(), momentum=0.9)) != fingerprint(run_config())


def test_computed_values_are_the_fields_of_a_train_config_that_have_a_value() -> None:
    assert list(computed_values(run_config())) == [
        "batch_size",
        "learning_rate",
        "max_steps",
        "seed",
        "evaluate_every_steps",
        "preprocessing",
        "augment",
        "l2",
        "schedule",
        "warmup_steps",
        "data.name",
        "data.validation_size",
        "model.name",
        "optimizer.name",
    ]


def test_stored_config_has_exactly_the_fields_of_the_configuration() -> None:
    stored = OmegaConf.to_container(OmegaConf.create(stored_config(run_config())))
    assert isinstance(stored, dict)
    assert set(stored) == {"defaults", *(name.split(".")[0] for name in computed_values(run_config()))}
    assert stored["data"] == {"name": "cifar10", "validation_size": 0}


def test_stored_config_round_trips() -> None:
    assert read_stored_config(stored_config(run_config()), "config.yaml") == run_config()


def test_config_of_an_earlier_version_may_have_removed_fields() -> None:
    former = "log_every_steps: 5\ndevice: cpu\nfuse: {max_lanes: 3, check: 0}\ntracking: {afterwards: none}\n"
    assert read_stored_config(stored_config(run_config()) + former, "config.yaml") == run_config()


def test_stored_config_with_an_unknown_field_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"config\.yaml: momentum: unknown field"):
        read_stored_config(stored_config(run_config()) + "momentum: 0.9\n", "config.yaml")


@pytest.mark.parametrize(
    ("former", "now"),
    [
        ("fuse.max_lanes=3", ["lanes.max=3"]),
        ("+fuse.check=3", ["+lanes.verify=3"]),
        ("tracking.afterwards=none", ["tracking.postprocess=off"]),
        ("tracking.models=none", ["tracking.log_models=none"]),
        ("resume=anyway", ["resume=yes", "force_resume=true"]),
        ("device=cpu", []),
        ("learning_rate=1e-6", ["learning_rate=1e-6"]),
    ],
)
def test_overrides_of_earlier_versions_are_translated(former: str, now: list[str]) -> None:
    assert translated(former) == now


def test_runs_that_differ_in_run_fields_only_have_the_same_lane_fingerprint() -> None:
    assert lane_fingerprint(run_config(max_steps=10)) == lane_fingerprint(run_config(max_steps=500))
    assert lane_fingerprint(run_config()) == fingerprint(run_config(max_steps=1))  # as in stored tags
    assert lane_fingerprint(run_config(learning_rate=1.0)) != lane_fingerprint(run_config())


def test_run_name_is_readable() -> None:
    config = run_config(batch_size=100, learning_rate=1e-6, max_steps=1000)
    assert readable_name(config) == "batch_size=100 learning_rate=1e-06 max_steps=1000"
    assert readable_name(config, ["learning_rate", "seed"]) == "learning_rate=1e-06 seed=0"
