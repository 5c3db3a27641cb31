"""A grid in the usual style of TensorFlow 2, Hydra and MLflow: one process, one job after the other.

Each step is a `tf.function` that is fed a NumPy batch. Its accuracy and loss are logged in each step, or,
with `log_at_end=true`, at the end of the run. Independent of swath; uses TensorFlow's default settings.

    python idiomatic.py -m data=FOLDER batch_size=50,100 learning_rate=1e-6,1e-5 max_steps=500
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
import mlflow
import numpy as np
import tensorflow as tf
from hydra.core.config_store import ConfigStore
from images import read_images
from mlflow.entities import Metric
from omegaconf import MISSING, OmegaConf

LARGEST_BATCH = 1_000
"""Maximum number of metrics in one call of `log_batch`."""


@dataclass
class Config:
    """Configuration of a job, and when its metrics are logged."""

    data: str = MISSING
    batch_size: int = 100
    learning_rate: float = 0.005
    max_steps: int = 1000
    seed: int = 0
    log_at_end: bool = False


ConfigStore.instance().store(name="config", node=Config)


class Softmax(tf.Module):  # type: ignore[misc]
    """Softmax regression."""

    def __init__(self, learning_rate: float) -> None:
        self.weights = tf.Variable(tf.zeros([3072, 10]))
        self.biases = tf.Variable(tf.zeros([10]))
        self.optimizer = tf.keras.optimizers.SGD(learning_rate)

    @tf.function  # type: ignore[untyped-decorator]
    def evaluate(self, images: Any, labels: Any) -> Any:
        """Accuracy and loss of some images."""
        logits = tf.matmul(images, self.weights) + self.biases
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        correct = tf.equal(tf.argmax(logits, 1), labels)
        return tf.reduce_mean(tf.cast(correct, tf.float32)), tf.reduce_mean(losses)

    @tf.function  # type: ignore[untyped-decorator]
    def train_step(self, images: Any, labels: Any) -> Any:
        """Update the weights; returns accuracy and loss before the update."""
        with tf.GradientTape() as tape:
            accuracy, loss = self.evaluate(images, labels)
        variables = [self.weights, self.biases]
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return accuracy, loss


@hydra.main(version_base="1.3", config_path=None, config_name="config")
def main(config: Any) -> float:
    """Train one configuration; returns its validation accuracy."""
    images = read_images(config.data)
    mlflow.set_experiment("idiomatic")
    with mlflow.start_run() as run:
        mlflow.log_params(OmegaConf.to_container(config))
        model = Softmax(config.learning_rate)
        generator = np.random.default_rng(config.seed)
        history = []
        train_images, train_labels = images.train
        for step in range(config.max_steps):
            chosen = generator.integers(0, len(train_images), config.batch_size)
            accuracy, loss = model.train_step(train_images[chosen], train_labels[chosen])
            values = {"train/accuracy": float(accuracy), "train/loss": float(loss)}
            if config.log_at_end:
                now_ms = int(time.time() * 1000)
                history += [Metric(name, value, now_ms, step) for name, value in values.items()]
            else:
                for name, value in values.items():
                    mlflow.log_metric(name, value, step)
        for first in range(0, len(history), LARGEST_BATCH):
            mlflow.MlflowClient().log_batch(run.info.run_id, history[first : first + LARGEST_BATCH])
        validation_accuracy = float(model.evaluate(*images.validation)[0])
        test_accuracy = float(model.evaluate(*images.test)[0])
        mlflow.log_metrics({"validation/accuracy": validation_accuracy, "test/accuracy": test_accuracy})
        with tempfile.TemporaryDirectory() as folder:
            weights = Path(folder) / "weights.npz"
            np.savez(weights, weights=model.weights.numpy(), biases=model.biases.numpy())
            mlflow.log_artifact(str(weights))
    return validation_accuracy


if __name__ == "__main__":
    main()
