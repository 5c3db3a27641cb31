"""What the schema lets through, and what it says of the rest."""

from typing import Any

import pytest
from omegaconf.errors import OmegaConfBaseException
from support.small import run_config

from swath.config import DataConfig
from swath.config.schema import TrackingConfig, schema_node, to_run_config
from swath.errors import ConfigError


def mistakes(**changes: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        run_config(**changes)
    return caught.value.mistakes


@pytest.mark.parametrize("value", [0.0, -1.0, 1e-46, 1e39, float("nan"), float("inf"), float("-inf")])
def test_a_learning_rate_that_float32_cannot_hold_above_zero_is_refused(value: float) -> None:
    assert mistakes(learning_rate=value) == [
        f"learning_rate={value}: expected a number above 0 that float32 can hold"
    ]


@pytest.mark.parametrize("value", [1e-45, 3.4e38])
def test_the_smallest_and_largest_float32_are_learning_rates(value: float) -> None:
    assert run_config(learning_rate=value).learning_rate == value


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batch_size", 0),
        ("max_steps", 0),
        ("seed", -1),
        ("seed", 2**63),
        ("evaluate_every_steps", -1),
        ("print_every_steps", 0),
        ("preprocessing", "whiten"),
        ("device", "gpu"),
    ],
)
def test_a_value_outside_its_range_is_named(field: str, value: object) -> None:
    (line,) = mistakes(**{field: value})
    assert line.startswith(f"{field}={value}: expected ")


def test_the_largest_seed_is_taken() -> None:
    assert run_config(seed=2**63 - 1).seed == 2**63 - 1


def test_all_mistakes_of_a_configuration_come_together() -> None:
    lines = mistakes(batch_size=0, max_steps=0, data=DataConfig("mnist", -1, None))
    assert [line.split("=")[0] for line in lines] == [
        "batch_size",
        "max_steps",
        "data.name",
        "data.validation_size",
    ]


def test_a_batch_may_be_as_large_as_what_is_left_for_training() -> None:
    assert run_config(batch_size=45_000, data=DataConfig("cifar10", 5_000, None)).batch_size == 45_000
    (line,) = mistakes(batch_size=45_001, data=DataConfig("cifar10", 5_000, None))
    assert "at most 45000 images" in line
    assert "data.validation_size=5000" in line


def test_validation_images_must_leave_one_for_training() -> None:
    (line,) = mistakes(data=DataConfig("digits", 1_497, None))
    assert "at most 1496 images" in line


@pytest.mark.parametrize("uri", ["foo://x", "mlflow.db", "sqlite://", "postgres://u@h/d", "file:///tmp/x"])
def test_a_store_of_an_unknown_kind_is_refused(uri: str) -> None:
    (line,) = mistakes(tracking=TrackingConfig(uri, "swath", 1, None, "best", "none"))
    assert "sqlite://, postgresql://" in line


@pytest.mark.parametrize("uri", [None, "sqlite:///x.db", "postgresql+psycopg2://u@h/d", "http://h:5000"])
def test_stores_of_known_kinds_are_taken(uri: str | None) -> None:
    assert run_config(tracking=TrackingConfig(uri, "swath", 1, None, "best", "none")).tracking.uri == uri


@pytest.mark.parametrize("change", [{"batch_size": 1.5}, {"seed": True}, {"max_steps": None}, {"unknown": 1}])
def test_values_of_another_type_do_not_become_a_configuration(change: dict[str, Any]) -> None:
    with pytest.raises(OmegaConfBaseException):
        to_run_config({**VALUES, **change})


def test_nested_values_become_a_configuration() -> None:
    assert to_run_config(VALUES) == run_config()


def test_the_schema_node_can_be_filled_in() -> None:
    node = schema_node()
    node.data.name = "digits"
    assert node.data.name == "digits"


VALUES = {
    "batch_size": 10,
    "learning_rate": 1e-6,
    "max_steps": 10,
    "seed": 0,
    "evaluate_every_steps": 0,
    "preprocessing": "mean_image",
    "data": {"name": "cifar10", "validation_size": 0, "dir": None},
    "tracking": {
        "uri": None,
        "experiment": "swath",
        "every_steps": 1,
        "artifacts": None,
        "models": "best",
        "afterwards": "none",
    },
    "fuse": {"max_lanes": 24, "check": 0},
    "checkpoint": {"every_s": 30.0},
    "resume": "no",
    "on_failure": "continue",
    "retries": 0,
    "dry_run": False,
    "print_every_steps": 100,
    "device": "cpu",
}
