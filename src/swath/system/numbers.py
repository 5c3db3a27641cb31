"""Numbers as float32 has them."""

import math
import struct


def as_float32(value: float) -> float:
    """The nearest float32 of `value`, as a Python float; infinite where float32 cannot hold it."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


LONG = 12
"""Characters of a number that is not shortened."""


def readable_number(value: object) -> str:
    """A value as text; a number with many digits as the shortest one that is the same float32.

    Another sweeper may choose 6.516215458215689e-07; typed as 6.516215e-07 it gives the same run.
    """
    text = str(value)
    if len(text) <= LONG or not isinstance(value, float | str):
        return text
    try:
        meant = as_float32(float(text))
    except ValueError:
        return text
    if not math.isfinite(meant) or text.isdigit():
        return text
    for digits in range(1, 10):
        shorter = float(f"{meant:.{digits}g}")
        if as_float32(shorter) == meant:
            return min(repr(shorter), text, key=len)
    return text
