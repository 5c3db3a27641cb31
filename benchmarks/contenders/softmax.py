"""Softmax regression in NumPy: what contenders train where only their bookkeeping is of interest."""

from typing import Any

import numpy as np
from images import Images
from numpy.typing import NDArray

BATCH_SIZE = 100


def train(
    images: Images, rate: float, steps: int
) -> tuple[dict[str, list[float]], float, dict[str, NDArray[Any]]]:
    """Train some steps; returns the values of each step, the test accuracy, and the arrays."""
    pixels, labels = images.train
    weights, biases = np.zeros((3072, 10), np.float32), np.zeros(10, np.float32)
    generator = np.random.default_rng(0)
    values: dict[str, list[float]] = {"train/accuracy": [], "train/loss": []}
    for _ in range(steps):
        chosen = generator.integers(0, len(pixels), BATCH_SIZE)
        batch, truth = pixels[chosen], labels[chosen]
        shares = _softmax(batch @ weights + biases)
        values["train/accuracy"].append(float((shares.argmax(axis=1) == truth).mean()))
        values["train/loss"].append(float(-np.log(shares[np.arange(BATCH_SIZE), truth] + 1e-9).mean()))
        shares[np.arange(BATCH_SIZE), truth] -= 1
        weights -= rate / BATCH_SIZE * batch.T @ shares
        biases -= rate / BATCH_SIZE * shares.sum(axis=0)
    pixels, labels = images.test
    accuracy = float(((pixels @ weights + biases).argmax(axis=1) == labels).mean())
    return values, accuracy, {"weights": weights, "biases": biases}


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = np.exp(logits - logits.max(axis=1, keepdims=True))
    return found / found.sum(axis=1, keepdims=True)
