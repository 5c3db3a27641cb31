"""Fields of a stored search, as its manifest has them; the same ones as those of the search itself."""

from dataclasses import replace

import pytest

from swath.analysis import searched_fields
from swath.analysis.search_space import SearchedField, by_name
from swath.config import SEARCH_DEFAULTS, parse_overrides
from swath.searching.space_of_overrides import space_of

SPACE = [
    "learning_rate=tag(log,interval(1e-8,1e-2))",
    "batch_size=interval(16.5,500)",
    "preprocessing=mean_image,standardize",
    "l2=0.0,1e-3",
]
WHEN = "preprocessing=standardize: learning_rate=tag(log,interval(1e-5,1e-1))"


def test_intervals_and_choices_are_read() -> None:
    rate, size, preprocessing, l2 = searched_fields(SPACE, [])
    assert rate == SearchedField("learning_rate", 1e-8, 1e-2, log=True)
    assert size == SearchedField("batch_size", 17.0, 500.0, whole=True)
    assert preprocessing.choices == ("mean_image", "standardize")
    assert l2.choices == ("0.0", "0.001") or l2.choices == ("0.0", "1e-3")
    assert [field.is_interval for field in (rate, size, preprocessing, l2)] == [True, True, False, False]


def test_places_are_shares_of_the_interval() -> None:
    rate, size, *_ = searched_fields(SPACE, [])
    assert rate.place_of(1e-5) == pytest.approx(0.5)
    assert size.place_of(258.5) == pytest.approx(0.5)


@pytest.mark.parametrize("when", [(), (WHEN,)])
def test_fields_are_the_dimensions_of_the_search(when: tuple[str, ...]) -> None:
    space, _ = space_of(parse_overrides(SPACE), replace(SEARCH_DEFAULTS, when=when), {})
    found = searched_fields(SPACE, when)
    assert {field.label for field in found} == {each.label for each in space.dimensions}
    for each in space.dimensions:
        (field,) = [field for field in found if field.label == each.label]
        assert (field.low, field.high, field.log, field.whole) == (each.low, each.high, each.log, each.whole)
        assert [float(text) if text[0].isdigit() else text for text in field.choices] == [
            float(text) if text[0].isdigit() else text for text in each.choices
        ]


def test_field_under_conditions_exists_with_the_other_field_and_has_both_intervals_by_name() -> None:
    fields = searched_fields(SPACE, [WHEN])
    rates = [field for field in fields if field.name == "learning_rate"]
    assert [field.when for field in rates] == [
        ("preprocessing", ("mean_image",)),
        ("preprocessing", ("standardize",)),
    ]
    assert [field.exists_in({"preprocessing": "standardize"}) for field in rates] == [False, True]
    named = by_name(fields)["learning_rate"]
    assert (named.low, named.high, named.when) == (1e-8, 1e-1, None)
