"""Optimizers, schedules and penalties against float64 formulas and Keras' own optimizers."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.small import run_config, small_dataset
from support.training import train_alone, train_lanes

from swath.config import OptimizerConfig, TrainConfig, fingerprint
from swath.models import tf
from swath.training import optimizer_of
from swath.training.draws import batch_indices, mirror_choices
from swath.training.optimizers import tables_of

STEPS = 200

Rule = Callable[[NDArray[np.float64], float, dict[str, Any]], NDArray[np.float64]]


def config(name: str = "sgd", momentum: float | None = None, **changes: Any) -> TrainConfig:
    fields = {"batch_size": 32, "max_steps": STEPS, "preprocessing": "scale", "learning_rate": 1e-3}
    return run_config(**{**fields, **changes}, optimizer=OptimizerConfig(name, momentum))


CONFIGS = {
    "sgd": config(),
    "l2": config(l2=0.1),
    "momentum": config("momentum", 0.9, learning_rate=1e-4),
    "nesterov": config("nesterov", 0.9, learning_rate=1e-4, l2=0.01),
    "adam": config("adam", learning_rate=1e-3),
    "adam with l2": config("adam", learning_rate=1e-3, l2=0.01),
    "cosine": config("momentum", 0.9, learning_rate=1e-4, schedule="cosine", warmup_steps=20),
    "step": config(schedule="step", schedule_steps=150),
    "mirror": config(augment="mirror", l2=0.1),
}


def sgd(gradient: NDArray[np.float64], rate: float, state: dict[str, Any]) -> NDArray[np.float64]:
    return rate * gradient


def momentum(gradient: NDArray[np.float64], rate: float, state: dict[str, Any]) -> NDArray[np.float64]:
    state["v"] = 0.9 * state.get("v", 0.0) + rate * gradient
    return np.asarray(state["v"])


def nesterov(gradient: NDArray[np.float64], rate: float, state: dict[str, Any]) -> NDArray[np.float64]:
    return 0.9 * momentum(gradient, rate, state) + rate * gradient


def adam(gradient: NDArray[np.float64], rate: float, state: dict[str, Any]) -> NDArray[np.float64]:
    step = state["step"] = state.get("step", 0) + 1
    state["m"] = 0.9 * state.get("m", 0.0) + 0.1 * gradient
    state["v"] = 0.999 * state.get("v", 0.0) + 0.001 * gradient**2
    corrected_m, corrected_v = state["m"] / (1 - 0.9**step), state["v"] / (1 - 0.999**step)
    # Kingma and Ba's remark before section 2.1: epsilon is added to the root that is not corrected.
    return np.asarray(rate * corrected_m / (np.sqrt(corrected_v) + 1e-7 / np.sqrt(1 - 0.999**step)))


RULES: dict[str, Rule] = {"sgd": sgd, "momentum": momentum, "nesterov": nesterov, "adam": adam}


def rate_at(of: TrainConfig, step: int) -> float:
    end = of.schedule_steps or of.max_steps
    if step < of.warmup_steps:
        return of.learning_rate * (step + 1) / of.warmup_steps
    if of.schedule == "cosine":
        part = min(1.0, (step - of.warmup_steps) / (end - of.warmup_steps))
        return float(of.learning_rate * (1 + np.cos(np.pi * part)) / 2)
    if of.schedule == "step":
        return of.learning_rate * (1.0 if step < end / 2 else 0.1 if step < 0.75 * end else 0.01)
    return of.learning_rate


def batches(of: TrainConfig) -> list[tuple[NDArray[np.float64], NDArray[np.int32]]]:
    """Inputs and labels of each step."""
    dataset = small_dataset()
    images = dataset.train_images.astype(np.float64)
    mean, found = images.mean(axis=0), []
    for step in range(of.max_steps):
        chosen = batch_indices(of.seed, step, of.batch_size, 300).numpy()
        pixels = images[chosen]
        if of.augment == "mirror":
            flips = mirror_choices(of.seed, step, of.batch_size).numpy().astype(bool)
            pixels[flips] = pixels[flips].reshape(-1, 3, 32, 32)[..., ::-1].reshape(-1, 3072)
        found.append(((pixels - mean) / 64, dataset.train_labels[chosen].astype(np.int32)))
    return found


def float64_losses(of: TrainConfig) -> NDArray[np.float64]:
    """Losses of softmax regression from the formulas."""
    parameters = [np.zeros((3072, 10)), np.zeros(10)]
    rule, states = RULES[of.optimizer.name], [dict[str, Any](), dict[str, Any]()]
    losses = []
    for step, (x, y) in enumerate(batches(of)):
        logits = x @ parameters[0] + parameters[1]
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        losses.append(-log_probabilities[np.arange(len(y)), y].mean())
        errors = (np.exp(log_probabilities) - np.eye(10)[y]) / len(y)
        gradients = [x.T @ errors + of.l2 * parameters[0], errors.sum(axis=0)]
        for place, (gradient, state) in enumerate(zip(gradients, states, strict=True)):
            parameters[place] = parameters[place] - rule(gradient, rate_at(of, step), state)
    return np.array(losses)


def keras_losses(of: TrainConfig) -> NDArray[np.float64]:
    """Losses of softmax regression with an optimizer of Keras."""
    keras = tf.keras.optimizers
    optimizer = {
        "sgd": lambda: keras.SGD(of.learning_rate),
        "momentum": lambda: keras.SGD(of.learning_rate, of.optimizer.momentum),
        "nesterov": lambda: keras.SGD(of.learning_rate, of.optimizer.momentum, nesterov=True),
        "adam": lambda: keras.Adam(of.learning_rate),
    }[of.optimizer.name]()
    weights, biases = tf.Variable(tf.zeros([3072, 10])), tf.Variable(tf.zeros([10]))
    optimizer.build([weights, biases])
    losses = []
    for step, (x, y) in enumerate(batches(of)):
        optimizer.learning_rate.assign(rate_at(of, step))
        with tf.GradientTape() as tape:
            logits = tf.matmul(tf.constant(x, tf.float32), weights) + biases
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))
            penalized = loss + of.l2 * tf.nn.l2_loss(weights)
        optimizer.apply(tape.gradient(penalized, [weights, biases]), [weights, biases])
        losses.append(float(loss))
    return np.array(losses)


def tolerance(name: str) -> float:
    """Adam divides by the root of a moment: where a gradient is nearly zero, its rounding counts."""
    return 1e-4 if "adam" in name else 1e-5


@pytest.mark.parametrize("name", CONFIGS)
def test_losses_agree_with_float64_formulas(name: str) -> None:
    # Adam divides by the root of a moment: where a gradient is nearly zero, its rounding counts.
    tolerance = 1e-4 if "adam" in name else 1e-5
    np.testing.assert_allclose(
        train_alone(CONFIGS[name]).losses, float64_losses(CONFIGS[name]), rtol=tolerance
    )


@pytest.mark.parametrize("name", [name for name in CONFIGS if name not in ("step", "mirror")])
def test_losses_agree_with_the_optimizers_of_keras(name: str) -> None:
    found = train_alone(CONFIGS[name]).losses
    np.testing.assert_allclose(found, keras_losses(CONFIGS[name]), rtol=tolerance(name))


LANES = {
    "momentum": [
        config("momentum", 0.9, max_steps=30),
        config("momentum", 0.0, max_steps=30, l2=0.1),
        config("momentum", 0.5, max_steps=20, schedule="cosine", learning_rate=1e-4),
        config("momentum", 0.5, max_steps=30, schedule="cosine", learning_rate=1e-4),
        config("momentum", 0.9, max_steps=30, schedule="step", warmup_steps=5),
    ],
    "nesterov": [config("nesterov", part, max_steps=30, l2=part / 100) for part in (0.0, 0.9, 0.99)],
    "adam": [
        config("adam", max_steps=30, l2=l2, learning_rate=rate) for l2 in (0, 0.1) for rate in (1e-3, 1e-4)
    ],
    "sgd": [config(max_steps=30, l2=l2, schedule=way) for l2 in (0, 1.0) for way in ("constant", "cosine")],
}


@pytest.mark.parametrize("name", LANES)
def test_lanes_are_bit_identical_to_runs_alone(name: str) -> None:
    together = train_lanes(LANES[name])
    for lane, each in zip(together, LANES[name], strict=True):
        assert lane.to_bytes() == train_alone(each, segment_steps=7).to_bytes()


def test_no_momentum_is_plain_gradient_descent() -> None:
    plain, none = (
        train_alone(each) for each in (config(max_steps=30), config("momentum", 0.0, max_steps=30))
    )
    assert plain.weights.tobytes() == none.weights.tobytes()
    assert plain.losses.tobytes() == none.losses.tobytes()


def test_a_shorter_cosine_run_is_no_prefix_unless_its_schedule_is_as_long() -> None:
    longer = config(max_steps=30, schedule="cosine")
    shorter = replace(longer, max_steps=20)
    assert train_alone(longer).losses[:20].tobytes() != train_alone(shorter).losses.tobytes()
    given = replace(shorter, schedule_steps=30)
    assert train_alone(longer).losses[:20].tobytes() == train_alone(given).losses.tobytes()


def test_about_half_of_the_images_are_mirrored_and_each_step_draws_anew() -> None:
    choices = np.stack([mirror_choices(5, step, 100).numpy() for step in range(100)])
    assert set(np.unique(choices)) == {0, 1}
    assert abs(choices.mean() - 0.5) < 0.02  # 10,000 draws: four standard deviations
    assert len({row.tobytes() for row in choices}) == 100


@pytest.mark.parametrize("name", ["sgd", "adam", "momentum"])
def test_configurations_with_one_fingerprint_have_the_same_tables(name: str) -> None:
    """Numbers count as float32, in the fingerprint and in the tables."""
    given = {"schedule": "cosine", "warmup_steps": 7, "max_steps": 50}
    momentum = 0.9 if name == "momentum" else None
    first = config(name, momentum, learning_rate=0.001, l2=0.1, **given)
    rounded = None if momentum is None else float(np.float32(momentum))
    rate, penalty = (float(np.float32(value)) for value in (0.001, 0.1))
    second = config(name, rounded, learning_rate=rate, l2=penalty, **given)
    assert first != second
    assert fingerprint(first) == fingerprint(second)
    tables = [tables_of(optimizer_of(first), [each], 0, 50) for each in (first, second)]
    assert tables[0].keys() == tables[1].keys()
    for table, other in zip(*(found.values() for found in tables), strict=True):
        assert table.tobytes() == other.tobytes()
