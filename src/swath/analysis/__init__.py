"""From the runs of a sweep to an answer: ranking, significance, importance, differences."""

from swath.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
