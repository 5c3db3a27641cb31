"""The commands swath, swath-compare and swath-reproduce."""

from swath.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
