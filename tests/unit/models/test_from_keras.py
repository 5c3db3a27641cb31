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
        ("SpectralNormalization(layers.Dense(10), name='mine')", r"mine \(SpectralNormalization\) has state"),
        ("Dense(10, kernel_regularizer='l2', name='mine')", "adds losses of its own"),
        ("Dense(10, kernel_constraint='non_neg', name='mine')", "mine/kernel has a constraint"),
        ("Dense(10, activation='softmax', name='mine')", "outputs add up to 1; expected logits"),
        ("Softmax(name='mine')", "outputs add up to 1; expected logits"),
        ("Activation('sigmoid')", "outputs lie between 0 and 1; expected logits"),
        ("Dense(10, dtype='float64', name='mine')", "mine/kernel is float64, expected float32"),
        ("Dense(11)", r"output is \[images, \[11\]\], expected \[images, 10\]"),
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


def ending_with(call: Any) -> Any:
    """A function that builds a network whose last layer computes `call(layer, inputs, training)`."""

    def built(image_shape: tuple[int, int, int], classes: int) -> Any:
        import keras

        class Last(keras.layers.Layer):
            def call(self, inputs: Any, training: bool = False) -> Any:
                return call(self, inputs, training)

        layers = [keras.layers.Flatten(), keras.layers.Dense(classes), Last()]
        return keras.Sequential([keras.Input(image_shape), *layers])

    return built


def with_loss(layer: Any, inputs: Any, training: bool) -> Any:
    layer.add_loss(tf.reduce_mean(inputs))
    return inputs


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (with_loss, "adds losses of its own"),
        (lambda layer, inputs, training: inputs * (0.0 if training else 1.0), "computes something else"),
        (lambda layer, inputs, training: inputs + tf.random.normal([10]), "draws random numbers"),
        (lambda layer, inputs, training: tf.nn.softmax(inputs), "outputs add up to 1"),
    ],
)
def test_what_a_layer_does_in_its_call_is_noticed(call: Any, line: str) -> None:
    with added(from_keras(ending_with(call), "wrong")), pytest.raises(SwathError, match=line):
        made("wrong")


def test_names_of_arrays_do_not_depend_on_what_was_built_before() -> None:
    def twins(image_shape: tuple[int, int, int], classes: int) -> Any:
        import keras

        class Twins(keras.layers.Layer):
            def build(self, shape: Any) -> None:
                self.first = self.add_weight(shape=(shape[-1], classes), initializer="ones")
                self.second = self.add_weight(shape=(classes,), initializer="zeros")
                self.third = self.add_weight(shape=(classes,), initializer="ones", name="w")
                self.fourth = self.add_weight(shape=(classes,), initializer="zeros", name="w")

            def call(self, inputs: Any) -> Any:
                return inputs @ self.first * self.third + self.second + self.fourth

        return keras.Sequential([keras.Input(image_shape), keras.layers.Flatten(), Twins()])

    with added(from_keras(twins)):
        shapes = [
            {name: array.shape for name, array in made("twins").init(seed).items()} for seed in (0, 1, 2)
        ]
    assert shapes[0] == shapes[1] == shapes[2]
    assert list(shapes[0]) == ["twins_1.variable", "twins_1.variable_2", "twins_1.w", "twins_1.w_2"]


def test_recurrent_subclassed_and_frozen_models_are_accepted() -> None:
    def recurrent(image_shape: tuple[int, int, int], classes: int) -> Any:
        import keras

        layers = keras.layers
        rows = layers.Reshape((32, 96))
        return keras.Sequential([keras.Input(image_shape), rows, layers.GRU(4), layers.Dense(classes)])

    def subclassed(image_shape: tuple[int, int, int], classes: int) -> Any:
        import keras

        class Own(keras.Model):
            def __init__(self) -> None:
                super().__init__()
                self.flat = keras.layers.Flatten()
                self.frozen = keras.layers.Dense(8, trainable=False)
                self.last = keras.layers.Dense(classes)

            def call(self, inputs: Any) -> Any:
                return self.last(self.frozen(self.flat(inputs)))

        return Own()

    for build, arrays in ((recurrent, 5), (subclassed, 2)):
        with added(from_keras(build)):
            name = build.__name__
            assert len(made(name).init(0)) == arrays
            config = run_config(model=ModelConfig(name), preprocessing="scale", learning_rate=0.01)
            configs = [config, run_config(**{**vars(config), "learning_rate": 0.1})]
            together = train_lanes(configs, 4)
            assert [lane.to_bytes() for lane in together] == [train_alone(e).to_bytes() for e in configs]


def test_dropout_within_a_model_of_ones_own_is_noticed() -> None:
    def hidden(image_shape: tuple[int, int, int], classes: int) -> Any:
        import keras

        class Own(keras.Model):
            def __init__(self) -> None:
                super().__init__()
                self.flat, self.drop = keras.layers.Flatten(), keras.layers.Dropout(0.5)
                self.last = keras.layers.Dense(classes)

            def call(self, inputs: Any) -> Any:
                return self.last(self.drop(self.flat(inputs)))

        return Own()

    with added(from_keras(hidden)), pytest.raises(SwathError, match=r"\(Dropout\) draws random numbers"):
        made("hidden")


def test_function_without_a_name_needs_one() -> None:
    with pytest.raises(ValueError, match=r"'<lambda>': expected a name .*; give it as name="):
        from_keras(lambda image_shape, classes: 3)


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
