"""Hyperparameter sweeps and searches of image classifiers, tracked in MLflow, reproducible bit for bit.

Start something: `sweep`, `search`, `run`, `reproduce`. Look at what was stored: `compare`, `load_sweep`,
`load_curves`, `load_weights`. The commands `swath`, `swath-compare` and `swath-reproduce` do the same from a
shell; only there can workers train a sweep.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swath.analysis import compare, load_curves, load_sweep, load_weights
    from swath.api import SweepResult, interval, reproduce, run, search, sweep

__version__ = "0.1.0"

_STARTS = ("SweepResult", "interval", "reproduce", "run", "search", "sweep")

__all__ = [  # noqa: RUF022  grouped
    "__version__",
    "SweepResult",
    "compare",
    "interval",
    "load_curves",
    "load_sweep",
    "load_weights",
    "reproduce",
    "run",
    "search",
    "sweep",
]


def __getattr__(name: str) -> Any:
    """Import the functions on first use: pandas and TensorFlow take seconds to import."""
    if name in __all__:
        from importlib import import_module

        return getattr(import_module("swath.api" if name in _STARTS else "swath.analysis"), name)
    raise AttributeError(f"module 'swath' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names, for completion in an interactive session."""
    return __all__
