"""The multilayer perceptron against float64 formulas and the tutorial's graph; its lanes, bit by bit."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.small import run_config, small_dataset
from support.training import device_data, is_lanes_bit_exact, train_alone, train_lanes

from swath.config import ModelConfig, OptimizerConfig, TrainConfig, computed_values
from swath.config.constraints import Sizes
from swath.models import MODELS, tf
from swath.models.mlp import MultilayerPerceptron
from swath.models.mlp_predictor import logits
from swath.training.draws import batch_indices

STEPS = 200

CALM = {"preprocessing": "scale", "learning_rate": 1e-2}
"""Inputs near 1. With those of the tutorial, near 60, units switch on and off with the last bits. Even so a
unit may, which changes a loss by some 1e-6."""


def config(*hidden_units: int, **changes: Any) -> TrainConfig:
    """The tutorial's training, with batches of 32 images."""
    fields = {"batch_size": 32, "learning_rate": 1e-3, "l2": 0.1, "max_steps": STEPS}
    return run_config(**{**fields, **changes}, model=ModelConfig("mlp", Sizes(hidden_units)))


def batches(of: TrainConfig) -> list[tuple[NDArray[np.float64], NDArray[np.int32]]]:
    """Inputs and labels of each step."""
    dataset = small_dataset()
    inputs = dataset.train_images - dataset.train_images.mean(axis=0, dtype=np.float64)
    if of.preprocessing == "scale":
        inputs /= 64
    chosen = [batch_indices(of.seed, step, of.batch_size, 300).numpy() for step in range(of.max_steps)]
    return [(inputs[images], dataset.train_labels[images].astype(np.int32)) for images in chosen]


def initial(of: TrainConfig) -> dict[str, NDArray[np.float32]]:
    assert of.model.hidden_units is not None
    return dict(MultilayerPerceptron(3072, 10, of.model.hidden_units).init(of.seed))


def float64_losses(of: TrainConfig) -> NDArray[np.float64]:
    """Losses from the formulas of backpropagation."""
    arrays = {name: array.astype(np.float64) for name, array in initial(of).items()}
    last = len(arrays) // 2
    losses = []
    for x, y in batches(of):
        units = [x]
        for layer in range(1, last + 1):
            found = units[-1] @ arrays[f"weights_{layer}"] + arrays[f"biases_{layer}"]
            units.append(found if layer == last else np.maximum(found, 0))
        shifted = units[-1] - units[-1].max(axis=1, keepdims=True)
        log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        losses.append(-log_probabilities[np.arange(len(y)), y].mean())
        errors = (np.exp(log_probabilities) - np.eye(10)[y]) / len(y)
        for layer in range(last, 0, -1):
            weights = arrays[f"weights_{layer}"]
            gradient = units[layer - 1].T @ errors + of.l2 * weights
            biases = errors.sum(axis=0)
            errors = errors @ weights.T * (units[layer - 1] > 0)
            arrays[f"weights_{layer}"] = weights - of.learning_rate * gradient
            arrays[f"biases_{layer}"] = arrays[f"biases_{layer}"] - of.learning_rate * biases
    return np.array(losses)


def tutorial_losses(of: TrainConfig) -> NDArray[np.float64]:
    """The tutorial's second graph: variable scopes, an L2 regulariser, a session and a feed dictionary."""
    v1: Any = tf.compat.v1
    start, given, losses = initial(of), batches(of), []
    with tf.Graph().as_default(), v1.Session() as session:
        images, labels = v1.placeholder(tf.float32, [None, 3072]), v1.placeholder(tf.int64, [None])
        variables = {name: v1.Variable(array) for name, array in start.items()}
        hidden = tf.nn.relu(tf.matmul(images, variables["weights_1"]) + variables["biases_1"])
        found = tf.matmul(hidden, variables["weights_2"]) + variables["biases_2"]
        entropy = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=found))
        penalty = of.l2 * (tf.nn.l2_loss(variables["weights_1"]) + tf.nn.l2_loss(variables["weights_2"]))
        step = v1.train.GradientDescentOptimizer(of.learning_rate).minimize(entropy + penalty)
        session.run(v1.global_variables_initializer())
        for x, y in given:
            losses.append(session.run([entropy, step], feed_dict={images: x, labels: y})[0])
    return np.array(losses, np.float64)


@pytest.mark.parametrize("hidden_units", [(120,), (64, 32), (300,)])
def test_losses_agree_with_float64_formulas(hidden_units: tuple[int, ...]) -> None:
    of = config(*hidden_units, **CALM)
    np.testing.assert_allclose(train_alone(of).losses, float64_losses(of), rtol=1e-5, atol=1e-5)


def test_losses_agree_with_the_tutorials_graph() -> None:
    of = config(120, **CALM)
    np.testing.assert_allclose(train_alone(of).losses, tutorial_losses(of), rtol=1e-5, atol=1e-5)


def test_lanes_are_bit_identical_to_runs_alone_in_any_segments() -> None:
    base = config(40, max_steps=30)
    configs = [
        base,
        replace(base, learning_rate=1e-2, l2=0.0),
        replace(base, init_seed=5, max_steps=20),
        replace(base, schedule="cosine", init_seed=2**40),
    ]
    together = train_lanes(configs, segment_steps=9, repack=True)
    for lane, each in zip(together, configs, strict=True):
        assert lane.to_bytes() == train_alone(each, segment_steps=13).to_bytes()


@pytest.mark.parametrize("columns", [1, 48, 10_000])
def test_bits_do_not_depend_on_how_many_lanes_share_a_product(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lanes unrolled, in pairs, or all in one product."""
    configs = [config(20, max_steps=5, init_seed=seed, seed=columns) for seed in range(3)]
    shared = [lane.to_bytes() for lane in train_lanes(configs)]
    monkeypatch.setattr("swath.models.mlp.SHARED_COLUMNS", columns)
    monkeypatch.setattr("support.training._COMPILED", {})
    assert [lane.to_bytes() for lane in train_lanes(configs)] == shared


def test_diverging_lane_leaves_the_others_as_they_are() -> None:
    good = config(20, max_steps=12)
    _, lane = train_lanes([replace(good, learning_rate=1e30), good])
    assert lane.to_bytes() == train_alone(good).to_bytes()


def test_start_is_a_truncated_normal_that_depends_on_seed_and_layer() -> None:
    arrays = MultilayerPerceptron(3072, 10, (120,)).init(7)
    assert {name: array.shape for name, array in arrays.items()} == {
        "weights_1": (3072, 120),
        "biases_1": (120,),
        "weights_2": (120, 10),
        "biases_2": (10,),
    }
    first = arrays["weights_1"] * np.sqrt(3072)
    assert np.abs(first).max() <= 2
    assert abs(float(first.std()) - 0.8796) < 0.005  # of a normal distribution cut at two deviations
    assert np.abs(arrays["weights_2"] * np.sqrt(120)).max() <= 2
    assert not arrays["biases_1"].any()
    again, other = (MultilayerPerceptron(3072, 10, (120,)).init(seed) for seed in (7, 8))
    assert again["weights_1"].tobytes() == arrays["weights_1"].tobytes()
    assert other["weights_1"].tobytes() != arrays["weights_1"].tobytes()


def test_predictor_agrees_with_the_model() -> None:
    of = config(50, 20, max_steps=30, preprocessing="standardize")
    lane = train_alone(of)
    statistics = device_data("standardize").statistics
    arrays = {**lane.arrays, "shift": statistics.shift, "scale": statistics.scale}
    images = small_dataset().test_images
    assert (logits(arrays, images).argmax(axis=1) == lane.predictions).mean() > 0.98
    # Rounding decides between nearly equal logits only.
    assert MODELS["mlp"].predictor.name == "mlp_predictor.py"


def test_probe_accepts_its_widths() -> None:
    assert is_lanes_bit_exact(config(20), 5)


def test_memory_and_time_are_estimated_from_the_layers() -> None:
    spec = MODELS["mlp"]
    values = computed_values(config(100, 50))
    assert spec.weights(values, 3072, 10) == 3072 * 100 + 100 * 50 + 50 * 10
    assert spec.weights({name: str(value) for name, value in values.items()}, 3072, 10) == spec.weights(
        values, 3072, 10
    ), "from params too"


def test_optimizers_work_for_hidden_layers() -> None:
    of = replace(config(20, max_steps=60, l2=0.0, preprocessing="scale"), optimizer=OptimizerConfig("adam"))
    losses = train_alone(of).losses
    assert losses[-10:].mean() < losses[:10].mean() / 2
