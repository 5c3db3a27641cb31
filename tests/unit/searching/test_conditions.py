"""Spaces of overrides, with conditions."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

from swath.config import SEARCH_DEFAULTS
from swath.errors import ConfigError
from swath.searching import Space, sampler_of
from swath.searching.space_of_overrides import space_of

RATE = "learning_rate=tag(log,interval(1e-8,1e-4))"


def parsed(*lines: str) -> list[Override]:
    return OverridesParser.create().parse_overrides(list(lines))


def space(*lines: str, when: tuple[str, ...] = ()) -> Space:
    from dataclasses import replace

    found, _ = space_of(parsed(*lines), replace(SEARCH_DEFAULTS, when=when), {})
    return found


def test_longest_value_of_max_steps_is_the_last_rung() -> None:
    found, longest = space_of(parsed(RATE, "max_steps=100,500,200"), SEARCH_DEFAULTS, {})
    assert [each.name for each in found.dimensions] == ["learning_rate"]
    assert longest == 500
    assert space_of(parsed(RATE, "max_steps=interval(100,700)"), SEARCH_DEFAULTS, {})[1] == 700


def test_field_has_an_interval_for_each_value_of_another() -> None:
    found = space(
        RATE,
        "preprocessing=mean_image,standardize",
        when=("preprocessing=standardize: learning_rate=interval(0.1,0.2)",),
    )
    points = [found.at([place, 0.5, 0.5]) for place in (0.0, 0.9)]
    assert [point["preprocessing"] for point in points] == ["mean_image", "standardize"]
    assert float(points[0]["learning_rate"]) == pytest.approx(1e-6, rel=0.01)
    assert float(points[1]["learning_rate"]) == pytest.approx(0.15, rel=0.01)
    labels = [each.label for each in found.dimensions]
    assert len(set(labels)) == len(labels)


def test_field_that_exists_with_one_value_only() -> None:
    found = space(
        "optimizer.name=sgd,momentum", when=("optimizer.name=momentum: optimizer.momentum=0.8,0.9",)
    )
    assert found.count == 3
    points = [dict(point) for point in found.points()]
    assert {"optimizer.name": "sgd"} in points
    assert {"optimizer.name": "momentum", "optimizer.momentum": "0.9"} in points
    proposed = list(sampler_of("grid", found, 0).candidates(0, []))
    assert len({tuple(point.items()) for point in proposed}) == 3


def test_values_of_a_condition_may_be_written_in_any_way() -> None:
    found = space("learning_rate=1e-7,1e-6", when=("learning_rate=0.0000001: l2=0.1,0.2",))
    assert found.count == 3


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("preprocessing=scale: learning_rate=interval(0.1,1)", "expected some of mean_image,standardize"),
        ("augment=mirror: learning_rate=interval(0.1,1)", "expected a field with several values"),
        ("preprocessing=standardize learning_rate=interval(0.1,1)", "expected FIELD=VALUE: FIELD=VALUES"),
        ("preprocessing=standardize: learning_rate=interval(2,1)", "the ends are reversed"),
        ("preprocessing=standardize: learning_rate=interval(2,", "search.when: "),
    ],
)
def test_mistake_in_a_condition(line: str, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        space(RATE, "preprocessing=mean_image,standardize", when=(line,))
