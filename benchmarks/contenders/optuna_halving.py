"""The same trials in the usual style: Optuna's successive halving, TensorFlow 2, MLflow; one after the other.

Optuna stops a trial at a rung and starts the next; a stopped trial never goes on. Per-step values are logged
at the end of a trial. Independent of swath; uses TensorFlow's default settings.

    python optuna_halving.py FOLDER STEPS FIRST_STEPS BATCH_SIZES LEARNING_RATES
"""

import itertools
import sys
import tempfile
import time
from pathlib import Path

import mlflow
import numpy as np
import optuna
from idiomatic import LARGEST_BATCH, Softmax
from images import read_images
from mlflow.entities import Metric

FACTOR = 4


def main(folder: str, steps: int, first_steps: int, batch_sizes: list[int], rates: list[float]) -> None:
    """Train all trials; print the best value."""
    images = read_images(folder)
    train_images, train_labels = images.train
    mlflow.set_experiment("optuna")
    rungs = [first_steps * FACTOR**power for power in range(10) if first_steps * FACTOR**power < steps]

    def objective(trial: optuna.Trial) -> float:
        size = trial.suggest_categorical("batch_size", batch_sizes)
        rate = trial.suggest_categorical("learning_rate", rates)
        model, generator = Softmax(rate), np.random.default_rng(0)
        history, value, pruned = [], 0.0, False
        with mlflow.start_run() as run:
            mlflow.log_params(trial.params)
            for step in range(steps):
                chosen = generator.integers(0, len(train_images), size)
                accuracy, loss = model.train_step(train_images[chosen], train_labels[chosen])
                now_ms = int(time.time() * 1000)
                history.append(Metric("train/accuracy", float(accuracy), now_ms, step))
                history.append(Metric("train/loss", float(loss), now_ms, step))
                if step + 1 in rungs:
                    value = float(model.evaluate(*images.validation)[0])
                    trial.report(value, step + 1)
                    if trial.should_prune():
                        pruned = True
                        break
            for first in range(0, len(history), LARGEST_BATCH):
                mlflow.MlflowClient().log_batch(run.info.run_id, history[first : first + LARGEST_BATCH])
            if not pruned:
                value = float(model.evaluate(*images.validation)[0])
                mlflow.log_metric("test/accuracy", float(model.evaluate(*images.test)[0]))
            mlflow.log_metric("validation/accuracy", value)
            with tempfile.TemporaryDirectory() as name:
                weights = Path(name) / "weights.npz"
                np.savez(weights, weights=model.weights.numpy(), biases=model.biases.numpy())
                mlflow.log_artifact(str(weights))
        if pruned:
            raise optuna.TrialPruned
        return value

    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=first_steps, reduction_factor=FACTOR)
    study = optuna.create_study(direction="maximize", pruner=pruner, storage="sqlite:///optuna.db")
    for size, rate in itertools.product(batch_sizes, rates):
        study.enqueue_trial({"batch_size": size, "learning_rate": rate})
    study.optimize(objective, n_trials=len(batch_sizes) * len(rates))
    print(f"best {study.best_value:.4f}")


if __name__ == "__main__":
    place, most, first, sizes, values = sys.argv[1:]
    main(
        place,
        int(most),
        int(first),
        [int(each) for each in sizes.split(",")],
        [*map(float, values.split(","))],
    )
