"""Properties of the declared fields: constraints, messages, identity, scope and grouping keys."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.strategies import Texts, allowed, consistent, refused, train_configs

from swath.cli.validation import check_command, override_mistakes
from swath.config import (
    FIELDS,
    SweepConfig,
    TrainConfig,
    computed_values,
    effective_values,
    fingerprint,
    lane_fingerprint,
    parse_overrides,
    read_params,
    read_stored_config,
    register,
    shared_values,
    stored_config,
    walk_schema,
    walk_values,
)
from swath.config.schema import build
from swath.errors import ConfigError

SETTINGS = [name for name, _ in walk_schema(SweepConfig)]
HYPERPARAMETERS = [name for name, _ in walk_schema(TrainConfig)]
VARIED = {int: "seed=1,2", float: "learning_rate=1,2", str: "preprocessing=none,mean_image"}
"""Overrides of hyperparameters that a setting can refer to, by type; no hyperparameter is a bool."""


@pytest.fixture(autouse=True, scope="module")
def swath_on_search_path() -> Iterator[None]:
    register()
    yield


def quoted(value: object) -> str:
    return str(value) if isinstance(value, int | float | Texts) else f"'{value}'"


@pytest.mark.parametrize("field", SETTINGS)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_no_setting_can_be_swept(field: str, data: st.DataObject) -> None:
    values = data.draw(st.lists(allowed(FIELDS[field]), min_size=2, max_size=3))
    (override,) = parse_overrides([f"{field}={','.join(map(quoted, values))}"])
    assert list(override_mistakes(override, {})) == [
        f"{override.input_line}: expected one value for the whole sweep"
    ]


@pytest.mark.parametrize("field", [name for name in SETTINGS if FIELDS[name].kind in VARIED])
def test_no_setting_can_be_swept_through_an_interpolation(field: str) -> None:
    varied = VARIED[FIELDS[field].kind]
    line = f"{field}=${{{varied.partition('=')[0]}}}"
    with pytest.raises(ConfigError) as caught:
        check_command("config", [varied, line], True, ())
    assert all(text.startswith(f"{field}") for text in caught.value.mistakes)


@pytest.mark.parametrize("field", HYPERPARAMETERS)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_every_hyperparameter_can_be_swept(field: str, data: st.DataObject) -> None:
    values = data.draw(st.lists(allowed(FIELDS[field]), min_size=2, max_size=3))
    (override,) = parse_overrides([f"{field}={','.join(map(quoted, values))}"])
    assert list(override_mistakes(override, {})) == []


@pytest.mark.parametrize("field", FIELDS)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_invalid_values_are_reported_with_the_expected_ones(field: str, data: st.DataObject) -> None:
    spec = FIELDS[field]
    if spec.kind is not bool:
        value = data.draw(refused(spec))
        assert not spec.allows(value)
    assert spec.allows(data.draw(allowed(spec)))
    assert spec.allows(None) == spec.optional
    assert spec.expected


@given(train_configs())
def test_configuration_round_trips_through_file_and_params(config: TrainConfig) -> None:
    assert read_stored_config(stored_config(config), "config.yaml") == config
    params = {name: str(value) for name, value in computed_values(config).items()}
    assert read_params(params) == config


@settings(max_examples=50, deadline=None)
@given(train_configs(), st.data())
def test_grouping_keys_depend_on_the_fields_shared_at_their_level(
    config: TrainConfig, data: st.DataObject
) -> None:
    field = data.draw(st.sampled_from(HYPERPARAMETERS))
    few: dict[str, Any] = {"batch_size": st.integers(1, 400), "data.validation_size": st.integers(0, 1_000)}
    values = {name: value for name, value, _ in walk_values(config)}
    drawn = data.draw(few.get(field, allowed(FIELDS[field])))
    other = build(TrainConfig, consistent({**values, field: drawn}))
    before, after = effective_values(config), effective_values(other)
    changed = {name for name in before if before[name] != after[name]}
    order = ["program", "group", "lane", "run"]
    for level in order:
        wide = any(order.index(FIELDS[name].shared_by) <= order.index(level) for name in changed)
        assert (shared_values(config, level) != shared_values(other, level)) == wide
    if not changed - {"max_steps"}:
        assert lane_fingerprint(config) == lane_fingerprint(other)
    if fingerprint(config) == fingerprint(other):
        assert all(isinstance(before[name], float) for name in changed)
