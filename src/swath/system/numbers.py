"""Numbers as float32 has them."""

import math
import struct


def as_float32(value: float) -> float:
    """The nearest float32 of `value`, as a Python float; infinite where float32 cannot hold it."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)
