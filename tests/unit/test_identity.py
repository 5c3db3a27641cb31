"""A fingerprint is what a configuration computes, no more and no less."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
from support.small import run_config

from swath.config import DataConfig, TrainConfig, computed_values, fingerprint, readable_name, stored_config
from swath.config.fields import documented
from swath.config.schema import LanesConfig, TrackingConfig


@dataclass(frozen=True)
class LaterConfig(TrainConfig):
    """The schema of a later version: one more field, whose value 0.0 changes nothing."""

    momentum: float = documented("computed", "momentum", "a number", lambda _: True, added_with_default=0.0)


def later(config: TrainConfig, momentum: float) -> LaterConfig:
    return LaterConfig(**{name: getattr(config, name) for name in vars(config)}, momentum=momentum)


def test_fingerprint_is_what_it_was_when_runs_were_stored_with_it() -> None:
    assert fingerprint(run_config()) == "98d14a25a8f2db26"


@pytest.mark.parametrize(
    "change",
    [
        {"batch_size": 11},
        {"learning_rate": 2e-6},
        {"max_steps": 11},
        {"seed": 1},
        {"evaluate_every_steps": 5},
        {"preprocessing": "none"},
        {"data": DataConfig("digits", 0, None)},
        {"data": DataConfig("cifar10", 1, None)},
    ],
)
def test_every_field_that_decides_the_numbers_counts(change: dict[str, Any]) -> None:
    assert fingerprint(run_config(**change)) != fingerprint(run_config())


@pytest.mark.parametrize(
    "change",
    [
        {"data": DataConfig("cifar10", 0, "elsewhere")},
        {"tracking": TrackingConfig("sqlite:///x.db", "other", 1, "there", "all", "wait")},
        {"print_every_steps": 7},
        {"fuse": LanesConfig(1, 3)},
    ],
)
def test_how_a_run_is_carried_out_does_not_count(change: dict[str, Any]) -> None:
    assert fingerprint(run_config(**change)) == fingerprint(run_config())


def test_learning_rates_that_are_one_float32_are_one_configuration() -> None:
    assert fingerprint(run_config(learning_rate=1e-6)) == fingerprint(run_config(learning_rate=1e-6 + 1e-16))


def test_a_field_added_later_with_its_old_behaviour_leaves_fingerprints_as_they_are() -> None:
    assert fingerprint(later(run_config(), momentum=0.0)) == fingerprint(run_config())


def test_a_field_added_later_counts_where_it_changes_something() -> None:
    assert fingerprint(later(run_config(), momentum=0.9)) != fingerprint(run_config())


def test_computed_values_leave_out_how_a_run_is_carried_out() -> None:
    assert list(computed_values(run_config())) == [
        "batch_size",
        "learning_rate",
        "max_steps",
        "seed",
        "evaluate_every_steps",
        "preprocessing",
        "data.name",
        "data.validation_size",
    ]


def test_stored_config_names_no_folder_and_no_store() -> None:
    config = replace(
        run_config(),
        data=DataConfig("cifar10", 0, "FOLDER"),
        tracking=TrackingConfig("sqlite:///STORE", "x", 1, None, "best", "none"),
    )
    text = stored_config(config)
    assert "FOLDER" not in text
    assert "STORE" not in text


def test_a_runs_name_can_be_read() -> None:
    config = run_config(batch_size=100, learning_rate=1e-6, max_steps=1000)
    assert readable_name(config) == "batch_size=100 learning_rate=1e-06 max_steps=1000"
    assert readable_name(config, ["learning_rate", "seed"]) == "learning_rate=1e-06 seed=0"
