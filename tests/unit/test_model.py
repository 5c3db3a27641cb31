"""The formulas, on numbers that can be checked by hand."""

import numpy as np
import pytest

from swath.models import (
    RUNTIME,
    Parameters,
    apply,
    batch_shape,
    correct_counts,
    initial_parameters,
    normalize,
    padded,
    sgd_step,
    sum_over_batch,
    tf,
)


def test_tensorflow_computes_on_the_cpu_with_one_thread_an_operation() -> None:
    assert (RUNTIME.device, RUNTIME.intra_op_threads) == ("cpu", 1)
    assert tf.constant(1.0).device.endswith("CPU:0")


def test_columns_are_padded_to_whole_tiles() -> None:
    assert [padded(columns) for columns in (1, 10, 16, 17, 320)] == [16, 16, 16, 32, 320]


def test_inputs_are_pixels_less_the_shift_times_the_scale() -> None:
    pixels = tf.constant([[10, 20]], tf.uint8)
    assert normalize(pixels, tf.constant([1.0, 2.0]), None).numpy().tolist() == [[9.0, 18.0]]
    assert normalize(pixels, tf.constant([1.0, 2.0]), tf.constant([2.0, 0.5])).numpy().tolist() == [
        [18.0, 9.0]
    ]


def test_zero_weights_predict_the_first_class_with_a_loss_of_log_ten() -> None:
    result = apply(initial_parameters(2, 4), tf.ones([3, 4]), tf.constant([0, 1, 9]), batch_shape(3, 2))
    assert result.predictions.numpy().tolist() == [[0, 0]] * 3
    np.testing.assert_allclose(result.losses.numpy(), np.log(10), rtol=1e-6)


def test_errors_are_the_softmax_less_the_label() -> None:
    result = apply(initial_parameters(1, 4), tf.ones([1, 4]), tf.constant([3]), batch_shape(1, 1))
    expected = np.full(10, 0.1)
    expected[3] -= 1
    np.testing.assert_allclose(result.errors.numpy()[0], expected, rtol=1e-6)


def test_an_update_follows_each_lanes_own_learning_rate() -> None:
    inputs, errors = tf.constant([[2.0], [4.0]]), tf.ones([2, 20])
    rates = tf.constant([0.5] * 10 + [1.0] * 10 + [0.0] * 12) / 2.0
    start = Parameters(tf.zeros([1, 32]), tf.zeros([32]))
    moved = sgd_step(start, inputs, errors, rates, batch_shape(2, 2))
    # Gradients: weights (2 + 4) / 2 = 3, biases (1 + 1) / 2 = 1.
    assert moved.weights.numpy()[0].tolist() == [-1.5] * 10 + [-3.0] * 10 + [0.0] * 12
    assert moved.biases.numpy().tolist() == [-0.5] * 10 + [-1.0] * 10 + [0.0] * 12


@pytest.mark.parametrize("columns", [1, 7, 16, 33])
def test_sums_over_a_batch_are_column_sums(columns: int) -> None:
    values = np.arange(5 * columns, dtype=np.float32).reshape(5, columns)
    padding = [[0, 0], [0, -columns % 16]]
    summed = sum_over_batch(tf.constant(values), padding, batch_shape(5, 1))
    assert summed.numpy().tolist() == values.sum(axis=0).tolist()


def test_correct_predictions_are_counted_per_lane() -> None:
    predictions = tf.constant([[1, 2], [3, 3], [0, 5]])
    assert correct_counts(predictions, tf.constant([1, 3, 5])).numpy().tolist() == [2, 2]
