"""Configurations: fields, types, units, ranges, identity, composition."""

from swath.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
