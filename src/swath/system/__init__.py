"""Atomic files, the cache folder, memory, processors, signals, and redaction of passwords."""

from swath.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
