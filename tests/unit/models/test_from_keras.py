"""Keras models: the same losses as swath's own network, weights by seed, and layers that are refused."""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from support.own_models import added
from support.small import run_config
from support.training import train_alone, train_lanes

from swath.config import ModelConfig
from swath.errors import SwathError
from swath.models import MODELS, from_keras, in_blocks, tf

SHAPE = (3, 32, 32)


def network(image_shape: tuple[int, int, int], classes: int) -> Any:
    import keras

    layers = keras.layers
    hidden = layers.Dense(20, activation="relu")
    return keras.Sequential([keras.Input(image_shape), layers.Flatten(), hidden, layers.Dense(classes)])


@pytest.fixture(autouse=True)
def keras_network() -> Iterator[None]:
    with added(from_keras(network)):
        yield


def made(name: str = "network") -> Any:
    return MODELS[name].make({}, 3072, 10, SHAPE)


def test_arrays_are_named_by_layer_and_drawn_by_the_seed_alone() -> None:
    model = made()
    first, again, other = model.init(3), made().init(3), model.init(4)
    assert list(first) == ["dense_1.kernel", "dense_1.bias", "dense_2.kernel", "dense_2.bias"]
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["dense_1.kernel"], other["dense_1.kernel"])
    assert model.penalized == ("dense_1.kernel", "dense_2.kernel")


def test_random_numbers_of_the_program_stay_as_they_are() -> None:
    random.seed(1)
    expected = random.random()
    random.seed(1)
    made().init(5)
    assert random.random() == expected


def test_losses_are_those_of_the_multilayer_perceptron_with_the_same_weights() -> None:
    keras_model, own = made(), MODELS["mlp"].make({"model.hidden_units": (20,)}, 3072, 10)
    weights = keras_model.init(0)
    # Keras reads the channels of a pixel side by side, swath one channel after the other.
    kernel = weights["dense_1.kernel"].reshape(32, 32, 3, 20).transpose(2, 0, 1, 3).reshape(3072, 20)
    same = {
        "weights_1": kernel,
        "biases_1": weights["dense_1.bias"],
        "weights_2": weights["dense_2.kernel"],
        "biases_2": weights["dense_2.bias"],
    }
    inputs = np.random.default_rng(0).standard_normal((12, 3072)).astype(np.float32)
    labels = tf.constant(np.arange(12) % 10, tf.int32)
    blocks, rows = [tf.constant(block) for block in in_blocks(inputs, 1)], tf.constant(12)
    losses = []
    for model, arrays in ((keras_model, weights), (own, same)):
        shape = model.shape_batch(rows, rows, 1)
        losses.append(model.forward(model.stack([arrays]), blocks, labels, shape).losses.numpy())
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


def test_lanes_have_the_bits_that_they_have_alone() -> None:
    configs = [
        run_config(model=ModelConfig("network"), preprocessing="scale", learning_rate=rate, init_seed=seed)
        for rate, seed in ((0.01, 0), (0.1, 1), (0.3, 2))
    ]
    together = train_lanes(configs, 4)
    assert [lane.to_bytes() for lane in together] == [train_alone(each).to_bytes() for each in configs]


@pytest.mark.parametrize(
    ("layer", "line"),
    [
        ("Dropout(0.5, name='mine')", r"layer mine \(Dropout\) draws random numbers"),
        ("GaussianNoise(0.1, name='mine')", r"layer mine \(GaussianNoise\) draws random numbers"),
        ("BatchNormalization(name='mine')", r"mine \(BatchNormalization\) has state .*moving_mean"),
        ("Dense(10, trainable=False, name='mine')", r"layer mine \(Dense\) has state that is not trained"),
        ("Dense(10, kernel_regularizer='l2', name='mine')", r"layer mine \(Dense\) adds a loss of its own"),
        ("Dense(10, activation='softmax', name='mine')", "layer mine is a softmax; expected logits"),
        ("Softmax(name='mine')", "layer mine is a softmax; expected logits"),
        ("Dense(10, dtype='float64', name='mine')", "mine/kernel is float64, expected float32"),
        ("Dense(11)", r"output is \(None, 11\), expected \(None, 10\)"),
    ],
)
def test_layer_that_swath_cannot_train_is_refused_by_name(layer: str, line: str) -> None:
    def wrong(image_shape: tuple[int, int, int], classes: int) -> Any:
        import keras

        layers = keras.layers
        last = eval(f"layers.{layer}", {"layers": layers})
        return keras.Sequential([keras.Input(image_shape), layers.Flatten(), layers.Dense(10), last])

    with added(from_keras(wrong)), pytest.raises(SwathError, match=line):
        made("wrong")


def test_function_that_returns_something_else_is_refused() -> None:
    own = from_keras(lambda image_shape, classes: 3, "number")
    with added(own), pytest.raises(SwathError, match=r"returns int, expected a keras\.Model"):
        made("number")


def test_layer_normalization_is_accepted() -> None:
    def normalized(image_shape: tuple[int, int, int], classes: int) -> Any:
        import keras

        layers = keras.layers
        return keras.Sequential(
            [keras.Input(image_shape), layers.Flatten(), layers.LayerNormalization(), layers.Dense(classes)]
        )

    with added(from_keras(normalized)):
        assert "layer_normalization_1.gamma" in made("normalized").init(0)
