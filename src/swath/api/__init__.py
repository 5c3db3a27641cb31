"""The Python face: starts sweeps and reproductions, and returns results that can be looked at."""

from swath.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
