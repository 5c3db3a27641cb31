"""The same trials in the usual style: Ray Tune with ASHA and two workers, TensorFlow 2, MLflow.

ASHA stops a trial as soon as enough others are better; a stopped trial never goes on. Images lie in Ray's
object store, and per-step values are logged at each rung. Independent of swath; uses the default settings of
TensorFlow and Ray. It needs `ray[tune]`, in an environment of its own.

    python ray_asha.py FOLDER STEPS FIRST_STEPS BATCH_SIZES LEARNING_RATES
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler

HERE = str(Path(__file__).parent)
FACTOR = 4
WORKERS = 2


def train(config: dict[str, Any], images: Any, steps: int, rungs: list[int], store: str) -> None:
    """Train one trial; it ends where ASHA stops it."""
    sys.path.insert(0, HERE)
    import mlflow
    import numpy as np
    from idiomatic import LARGEST_BATCH, Softmax
    from mlflow.entities import Metric

    mlflow.set_tracking_uri(store)
    mlflow.set_experiment("ray")
    (train_images, train_labels), validation, test = images
    model, generator = Softmax(config["learning_rate"]), np.random.default_rng(0)
    client = mlflow.MlflowClient()
    run = mlflow.start_run()
    mlflow.log_params(config)
    history: list[Any] = []
    for step in range(steps):
        chosen = generator.integers(0, len(train_images), config["batch_size"])
        accuracy, loss = model.train_step(train_images[chosen], train_labels[chosen])
        now_ms = int(time.time() * 1000)
        history.append(Metric("train/accuracy", float(accuracy), now_ms, step))
        history.append(Metric("train/loss", float(loss), now_ms, step))
        if step + 1 in rungs or step + 1 == steps:
            # ASHA may end this process in `report`, so what belongs to the run is stored before.
            value = float(model.evaluate(*validation)[0])
            for first in range(0, len(history), LARGEST_BATCH):
                client.log_batch(run.info.run_id, history[first : first + LARGEST_BATCH])
            history = []
            mlflow.log_metric("validation/accuracy", value, step)
            if step + 1 == steps:
                mlflow.log_metric("test/accuracy", float(model.evaluate(*test)[0]))
            with tempfile.TemporaryDirectory() as name:
                weights = Path(name) / "weights.npz"
                np.savez(weights, weights=model.weights.numpy(), biases=model.biases.numpy())
                mlflow.log_artifact(str(weights))
            if step + 1 == steps:
                mlflow.end_run()
            tune.report({"accuracy": value, "steps": step + 1})


def main(folder: str, steps: int, first_steps: int, batch_sizes: list[int], rates: list[float]) -> None:
    """Train all trials; print the best value."""
    sys.path.insert(0, HERE)
    import mlflow
    from images import read_images

    images = read_images(folder)
    store = f"sqlite:///{Path.cwd() / 'mlflow.db'}"
    mlflow.set_tracking_uri(store)
    mlflow.set_experiment("ray")  # before several workers would create it
    ray.init(num_cpus=WORKERS, include_dashboard=False, log_to_driver=False)
    rungs = [first_steps * FACTOR**power for power in range(10) if first_steps * FACTOR**power < steps]
    scheduler = ASHAScheduler(
        time_attr="steps", max_t=steps, grace_period=first_steps, reduction_factor=FACTOR
    )
    given = tune.with_parameters(
        train,
        images=tuple(tuple(part) for part in images),
        steps=steps,
        rungs=rungs,
        store=store,
    )
    tuner = tune.Tuner(
        tune.with_resources(given, {"cpu": 1}),
        param_space={"batch_size": tune.grid_search(batch_sizes), "learning_rate": tune.grid_search(rates)},
        tune_config=tune.TuneConfig(metric="accuracy", mode="max", scheduler=scheduler),
        run_config=tune.RunConfig(storage_path=str(Path.cwd() / "ray"), verbose=0),
    )
    found = tuner.fit()
    print(f"best {found.get_best_result(scope='last').metrics['accuracy']:.4f}")


if __name__ == "__main__":
    place, most, first, sizes, values = sys.argv[1:]
    main(
        place,
        int(most),
        int(first),
        [int(each) for each in sizes.split(",")],
        [*map(float, values.split(","))],
    )
