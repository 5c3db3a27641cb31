"""Tracking: the only room that knows MLflow."""

from swath.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
