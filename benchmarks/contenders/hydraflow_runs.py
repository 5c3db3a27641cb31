"""Many short runs by Hydra and hydraflow, which keeps each in MLflow; it needs `hydraflow`.

python hydraflow_runs.py -m data=FOLDER learning_rate=1e-7,1e-6
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydraflow
import mlflow
import numpy as np
from images import read_images
from softmax import train


@dataclass
class Config:
    """Configuration of a job."""

    data: str = ""
    learning_rate: float = 1e-6
    steps: int = 10


@hydraflow.main(Config, force_new_run=True)  # type: ignore[untyped-decorator]
def main(run: Any, config: Config) -> None:
    """Train one configuration."""
    values, accuracy, arrays = train(read_images(config.data), config.learning_rate, config.steps)
    for name, series in values.items():
        for step, value in enumerate(series):
            mlflow.log_metric(name, value, step)
    mlflow.log_metric("test/accuracy", accuracy)
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.npz"
        np.savez(weights, **arrays)
        mlflow.log_artifact(str(weights))


if __name__ == "__main__":
    main()
