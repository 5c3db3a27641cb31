"""How often Python looks for objects that only refer to each other."""

import gc

NEW_OBJECTS = 10_000
"""New objects after which Python looks for cycles; its own default is 700."""


def collect_rarely() -> None:
    """Look for cycles less often, in a process of swath's own.

    Each look walks over what is there. Ten thousand runs that are read from a store are a million objects and
    no cycle, and half of the time that it takes to read them was spent on looking.
    """
    gc.set_threshold(NEW_OBJECTS)
