"""The configurations of many jobs: what they share, what they need, and that they equal those built alone."""

import itertools
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.strategies import allowed, consistent, train_configs

from swath.cli.validation import check_command
from swath.config import (
    FIELDS,
    TrainConfig,
    parse_overrides,
    register,
    varying,
    walk_schema,
    walk_values,
)
from swath.config.overrides import typed_value
from swath.config.schema import build, rebuilt
from swath.errors import ConfigError

HYPERPARAMETERS = [name for name, _ in walk_schema(TrainConfig)]
GRID = ["data=digits", "learning_rate=range(0.00001,0.000405,0.00001)", "seed=range(0,50)"]
BYTES_PER_JOB = 1_500


@pytest.fixture(autouse=True, scope="module")
def swath_on_search_path() -> Iterator[None]:
    register()
    yield


def built(make: Any, *arguments: Any) -> Any:
    """A configuration, or the mistakes in it."""
    try:
        return make(*arguments)
    except ConfigError as error:
        return error.mistakes


@settings(max_examples=100, deadline=None)
@given(train_configs(), st.data())
def test_configuration_made_of_another_one_equals_the_one_built_alone(
    config: TrainConfig, data: st.DataObject
) -> None:
    names = data.draw(st.lists(st.sampled_from(HYPERPARAMETERS), unique=True, max_size=4))
    drawn = {name: data.draw(allowed(FIELDS[name])) for name in names}
    values = {name: value for name, value, _ in walk_values(config)} | drawn
    values = data.draw(st.sampled_from([values, consistent(values)]))
    changed = [name for name, value, _ in walk_values(config) if values[name] != value]
    assert built(rebuilt, config, values, changed) == built(build, TrainConfig, values)


def test_configuration_without_a_change_is_the_same_one() -> None:
    config = check_command("config", ["data=digits"], False, ()).configs[0]
    values = {name: value for name, value, _ in walk_values(config)}
    assert rebuilt(config, values, ()) is config


def test_jobs_share_what_they_do_not_change() -> None:
    checked = check_command("config", GRID, True, ())
    assert len(set(checked.configs)) == 40 * 50
    parts = [(config.data, config.model, config.optimizer) for config in checked.configs]
    assert len({tuple(map(id, each)) for each in parts}) == 1
    jobs = [checked.composer.job([GRID[0], "learning_rate=1e-05", f"seed={seed}"]) for seed in range(50)]
    assert len({id(job.sweep) for job in jobs}) == 1


def test_memory_of_many_jobs() -> None:
    check_command("config", GRID[:2], True, ())  # what is loaded once
    tracemalloc.start()
    checked = check_command("config", GRID, True, ())
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept / len(checked.configs) < BYTES_PER_JOB


def test_mistakes_of_many_jobs_are_those_of_each_alone() -> None:
    sizes = itertools.product((100, 20), (50, 1400, 1490, 60))  # 1,497 images, less those held back
    jobs = [[f"data.validation_size={held_back}", f"batch_size={size}"] for held_back, size in sizes]
    alone = [built(check_command, "config", ["data=digits", *job], False, ()) for job in jobs]
    mistakes = [line for found in alone if isinstance(found, list) for line in found]
    assert len(mistakes) == 3
    texts = ["data=digits", "data.validation_size=100,20", "batch_size=50,1400,1490,60"]
    assert built(check_command, "config", texts, True, ()) == mistakes
    good = check_command("config", ["data=digits", *texts[1:2], "batch_size=50,60"], True, ()).configs
    expected = [found.configs[0] for found in alone if not isinstance(found, list)]
    assert list(good) == [config for config in expected if config.batch_size < 1400]
    assert len(expected) == len(good) + 1


def test_fields_that_only_later_configurations_have_come_last() -> None:
    texts = ["data=digits", "optimizer=sgd,momentum", "seed=1,2", "schedule_steps=null,5", "schedule=cosine"]
    configs = check_command("config", texts, True, ()).configs
    assert varying(configs) == ("seed", "optimizer.name", "schedule_steps", "optimizer.momentum")
    assert varying(configs[:1]) == varying(()) == ()


numbers = st.one_of(
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(str),
    st.from_regex(r"[-+]?[0-9]{0,4}(\.[0-9]{0,3})?(e[-+]?[0-9]{0,2})?", fullmatch=True),
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["learning_rate", "max_steps", "data.dir", "nope", "seed"]), numbers)
@example("seed", "007")
@example("seed", "1_0")
@example("learning_rate", "1.")
@example("learning_rate", "-0")
@example("learning_rate", "1e5")
@example("tracking.experiment", "5")
def test_numbers_are_read_as_hydra_reads_them(field: str, text: str) -> None:
    try:
        (expected,) = OverridesParser.create().parse_overrides([f"{field}={text}"])
    except Exception:
        with pytest.raises(ConfigError):
            parse_overrides([f"{field}={text}"])
        return
    (found,) = parse_overrides([f"{field}={text}"])
    assert found == expected
    assert type(found.value()) is type(expected.value())


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["learning_rate", "max_steps", "l2", "seed"]), st.integers() | st.floats() | st.booleans()
)
def test_numbers_are_converted_as_omegaconf_does(field: str, value: Any) -> None:
    found = built_value(field, value)
    assert repr(found) == repr(built_value(field, str(value)))


def built_value(field: str, value: Any) -> Any:
    """A converted value, or the kind of the error; a text goes through OmegaConf."""
    try:
        return typed_value(field, value)
    except Exception as error:
        return type(error)
