"""Atomic files, the cache folder, memory, processors, and redaction of passwords."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
