"""The Python face: starts sweeps and reproductions, and returns results that can be looked at."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
