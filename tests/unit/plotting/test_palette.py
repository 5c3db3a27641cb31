"""Colours of values."""

from collections.abc import Sequence

import numpy as np
from matplotlib.colors import to_rgb

from swath.plotting import value_colours
from swath.plotting.palette import COLOURS


def brightness(colours: Sequence[str]) -> list[float]:
    """How bright each colour is in a grey picture, 0..1."""
    return [float(np.dot(to_rgb(colour), (0.299, 0.587, 0.114))) for colour in colours]


def test_colours_of_numbers_become_brighter_in_their_order() -> None:
    found = value_colours([100, 1e-6, 9, 9, 100])
    assert list(found) == [1e-6, 9, 100]
    shades = brightness(list(found.values()))
    assert shades == sorted(shades)
    assert min(np.diff(shades)) > 0.2
    many = value_colours(range(20))
    assert len(set(many.values())) == 20
    shades = brightness(list(many.values()))
    assert shades == sorted(shades)
    assert shades[-1] < 0.8, "still visible on white"


def test_colours_of_names_are_distinct_and_in_the_order_of_the_names() -> None:
    assert value_colours(["b", "a", "b", 3]) == {"b": COLOURS[0], "a": COLOURS[1], 3: COLOURS[2]}
    assert value_colours([7]) == {7: COLOURS[0]}
    assert value_colours([]) == {}
    assert len(set(COLOURS)) == len(COLOURS)
