"""Lanes of a one-lane model: formulas against float64, bits alone and in company, and what is refused."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.own_models import TanhNetwork, added, make_tanh
from support.small import run_config
from support.training import train_alone, train_lanes

from swath.config import ModelConfig, OptimizerConfig, Range, TrainConfig, model_field
from swath.errors import SwathError
from swath.models import OwnModel, in_blocks, own_model, tf
from swath.models.unrolled import UnrolledModel

IMAGE_SHAPE = (3, 4, 5)
PIXELS, UNITS, CLASSES = 60, 7, 3


@pytest.fixture(autouse=True)
def tanh_network() -> Iterator[None]:
    units = model_field(5, Range(1), "Units.", unit="units")
    with added(OwnModel("tanh_network", make_tanh, {"units": units})):
        yield


def config(**changes: Any) -> TrainConfig:
    model = ModelConfig("tanh_network", own=(("units", 6),))
    return run_config(**{"model": model, "preprocessing": "scale", **changes})


def gradients_of(model: Any, lanes: Sequence[Any], inputs: Any, labels: Any, scales: Sequence[float]) -> Any:
    """Outputs and gradients of a batch that is padded with two rows of rubbish."""
    unrolled = UnrolledModel("tanh_network", model, IMAGE_SHAPE, CLASSES)
    padded = np.concatenate([inputs, np.full((2, PIXELS), 1e3, np.float32)])
    blocks = [tf.constant(block) for block in in_blocks(padded, 1)]
    images, rows = tf.constant(len(inputs)), tf.constant(len(padded))
    shape = unrolled.shape_batch(images, rows, len(lanes))
    tables = unrolled.per_lane(tf.constant([scales], tf.float32), shape)
    scale = tf.nest.map_structure(lambda table: table[0], tables)
    found = unrolled.gradients(
        unrolled.stack(lanes), blocks, tf.constant([*labels, 0, 0], tf.int32), scale, shape
    )
    return unrolled, found


def test_gradients_are_those_of_the_formula_in_float64() -> None:
    generator = np.random.default_rng(1)
    model = TanhNetwork(PIXELS, UNITS, CLASSES)
    lanes = [model.init(1), model.init(2)]
    inputs = generator.standard_normal((6, PIXELS)).astype(np.float32)
    labels = np.array([0, 1, 2, 2, 1, 0])
    unrolled, (outputs, packed) = gradients_of(model, lanes, inputs, labels, [0.5, 2.0])
    for lane, scale in enumerate((0.5, 2.0)):
        first, second = (lanes[lane][name].astype(np.float64) for name in ("first", "second"))
        hidden = np.tanh(inputs.astype(np.float64) @ first)
        logits = hidden @ second
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        chances = exponentials / exponentials.sum(axis=1, keepdims=True)
        errors = scale * (chances - np.eye(CLASSES)[labels])
        below = (errors @ second.T) * (1 - hidden**2)
        found = unrolled.take(packed, lane)
        np.testing.assert_allclose(found["second"], hidden.T @ errors, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found["first"], inputs.T @ below, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(outputs.losses[:, lane], -np.log(chances[range(6), labels]), rtol=1e-5)
        assert outputs.predictions[:, lane].numpy().tolist() == logits.argmax(axis=1).tolist()


def test_images_have_rows_columns_and_channels() -> None:
    seen: list[Any] = []

    class Looking(TanhNetwork):
        layout = "images"

        def losses(self, parameters: Any, inputs: Any, labels: Any) -> Any:
            seen.append(inputs)
            return super().losses(parameters, tf.reshape(inputs, [-1, PIXELS]), labels)

    pixels = np.arange(2 * PIXELS, dtype=np.float32).reshape(2, PIXELS)
    gradients_of(
        Looking(PIXELS, 2, CLASSES), [TanhNetwork(PIXELS, 2, CLASSES).init(0)], pixels, [0, 1], [1.0]
    )
    expected = pixels.reshape(2, *IMAGE_SHAPE).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(seen[0].numpy(), expected)


@pytest.mark.parametrize("batch_size", [10, 300])
@pytest.mark.parametrize("lanes", [2, 5])
def test_lane_in_company_has_the_bits_that_it_has_alone(batch_size: int, lanes: int) -> None:
    configs = [
        config(batch_size=batch_size, learning_rate=rate, l2=l2, init_seed=seed)
        for rate, l2, seed in [(0.1, 0.0, 0), (0.01, 0.1, 1), (1.0, 0.0, 2), (0.3, 0.01, 3), (0.02, 0.0, 4)]
    ][:lanes]
    together = train_lanes(configs)
    assert [lane.to_bytes() for lane in together] == [train_alone(each).to_bytes() for each in configs]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_segments_change_no_bit(optimizer: str) -> None:
    one = config(learning_rate=0.01, optimizer=OptimizerConfig(optimizer))
    assert train_alone(one, 3).to_bytes() == train_alone(one).to_bytes()


def test_lanes_that_end_leave_the_others_as_they_are() -> None:
    configs = [config(learning_rate=0.1, max_steps=4), config(learning_rate=0.2, max_steps=10)]
    together = train_lanes(configs, 2, repack=True)
    assert together[1].to_bytes() == train_alone(configs[1]).to_bytes()


def test_a_value_of_a_field_reaches_the_model() -> None:
    wide = replace(config(), model=ModelConfig("tanh_network", own=(("units", 9),)))
    assert train_alone(wide).arrays["first"].shape == (3072, 9)


class Named(TanhNetwork):
    """A network whose arrays have the given name and type."""

    def __init__(self, name: str, kind: type) -> None:
        super().__init__(PIXELS, 2, CLASSES)
        self._name, self._kind = name, kind
        self.penalized = ()

    def init(self, seed: int) -> Any:
        return {self._name: np.zeros(3, self._kind)}


@pytest.mark.parametrize(
    ("model", "line"),
    [
        (
            Named("a/b", np.float32),
            "init names an array 'a/b'; expected a name without /, none of shift, scale",
        ),
        (Named("shift", np.float32), "init names an array 'shift'; expected"),
        (Named("class_names", np.float32), "init names an array 'class_names'; expected"),
        (Named("a", np.float64), "init returns a as float64, expected float32"),
    ],
)
def test_arrays_that_cannot_be_stored_are_refused(model: Any, line: str) -> None:
    with pytest.raises(SwathError, match=f"^model mine: {line}"):
        UnrolledModel("mine", model, IMAGE_SHAPE, CLASSES)


def test_penalized_array_that_is_not_there_is_named() -> None:
    model = TanhNetwork(PIXELS, 2, CLASSES)
    model.penalized = ("third",)  # type: ignore[assignment]
    with pytest.raises(SwathError, match="penalized names 'third', expected one of first, second"):
        UnrolledModel("mine", model, IMAGE_SHAPE, CLASSES)


@pytest.mark.parametrize(
    ("returned", "line"),
    [
        (lambda losses, logits: losses, "losses returns SymbolicTensor; expected"),
        (lambda losses, logits: (tf.reduce_mean(losses), logits), r"a tensor of shape \(\); expected"),
        (lambda losses, logits: (losses, logits[:, :2]), r"a tensor of shape \(None, 2\); expected"),
        (lambda losses, logits: (tf.cast(losses, tf.float64), logits), "losses returns float64; expected"),
    ],
)
def test_what_losses_returns_is_checked(returned: Any, line: str) -> None:
    class Wrong(TanhNetwork):
        def losses(self, parameters: Any, inputs: Any, labels: Any) -> Any:
            return returned(*super().losses(parameters, inputs, labels))

    with pytest.raises(SwathError, match=line):
        UnrolledModel("mine", Wrong(PIXELS, 2, CLASSES), IMAGE_SHAPE, CLASSES).check()


def arrays_of(units: int) -> dict[str, Any]:
    return {"first": np.zeros((PIXELS, units), np.float32), "second": np.zeros((2, CLASSES), np.float32)}


@pytest.mark.parametrize(
    ("init", "line"),
    [
        (
            lambda seed: arrays_of(2 + seed),
            r"init\(1\) returns first \[\d+, 3\], .*init\(0\)",
        ),
        (
            lambda seed: arrays_of(2) | ({"third": np.ones(1, np.float32)} if seed else {}),
            "third",
        ),
        (
            lambda seed: {"first": np.random.standard_normal(3).astype(np.float32)},
            "other arrays for the same",
        ),
    ],
)
def test_init_is_checked_for_every_seed(init: Any, line: str) -> None:
    class Wrong(TanhNetwork):
        penalized = ()

        def init(self, seed: int) -> Any:
            return init(seed)

    with pytest.raises(SwathError, match=line):
        UnrolledModel("mine", Wrong(PIXELS, 2, CLASSES), IMAGE_SHAPE, CLASSES).check([0, 1])


@pytest.mark.parametrize(
    ("factor", "error", "line"),
    [
        (lambda losses: random.random(), SwathError, "something else each time"),
        (lambda losses: tf.random.uniform([]), SwathError, "something else each time"),
        (lambda losses: 2.0 if tf.reduce_mean(losses) > 5 else 1.0, TypeError, "symbolic"),
        (lambda losses: losses.numpy().max(), AttributeError, "numpy"),
    ],
)
def test_what_fails_in_a_graph_only_is_found_before_the_training(factor: Any, error: Any, line: str) -> None:
    class Wrong(TanhNetwork):
        def losses(self, parameters: Any, inputs: Any, labels: Any) -> Any:
            losses, logits = super().losses(parameters, inputs, labels)
            return losses * factor(losses), logits

    with pytest.raises(error, match=line):
        UnrolledModel("mine", Wrong(PIXELS, 2, CLASSES), IMAGE_SHAPE, CLASSES).check()


def test_class_instead_of_an_object_is_refused() -> None:
    with pytest.raises(TypeError, match="a class; give an object of it"):
        own_model(TanhNetwork)
    with pytest.raises(TypeError, match="found int without name"):
        own_model(3)
