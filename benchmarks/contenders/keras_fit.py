"""The same grid with Keras: `fit` with MLflow's callback, one process, one job after the other.

Independent of swath; uses TensorFlow's default settings.

    python keras_fit.py -m data=FOLDER batch_size=50,100 learning_rate=1e-6,1e-5 max_steps=500
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
import mlflow
import mlflow.tensorflow
import tensorflow as tf
from hydra.core.config_store import ConfigStore
from images import read_images
from omegaconf import MISSING, OmegaConf

SHUFFLED_IMAGES = 10_000
"""Size of the shuffle buffer in images; a buffer of all images would have to be filled first."""


@dataclass
class Config:
    """Configuration of a job."""

    data: str = MISSING
    batch_size: int = 100
    learning_rate: float = 0.005
    max_steps: int = 1000
    seed: int = 0
    hidden_units: int = 0
    l2: float = 0.0


ConfigStore.instance().store(name="config", node=Config)


def _layers(config: Any) -> list[Any]:
    """Softmax regression, or the tutorial's second model if there are hidden units."""
    dense = tf.keras.layers.Dense
    if not config.hidden_units:
        return [dense(10, kernel_initializer="zeros")]
    penalty = tf.keras.regularizers.L2(config.l2 / 2)  # Keras has no half
    return [
        dense(config.hidden_units, "relu", kernel_regularizer=penalty),
        dense(10, kernel_regularizer=penalty),
    ]


@hydra.main(version_base="1.3", config_path=None, config_name="config")
def main(config: Any) -> float:
    """Train one configuration; returns its validation accuracy."""
    images = read_images(config.data)
    mlflow.set_experiment("keras")
    with mlflow.start_run():
        mlflow.log_params(OmegaConf.to_container(config))
        model = tf.keras.Sequential([tf.keras.Input([3072]), *_layers(config)])
        model.compile(
            tf.keras.optimizers.SGD(config.learning_rate),
            tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        batches = (
            tf.data.Dataset.from_tensor_slices(images.train)
            .shuffle(SHUFFLED_IMAGES, seed=config.seed)
            .repeat()
            .batch(config.batch_size)
        )
        # Autologging logs once per epoch; this callback logs every batch.
        every_batch = mlflow.tensorflow.MlflowCallback(log_every_epoch=False, log_every_n_steps=1)
        model.fit(batches, steps_per_epoch=config.max_steps, callbacks=[every_batch], verbose=0)
        _, validation_accuracy = model.evaluate(*images.validation, batch_size=1000, verbose=0)
        _, test_accuracy = model.evaluate(*images.test, batch_size=1000, verbose=0)
        mlflow.log_metrics({"validation/accuracy": validation_accuracy, "test/accuracy": test_accuracy})
        with tempfile.TemporaryDirectory() as folder:
            weights = Path(folder) / "model.weights.h5"
            model.save_weights(weights)
            mlflow.log_artifact(str(weights))
    return float(validation_accuracy)


if __name__ == "__main__":
    main()
