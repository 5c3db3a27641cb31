"""Dimensions of a space: values at places between 0 and 1."""

import pytest

from swath.searching import Dimension, Space


def test_logarithmic_numbers_have_three_digits_and_stay_inside() -> None:
    rates = Dimension("learning_rate", 1e-8, 1e-2, log=True)
    assert [rates.at(place) for place in (0.0, 0.5, 1.0)] == ["1e-08", "1e-05", "0.01"]
    assert rates.at(0.123) == "5.47e-08"
    odd = Dimension("learning_rate", 1.23456e-3, 1.23457e-3)
    assert odd.at(0.5) == repr(1.23456e-3)


def test_whole_numbers_include_both_ends_equally() -> None:
    sizes = Dimension("batch_size", 16, 18, whole=True)
    found = [sizes.at((index + 0.5) / 300) for index in range(300)]
    assert {text: found.count(text) for text in ("16", "17", "18")} == {"16": 100, "17": 100, "18": 100}
    assert Dimension("batch_size", 1, 1_000, log=True, whole=True).at(0) == "1"
    assert Dimension("seed", 0, 123_456, whole=True).at(0.5) == "61700"


def test_places_are_the_inverse_of_values() -> None:
    for dimension in (Dimension("a", 1e-6, 1e-1, log=True), Dimension("a", 2, 10)):
        for place in (0.0, 0.3, 0.9, 1.0):
            assert dimension.place_of(dimension.at(place)) == pytest.approx(place, abs=0.003)


def test_choices_are_even() -> None:
    choices = Dimension("optimizer", choices=("sgd", "adam", "momentum"))
    assert [choices.at(place) for place in (0, 0.34, 0.67, 1.0)] == ["sgd", "adam", "momentum", "momentum"]


def test_a_dimension_exists_with_values_of_another() -> None:
    chosen = Dimension("preprocessing", choices=("none", "scale"))
    rate = Dimension("learning_rate", 1e-3, 1e-1, when=("preprocessing", ("scale",)))
    space = Space((chosen, rate))
    assert space.at([0.1, 0.5]) == {"preprocessing": "none"}
    assert set(space.at([0.9, 0.5])) == {"preprocessing", "learning_rate"}


def test_number_of_points() -> None:
    few = Space((Dimension("batch_size", 16, 18, whole=True), Dimension("seed", choices=("0", "1"))))
    assert few.count == 6
    assert Space((Dimension("learning_rate", 0.1, 0.2),)).count is None
    assert Space((Dimension("learning_rate", 0.1, 0.1),)).count == 1
