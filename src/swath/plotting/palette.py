"""Colours of values: ordered ones for numbers, distinct ones for names."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.colors import to_hex

COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999")
"""Okabe and Ito's palette for colour-blind readers; markers and line styles carry the same information."""

LIGHTEST = 0.88
"""Share of the ordered colour map that is used: its last colours are too light on white."""


def value_colours(values: Sequence[Any]) -> dict[Any, str]:
    """A colour for each distinct value, as `#rrggbb`.

    Numbers get the colours of Matplotlib's map "viridis" in their order, which is told apart by colour-blind
    readers and in grey; other values get the colours of `COLOURS` in the order of their first occurrence.

    Args:
      values: numbers or texts.
    """
    distinct = list(dict.fromkeys(values))
    if len(distinct) > 1 and all(isinstance(value, int | float) for value in distinct):
        steps = LIGHTEST / (len(distinct) - 1)
        viridis = mpl.colormaps["viridis"]
        return {value: to_hex(viridis(steps * place)) for place, value in enumerate(sorted(distinct))}
    return {value: COLOURS[place % len(COLOURS)] for place, value in enumerate(distinct)}
