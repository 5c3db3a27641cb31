"""The formulas of softmax regression, with numbers that can be checked by hand."""

import numpy as np
import pytest
from support.small import run_config

from swath.config import computed_values
from swath.models import MODELS, model_of, runtime, tf
from swath.models.softmax_regression import BatchShape, SoftmaxRegression
from swath.training import GradientDescent, optimizer_of
from swath.training.evaluation import correct_counts, normalize

MODEL = SoftmaxRegression(pixels=4, classes=10)


def test_tensorflow_computes_on_the_cpu_with_one_thread_an_operation() -> None:
    threading = tf.config.threading
    assert (runtime().device, runtime().intra_op_threads) == ("cpu", 1)
    assert threading.get_intra_op_parallelism_threads() == runtime().intra_op_threads
    assert threading.get_inter_op_parallelism_threads() == runtime().inter_op_threads
    assert runtime().tensorflow == tf.__version__
    assert tf.constant(1.0).device.endswith("CPU:0")


def batch_shape(images: int, rows: int, lanes: int) -> BatchShape:
    return MODEL.shape_batch(tf.constant(images), tf.constant(rows), tf.constant(lanes))


def test_pack_is_padded_to_full_tiles() -> None:
    one = MODEL.init(seed=0)
    packs = [MODEL.stack([one] * lanes)["weights"][0].shape[1] for lanes in (1, 2, 3, 32)]
    assert packs == [16, 32, 32, 320]


@pytest.mark.parametrize(("pixels", "blocks", "width"), [(4, 1, 4), (784, 4, 196), (3072, 12, 256)])
def test_weights_are_cut_into_equal_blocks(pixels: int, blocks: int, width: int) -> None:
    model = SoftmaxRegression(pixels, classes=10)
    packed = model.stack([model.init(0)])["weights"]
    assert [block.shape for block in packed] == [(width, 16)] * blocks


def test_lane_unpacked_from_a_pack_equals_the_stacked_one() -> None:
    generator = np.random.default_rng(0)
    lanes = [
        {
            "weights": generator.normal(size=(4, 10)).astype(np.float32),
            "biases": generator.normal(size=10).astype(np.float32),
        }
        for _ in range(3)
    ]
    packed = MODEL.stack(lanes)
    for index, lane in enumerate(lanes):
        taken = MODEL.take(packed, index)
        assert {name: array.tobytes() for name, array in taken.items()} == {
            name: array.tobytes() for name, array in lane.items()
        }


def test_inputs_are_pixels_minus_shift_times_scale() -> None:
    pixels = tf.constant([[10, 20]], tf.uint8)
    assert normalize(pixels, tf.constant([1.0, 2.0]), None).numpy().tolist() == [[9.0, 18.0]]
    assert normalize(pixels, tf.constant([1.0, 2.0]), tf.constant([2.0, 0.5])).numpy().tolist() == [
        [18.0, 9.0]
    ]


def test_zero_weights_predict_the_first_class_with_a_loss_of_log_ten() -> None:
    packed, shape = MODEL.stack([MODEL.init(0)] * 2), batch_shape(images=3, rows=6, lanes=2)
    outputs = MODEL.forward(packed, [tf.ones([6, 4])], tf.constant([0, 1, 9, 0, 0, 0]), shape)
    assert outputs.predictions.numpy().tolist() == [[0, 0]] * 3
    np.testing.assert_allclose(outputs.losses.numpy(), np.log(10), rtol=1e-6)


def test_gradients_are_inputs_times_softmax_minus_label_times_lane_scale() -> None:
    shape = batch_shape(images=1, rows=6, lanes=2)
    table = MODEL.per_lane(tf.constant([[1.0, 0.5]]), shape)
    scale = tf.nest.map_structure(lambda values: values[0], table)
    packed = MODEL.stack([MODEL.init(0)] * 2)
    inputs, labels = [tf.fill([6, 4], 2.0)], tf.constant([3] * 6)  # five rows are padding
    _, gradients = MODEL.gradients(packed, inputs, labels, scale, shape)
    error = np.full(10, 0.1)
    error[3] -= 1
    expected = np.concatenate([error, 0.5 * error, np.zeros(12)])
    np.testing.assert_allclose(gradients["biases"].numpy(), expected, rtol=1e-6)
    np.testing.assert_allclose(gradients["weights"][0].numpy(), [2 * expected] * 4, rtol=1e-6)


def test_gradient_descent_subtracts_gradients_that_carry_the_learning_rate() -> None:
    optimizer, rates = GradientDescent(), np.array([[0.5, 1.0]])
    assert optimizer.tables(rates, {}, 0)["scale"].tolist() == [[0.5, 1.0]]
    updates, state = optimizer.update({"weights": tf.constant([3.0])}, {}, {})
    assert (updates["weights"].numpy().tolist(), state) == ([3.0], {})


@pytest.mark.parametrize("lanes", [1, 7, 16, 33])
def test_sums_over_a_batch_are_column_sums(lanes: int) -> None:
    values = np.arange(5 * lanes, dtype=np.float32).reshape(5, lanes)
    shape = batch_shape(images=5, rows=6, lanes=lanes)
    assert MODEL.sum_over_batch(tf.constant(values), shape).numpy().tolist() == values.sum(axis=0).tolist()


def test_correct_predictions_are_counted_per_lane() -> None:
    predictions = tf.constant([[1, 2], [3, 3], [0, 5]])
    assert correct_counts(predictions, tf.constant([1, 3, 5])).numpy().tolist() == [2, 2]


def test_model_is_found_by_its_name() -> None:
    assert MODELS["softmax_regression"].make({}, 4, 10).name == "softmax_regression"


def test_model_and_optimizer_of_a_configuration() -> None:
    config = run_config()
    assert model_of(computed_values(config)) is MODELS["softmax_regression"]
    assert model_of({"learning_rate": "1e-06"}) is MODELS["softmax_regression"]  # params of any version
    assert optimizer_of(config).name == "sgd"
