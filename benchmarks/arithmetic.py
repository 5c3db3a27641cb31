"""Cost of one arithmetic: a step of arithmetic 2 beside the same step of arithmetic 1, and models beside.

`python -m benchmarks.arithmetic PART REPEATS` prints CPU milliseconds of a step as JSON. ONEDNN_MAX_CPU_ISA
chooses the kernels. CPU time, because other programs use the machine too.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import swath.models.mlp
from swath.datasets import load_dataset
from swath.models import MODELS, Tensor, tf
from swath.planning import STEPS_IN_FLIGHT
from swath.training import DeviceData, GradientDescent, compile_program, make_device_data
from swath.training.loop import batch_indices
from swath.training.optimizers import SCALE

RATE = 1e-6

SHAPES = ((100, 1), (100, 6), (100, 24), (500, 24))
"""Batch sizes and lanes of softmax regression."""

NETWORKS = ((30, 100, 1), (30, 100, 24), (120, 100, 1), (120, 100, 24), (120, 400, 8))
"""Hidden units, batch sizes and lanes of the multilayer perceptron."""

UNROLLED = 1
"""Shared columns with which each lane has a first product of its own."""

WORK = 60_000
"""Images x lanes x steps of a measurement."""

Sides = dict[str, tuple[Callable[[], object], int]]
"""Measured function and its steps, by name."""


def former_step(dataset: Any) -> Any:
    """The loop of arithmetic 1, for any batch size and number of lanes, as swath 0.1 compiled it.

    Each product is one call, and oneDNN cuts the inner dimension.
    """
    images, labels = tf.constant(dataset.train_images), tf.constant(dataset.train_labels.astype(np.int32))
    mean = tf.constant(dataset.train_images.mean(axis=0).astype(np.float32))

    def run(weights: Tensor, rates: Tensor, batch_size: Tensor, seed: Tensor, steps: Tensor) -> Any:
        lanes = tf.shape(rates)[0]
        columns = 10 * lanes
        padding = tf.stack([[0, 0], [0, -columns % 16]])
        rows = tf.stack([[0, -(batch_size * lanes) % 8]])
        count, ones = batch_size * lanes, tf.ones([2, batch_size])
        scale = tf.pad(tf.repeat(rates / tf.cast(batch_size, tf.float32), 10), padding[1:])

        def body(done: Tensor, weights: Tensor, biases: Tensor, correct: Any, losses: Any) -> Any:
            chosen = batch_indices(seed, done, batch_size, len(dataset.train_labels))
            inputs = tf.cast(tf.gather(images, chosen), tf.float32) - mean
            logits = tf.reshape((tf.matmul(inputs, weights) + biases)[:, :columns], [-1, 10])
            targets = tf.repeat(tf.gather(labels, chosen), lanes)
            loss, gradient = tf.raw_ops.SparseSoftmaxCrossEntropyWithLogits(
                features=tf.pad(logits, tf.concat([rows, [[0, 0]]], 0)), labels=tf.pad(targets, rows)
            )
            errors = tf.pad(tf.reshape(gradient[:count], [-1, columns]), padding) * scale
            right = tf.reshape(tf.argmax(logits, 1, output_type=tf.int32) == targets, [-1, lanes])
            padded = tf.pad(tf.reshape(loss[:count], [-1, lanes]), [[0, 0], [0, -lanes % 16]])
            return (
                done + 1,
                weights - tf.matmul(inputs, errors, transpose_a=True),
                biases - tf.matmul(ones, errors)[0],
                correct.write(done, tf.reduce_sum(tf.cast(right, tf.int32), 0)),
                losses.write(done, tf.matmul(ones, padded)[0, :lanes]),
            )

        start = (
            tf.constant(0),
            weights,
            tf.zeros([tf.shape(weights)[1]]),
            tf.TensorArray(tf.int32, steps, element_shape=[None]),
            tf.TensorArray(tf.float32, steps, element_shape=[None]),
        )
        _, weights, _, correct, losses = tf.while_loop(
            lambda done, *_: done < steps,
            body,
            start,
            shape_invariants=(
                tf.TensorShape([]),
                tf.TensorShape([3072, None]),
                tf.TensorShape([None]),
                tf.TensorShape(None),
                tf.TensorShape(None),
            ),
            parallel_iterations=STEPS_IN_FLIGHT,
        )
        return weights, correct.stack(), losses.stack()

    number = tf.TensorSpec([], tf.int32)
    signature = [
        tf.TensorSpec([3072, None]),
        tf.TensorSpec([None]),
        number,
        tf.TensorSpec([], tf.int64),
        number,
    ]
    return tf.function(run, autograph=False, input_signature=signature)


def former(program: Any, batch_size: int, lanes: int, steps: int) -> Callable[[], object]:
    """A call of the loop of arithmetic 1."""
    weights = tf.zeros([3072, 10 * lanes + -10 * lanes % 16])
    rates = tf.fill([lanes], RATE)
    numbers = tf.constant(batch_size), tf.constant(0, tf.int64), tf.constant(steps)
    return lambda: [tensor.numpy() for tensor in program(weights, rates, *numbers)]


def step_of(data: DeviceData, units: int, batch_size: int, lanes: int, steps: int) -> Callable[[], object]:
    """The step of swath: softmax regression, or a perceptron if there are hidden units."""
    spec = MODELS["mlp" if units else "softmax_regression"]
    model = spec.make({"model.hidden_units": (units,)}, len(data.statistics.shift), 10)
    program = compile_program(data, model, GradientDescent())
    start = program.pack([program.initial_state(0)] * lanes)
    table = {SCALE: np.full((steps, lanes), RATE, np.float32)}
    return lambda: program.run(start, table, batch_size, 0, 0, steps)[1].losses.numpy()


def arithmetic(repeats: int) -> dict[str, list[float]]:
    """Both arithmetics of softmax regression, in turn."""
    dataset = load_dataset("cifar10")
    data, sides, program = make_device_data(dataset, 0, "mean_image"), Sides(), former_step(dataset)
    for batch_size, lanes in SHAPES:
        steps = max(10, WORK // (batch_size * lanes))
        sides[f"1 {batch_size} {lanes}"] = former(program, batch_size, lanes, steps), steps
        sides[f"2 {batch_size} {lanes}"] = step_of(data, 0, batch_size, lanes, steps), steps
    return in_turn(sides, repeats)


def networks(repeats: int) -> dict[str, list[float]]:
    """Lanes of the multilayer perceptron: with shared products, and each by itself in one program."""
    data, sides = make_device_data(load_dataset("cifar10"), 0, "mean_image"), Sides()
    shared = swath.models.mlp.SHARED_COLUMNS
    for units, batch_size, lanes in NETWORKS:
        steps = max(5, WORK // (batch_size * lanes * 4))
        for name, columns in (("shared", shared), ("unrolled", UNROLLED)):
            if lanes == 1 and name == "unrolled":
                continue
            swath.models.mlp.SHARED_COLUMNS = columns
            run = step_of(data, units, batch_size, lanes, steps)
            run()  # traced with this number of columns
            sides[f"{name} {units} {batch_size} {lanes}"] = run, steps
    swath.models.mlp.SHARED_COLUMNS = shared
    return in_turn(sides, repeats)


def in_turn(sides: Sides, repeats: int) -> dict[str, list[float]]:
    """CPU milliseconds of one step of each side, measured in turn."""
    for run, _ in sides.values():
        run()  # the first call compiles
    found: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, (run, steps) in sides.items():
            started = time.process_time()
            run()
            found[name].append((time.process_time() - started) * 1000 / steps)
    return found


if __name__ == "__main__":
    parts = {"arithmetic": arithmetic, "networks": networks}
    print(json.dumps(parts[sys.argv[1]](int(sys.argv[2]))))
