"""Many short runs by Optuna or by Ray Tune, each with its own callback for MLflow.

It needs `optuna-integration`, or `ray[tune]`. Independent of swath.

    python tuned.py optuna|ray FOLDER COUNT STEPS
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = str(Path(__file__).parent)
STORE = "sqlite:///mlflow.db"
WORKERS = 2


def rates(count: int) -> list[float]:
    """Learning rates, one for each configuration."""
    return [1e-8 * 1.001**power for power in range(count)]


def optuna_study(folder: str, count: int, steps: int) -> None:
    """One trial after the other."""
    import mlflow
    import numpy as np
    import optuna
    from images import read_images
    from optuna_integration.mlflow import MLflowCallback
    from softmax import train

    images = read_images(folder)
    callback = MLflowCallback(tracking_uri=STORE, metric_name="test/accuracy")

    @callback.track_in_mlflow()  # type: ignore[untyped-decorator]
    def objective(trial: Any) -> float:
        rate = trial.suggest_categorical("learning_rate", rates(count))
        values, accuracy, arrays = train(images, rate, steps)
        for name, series in values.items():
            for step, value in enumerate(series):
                mlflow.log_metric(name, value, step)
        with tempfile.TemporaryDirectory() as place:
            weights = Path(place) / "weights.npz"
            np.savez(weights, **arrays)
            mlflow.log_artifact(str(weights))
        return accuracy

    sampler = optuna.samplers.GridSampler({"learning_rate": rates(count)})
    optuna.create_study(sampler=sampler, direction="maximize").optimize(
        objective, n_trials=count, callbacks=[callback]
    )


def ray_experiment(folder: str, count: int, steps: int) -> None:
    """Two trials at a time; images lie in Ray's object store."""
    import ray
    from images import read_images
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    ray.init(num_cpus=WORKERS, include_dashboard=False)

    def trial(config: dict[str, Any], images: Any) -> None:
        sys.path.insert(0, HERE)
        from images import Images
        from softmax import train

        values, accuracy, _ = train(Images(*images), config["learning_rate"], steps)
        for step in range(steps):
            shown = {name: series[step] for name, series in values.items()}
            tune.report({**shown, "test_accuracy": accuracy})

    callback = MLflowLoggerCallback(tracking_uri=STORE, experiment_name="ray")
    tune.Tuner(
        tune.with_parameters(trial, images=tuple(read_images(folder))),
        param_space={"learning_rate": tune.grid_search(rates(count))},
        run_config=tune.RunConfig(callbacks=[callback], storage_path=str(Path("ray").absolute())),
    ).fit()


if __name__ == "__main__":
    engine, images, number, length = sys.argv[1:]
    {"optuna": optuna_study, "ray": ray_experiment}[engine](images, int(number), int(length))
