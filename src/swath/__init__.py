"""Hyperparameter sweeps of the CIFAR-10 softmax classifier, tracked in MLflow, reproducible bit for bit."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swath.analysis import compare, load_curves, load_sweep, load_weights

__version__ = "0.1.0"

__all__ = ["__version__", "compare", "load_curves", "load_sweep", "load_weights"]


def __getattr__(name: str) -> Any:
    """Import the functions on first use: MLflow and pandas take seconds to import."""
    if name in __all__:
        from swath import analysis

        return getattr(analysis, name)
    raise AttributeError(f"module 'swath' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names, for completion in an interactive session."""
    return __all__
