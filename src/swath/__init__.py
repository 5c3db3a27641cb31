"""Hyperparameter sweeps of the CIFAR-10 softmax classifier, tracked in MLflow and reproducible to the bit."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swath.analysis import load_curves, load_sweep, load_weights

__version__ = "0.1.0"

__all__ = ["__version__", "load_curves", "load_sweep", "load_weights"]


def __getattr__(name: str) -> Any:
    """Load what reads a store only where it is used: MLflow and pandas take seconds."""
    if name in __all__:
        from swath import analysis

        return getattr(analysis, name)
    raise AttributeError(f"module 'swath' has no attribute {name!r}")
