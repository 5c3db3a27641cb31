"""What a lane of a model of one's own costs, by the number of lanes in one program.

`python -m benchmarks.unrolled REPEATS` prints CPU milliseconds of a step as JSON, and with `compile` before
the name CPU seconds of a program's first step. CPU time, because other programs may use the machine too.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from swath.datasets import load_dataset
from swath.models import MODELS, LanewiseModel, add_model, from_keras
from swath.training import DeviceData, GradientDescent, compile_program, make_device_data
from swath.training.optimizers import SCALE

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "own_model" / "src"

LANES = (1, 2, 4, 8, 16)
BATCH_SIZE = 100
STEPS = 60
UNITS = 120
VALUES = {"model.filters": 8, "model.kernel_size": 5, "model.hidden_units": (UNITS,)}

CONVNET, KERAS_MLP, MLP = "convnet", "keras_mlp", "mlp"

IMAGE_SHAPE = (3, 32, 32)


def keras_mlp(image_shape: tuple[int, int, int], classes: int) -> Any:
    """The tutorial's second model in Keras."""
    import keras

    hidden = keras.layers.Dense(UNITS, activation="relu")
    return keras.Sequential(
        [keras.Input(image_shape), keras.layers.Flatten(), hidden, keras.layers.Dense(classes)]
    )


def unrolled_times_ms(repeats: int) -> dict[str, list[float]]:
    """CPU milliseconds of one step by `model lanes`, measured in turn; `compile model lanes` in seconds."""
    sys.path.insert(0, str(EXAMPLE))
    from swath_convnet import CONVNET as DECLARED

    add_model(DECLARED)
    add_model(from_keras(keras_mlp))
    data = make_device_data(load_dataset("digits"), 0, "scale")
    sides: dict[str, Callable[[int], object]] = {}
    found: dict[str, list[float]] = {}
    for name in (CONVNET, KERAS_MLP, MLP):
        model = MODELS[name].make(VALUES, int(np.prod(IMAGE_SHAPE)), 10, IMAGE_SHAPE)
        for lanes in LANES:
            run = _steps(data, model, lanes)
            found[f"compile {name} {lanes}"] = [_cpu_s(lambda run=run: run(1))]
            sides[f"{name} {lanes}"] = run
    found |= {name: [] for name in sides}
    for _ in range(repeats):
        for name, run in sides.items():
            found[name].append(_cpu_s(lambda run=run: run(STEPS)) * 1000 / STEPS)
    return found


def _steps(data: DeviceData, model: LanewiseModel, lanes: int) -> Callable[[int], object]:
    """A function that trains a number of steps from the start."""
    program = compile_program(data, model, GradientDescent())
    start = program.pack([program.initial_state(0)] * lanes)
    table = {SCALE: np.full((STEPS, lanes), 1e-3, np.float32)}

    def run(steps: int) -> object:
        values = {name: rates[:steps] for name, rates in table.items()}
        return program.run(start, values, BATCH_SIZE, 0, 0, steps)[1].losses.numpy()

    return run


def _cpu_s(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


if __name__ == "__main__":
    print(json.dumps(unrolled_times_ms(int(sys.argv[1]))))
