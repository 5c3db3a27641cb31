"""Measures what a lane of a model of one's own costs, by the number of lanes in one program.

`python -m benchmarks.unrolled` prints a Markdown table for this machine (a minute; needs no images).
"""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from swath.datasets import load_dataset
from swath.models import MODELS, LanewiseModel, add_model, from_keras
from swath.training import DeviceData, GradientDescent, compile_program, make_device_data

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples" / "own_model" / "src"))

LANES = (1, 2, 4, 8, 16)
BATCH_SIZE = 100
STEPS = 60
REPEATS = 5
UNITS = 120


def keras_mlp(image_shape: tuple[int, int, int], classes: int) -> Any:
    """The tutorial's second model in Keras."""
    import keras

    hidden = keras.layers.Dense(UNITS, activation="relu")
    return keras.Sequential(
        [keras.Input(image_shape), keras.layers.Flatten(), hidden, keras.layers.Dense(classes)]
    )


def cpu_ms(data: DeviceData, model: LanewiseModel, lanes: int) -> tuple[float, float]:
    """Milliseconds of the processor for each lane and step, and seconds to compile: the least of several."""
    program = compile_program(data, model, GradientDescent())
    rates = np.full((STEPS, lanes), 1e-3, np.float32)
    state = program.pack([program.initial_state(0)] * lanes)
    began = time.process_time()
    program.run(state, {"scale": rates[:1]}, BATCH_SIZE, 0, 0, 1)
    compiled_s = time.process_time() - began
    taken = []
    for _ in range(REPEATS):
        began = time.process_time()
        program.run(state, {"scale": rates}, BATCH_SIZE, 0, 0, STEPS)[1].losses.numpy()
        taken.append(time.process_time() - began)
    return 1e3 * min(taken) / STEPS / lanes, compiled_s


def main() -> None:
    """Measure each model at each width, and print the table."""
    from swath_convnet import CONVNET

    add_model(CONVNET)
    add_model(from_keras(keras_mlp))
    data = make_device_data(load_dataset("digits"), 0, "scale")
    print("| model | " + " | ".join(f"{lanes} lanes" for lanes in LANES) + " |")
    print("|---|" + "---:|" * len(LANES))
    values = {"model.filters": 8, "model.kernel_size": 5, "model.hidden_units": (UNITS,)}
    for name in ("convnet", "keras_mlp", "mlp"):
        model = MODELS[name].make(values, 3_072, 10, (3, 32, 32))
        cells = [cpu_ms(data, model, lanes) for lanes in LANES]
        print(f"| {name} | " + " | ".join(f"{ms:.2f} ({s:.1f} s)" for ms, s in cells) + " |", flush=True)


if __name__ == "__main__":
    main()
