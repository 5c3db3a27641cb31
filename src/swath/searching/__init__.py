"""Searches: proposals instead of a grid, rungs at which trials are stopped, budgets."""

from swath.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
