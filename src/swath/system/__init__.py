"""What the machine offers: files written whole, memory, processors, passwords kept out of text."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
