"""A sweep as a whole: session, resume, record, reproduction, postprocessing."""

from swath.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
