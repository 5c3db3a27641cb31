"""Hand numbered tasks to an engine: processes of this machine, Slurm or Ray."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
