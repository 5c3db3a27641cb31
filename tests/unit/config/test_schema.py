"""Accepted values of configurations, and messages about invalid ones."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from support.pictures import write_pictures
from support.small import run_config, sweep_config

from swath.config import FIELDS, DataConfig, SweepConfig, TrainConfig, varying, walk_schema, walk_values
from swath.config.job_config import build_job
from swath.config.schema import build, schema_node
from swath.config.sweep_config import TrackingConfig
from swath.datasets import DataKey
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
        ("preprocessing", "whiten"),
    ],
)
def test_value_outside_its_range_is_reported(field: str, value: object) -> None:
    (line,) = mistakes(**{field: value})
    assert line.startswith(f"{field}={value}: expected ")


def test_largest_seed_is_accepted() -> None:
    assert run_config(seed=2**63 - 1).seed == 2**63 - 1


def test_all_mistakes_of_a_configuration_are_reported_together() -> None:
    lines = mistakes(batch_size=0, max_steps=0, data=DataConfig("nothing", -1))
    assert [line.split("=")[0] for line in lines] == [
        "batch_size",
        "max_steps",
        "data.name",
        "data.validation_size",
    ]


def test_batch_may_be_as_large_as_the_training_split() -> None:
    assert run_config(batch_size=45_000, data=DataConfig("cifar10", 5_000)).batch_size == 45_000
    (line,) = mistakes(batch_size=45_001, data=DataConfig("cifar10", 5_000))
    assert "at most 45000 images" in line
    assert "data.validation_size=5000" in line


def test_validation_split_must_leave_a_training_image() -> None:
    (line,) = mistakes(data=DataConfig("digits", 1_497))
    assert "at most 1496 images" in line


def tracking(uri: str | None) -> TrackingConfig:
    return replace(sweep_config().tracking, uri=uri)


@pytest.mark.parametrize(
    "uri", ["foo://x", "mlflow.db", "sqlite://", "postgres://u@h/d", "file:///tmp/x", ""]
)
def test_a_store_of_an_unknown_kind_is_refused(uri: str) -> None:
    with pytest.raises(ConfigError, match="sqlite://, postgresql://"):
        sweep_config(tracking=tracking(uri))


@pytest.mark.parametrize("uri", [None, "sqlite:///x.db", "postgresql+psycopg2://u@h/d", "http://h:5000"])
def test_stores_of_known_kinds_are_accepted(uri: str | None) -> None:
    assert sweep_config(tracking=tracking(uri)).tracking.uri == uri


@pytest.mark.parametrize(
    ("field", "value"),
    [("resume", "perhaps"), ("on_failure", "panic"), ("retries", -1), ("print_every_steps", 0)],
)
def test_setting_outside_its_range_is_reported(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"^{field}={value}: expected "):
        sweep_config(**{field: value})


def test_removed_choice_is_reported_with_its_new_name() -> None:
    with pytest.raises(ConfigError, match=r"^resume=anyway is now resume=yes force_resume=true$"):
        sweep_config(resume="anyway")


def test_forcing_a_resume_needs_a_resume() -> None:
    with pytest.raises(ConfigError, match="force_resume=true: expected together with resume=yes"):
        sweep_config(force_resume=True)
    assert sweep_config(force_resume=True, resume="failed").force_resume


def test_mistakes_of_both_configurations_are_reported_together() -> None:
    with pytest.raises(ConfigError) as caught:
        build_job({**VALUES, "batch_size": 0, "lanes.max": 0})
    assert [line.split("=")[0] for line in caught.value.mistakes] == ["batch_size", "lanes.max"]


@pytest.mark.parametrize(("spelling", "word"), [("True", "yes"), ("false", "no"), ("YES", "yes")])
def test_spellings_of_resume_are_normalized(spelling: str, word: str) -> None:
    assert build_job({**VALUES, "resume": spelling}).sweep.resume == word


def test_values_are_built_into_both_configurations() -> None:
    job = build_job(VALUES)
    assert job.train == run_config()
    assert job.sweep == sweep_config()


@pytest.mark.parametrize(
    ("field", "value"), [("batch_size", 1.5), ("seed", True), ("max_steps", None), ("unknown", 1)]
)
def test_the_schema_node_refuses_values_of_another_type(field: str, value: object) -> None:
    with pytest.raises(OmegaConfBaseException):
        OmegaConf.update(schema_node(), field, value)


def test_the_schema_node_has_every_field_and_can_be_filled_in() -> None:
    node = schema_node()
    for field, value in VALUES.items():
        OmegaConf.update(node, field, value)
    assert {field: OmegaConf.select(node, field) for field in FIELDS} == VALUES


def test_no_field_is_in_both_configurations() -> None:
    names = [name for schema in (TrainConfig, SweepConfig) for name, _ in walk_schema(schema)]
    assert len(names) == len(set(names)) == len(FIELDS)


VALUES: dict[str, Any] = {
    name: value for config in (run_config(), sweep_config()) for name, value, _ in walk_values(config)
}


def test_nothing_varies_among_no_configurations() -> None:
    assert varying(()) == ()


def test_images_of_ones_own_are_counted_where_their_place_is_known(tmp_path: Path) -> None:
    own = {**VALUES, "data.name": "images", "data.image_size": 4, "data.validation_size": 0, "batch_size": 21}
    assert build(TrainConfig, own).batch_size == 21

    place = write_pictures(tmp_path / "pictures", {"cats": 60, "dogs": 120})
    with pytest.raises(ConfigError, match=r"^batch_size=21: expected at most 20 images, because images has"):
        build_job({**own, "data.dir": str(place)})
    assert build_job({**own, "data.dir": str(place), "batch_size": 20}).train.data.key == DataKey("images", 4)


def test_a_size_is_given_with_images_of_ones_own_only() -> None:
    assert mistakes(data=DataConfig("images", 0)) == [
        "data.image_size=null: expected a whole number of pixels from 1 to 512"
    ]
    assert mistakes(data=DataConfig("digits", 0, 4)) == [
        "data.image_size=4: only with data=images, found data=digits"
    ]
