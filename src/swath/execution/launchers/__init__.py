"""Hand numbered tasks to an engine: processes of this machine, Slurm or Ray."""

from swath.lazy import attach

__getattr__, __dir__, __all__ = attach(__name__, __file__)
