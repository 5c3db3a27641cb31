"""Training against two other implementations: float64 NumPy, and the tutorial's graph."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.small import run_config, small_dataset
from support.training import device_data, train_lanes

from swath.models import tf
from swath.training.draws import batch_indices

STEPS = 200
Curves = tuple[NDArray[np.float64], NDArray[np.float64]]

TIE = 1e-5
"""Classes that have not occurred in a batch have equal logits, so that rounding decides the prediction."""


def chosen_images(batch_size: int, steps: int = STEPS, seed: int = 0) -> list[NDArray[np.int32]]:
    return [batch_indices(seed, step, batch_size, 300).numpy() for step in range(steps)]


def numpy_oracle(
    learning_rate: float, batches: list[NDArray[np.int32]]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Softmax regression from its formulas in float64; the last array marks steps with tied classes."""
    dataset = small_dataset()
    inputs = dataset.train_images - dataset.train_images.mean(axis=0, dtype=np.float64)
    weights, biases = np.zeros((3072, 10)), np.zeros(10)
    accuracies, losses, ties = [], [], []
    for batch in batches:
        x, y = inputs[batch], dataset.train_labels[batch]
        logits = x @ weights + biases
        shifted = logits - logits.max(axis=1, keepdims=True)
        log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        losses.append(-log_probabilities[np.arange(len(y)), y].mean())
        accuracies.append((logits.argmax(axis=1) == y).mean())
        two_best = np.sort(logits, axis=1)[:, -2:]
        ties.append(bool((two_best[:, 1] - two_best[:, 0] < TIE).any()))
        errors = (np.exp(log_probabilities) - np.eye(10)[y]) / len(y)
        weights -= learning_rate * x.T @ errors
        biases -= learning_rate * errors.sum(axis=0)
    return np.array(accuracies), np.array(losses), np.array(ties)


def tutorial_oracle(learning_rate: float, batches: list[NDArray[np.int32]]) -> Curves:
    """The tutorial's graph: placeholders, a gradient descent optimizer, a session and a feed dictionary."""
    v1: Any = tf.compat.v1
    dataset = small_dataset()
    inputs = dataset.train_images - dataset.train_images.mean(axis=0, dtype=np.float64).astype(np.float32)
    accuracies, losses = [], []
    with tf.Graph().as_default(), v1.Session() as session:
        images = v1.placeholder(tf.float32, [None, 3072])
        labels = v1.placeholder(tf.int64, [None])
        weights = v1.Variable(tf.zeros([3072, 10]))
        biases = v1.Variable(tf.zeros([10]))
        logits = tf.matmul(images, weights) + biases
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits))
        train_step = v1.train.GradientDescentOptimizer(learning_rate).minimize(loss)
        accuracy = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(logits, 1), labels), tf.float32))
        session.run(v1.global_variables_initializer())
        for batch in batches:
            feed = {images: inputs[batch], labels: dataset.train_labels[batch]}
            values = session.run([accuracy, loss], feed_dict=feed)
            session.run(train_step, feed_dict=feed)
            accuracies.append(values[0])
            losses.append(values[1])
    return np.array(accuracies, np.float64), np.array(losses, np.float64)


@pytest.mark.parametrize("batch_size", [1, 32, 100])
def test_losses_agree_with_float64_formulas(batch_size: int) -> None:
    rates = (1e-8, 1e-7, 1e-6)
    lanes = train_lanes(
        [run_config(batch_size=batch_size, learning_rate=rate, max_steps=STEPS) for rate in rates]
    )
    for rate, lane in zip(rates, lanes, strict=True):
        accuracies, losses, ties = numpy_oracle(float(np.float32(rate)), chosen_images(batch_size))
        # For a confident prediction of a single image, the loss is the difference of numbers near 1.
        np.testing.assert_allclose(lane.losses, losses, rtol=1e-5, atol=1e-6 if batch_size == 1 else 0)
        assert ties.sum() < STEPS / 5
        np.testing.assert_array_equal(lane.accuracies[~ties], accuracies[~ties])


@pytest.mark.parametrize("batch_size", [32, 100])
def test_losses_and_accuracies_agree_with_the_tutorials_graph(batch_size: int) -> None:
    (lane,) = train_lanes([run_config(batch_size=batch_size, learning_rate=1e-6, max_steps=STEPS)])
    accuracies, losses = tutorial_oracle(1e-6, chosen_images(batch_size))
    np.testing.assert_allclose(lane.losses, losses, rtol=1e-5)
    np.testing.assert_allclose(lane.accuracies, accuracies, rtol=0, atol=1e-6)


def test_run_diverges_at_the_same_step_as_float32_formulas() -> None:
    (lane,) = train_lanes([run_config(learning_rate=1e36, max_steps=5)])
    assert np.isfinite(lane.losses[0])
    assert not np.isfinite(lane.losses[1])


def test_batches_are_drawn_from_all_images_with_replacement() -> None:
    drawn = np.concatenate(chosen_images(batch_size=100, steps=100))
    counts = np.bincount(drawn, minlength=300)
    assert counts.min() > 0
    assert any(len(set(batch)) < 100 for batch in chosen_images(batch_size=100, steps=3))
    # 10,000 draws from 300 images: the chi-squared statistic has mean 299 and standard deviation 24.5.
    expected = 10_000 / 300
    assert 200 < float(((counts - expected) ** 2 / expected).sum()) < 400


def test_device_data_has_one_copy_of_the_pixels() -> None:
    assert device_data().train.images.dtype == tf.uint8
