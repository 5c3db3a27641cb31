"""Hyperparameter sweeps of the CIFAR-10 softmax classifier, tracked in MLflow and reproducible to the bit."""

__version__ = "0.1.0"
