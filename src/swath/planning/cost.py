"""Cost model: estimates of the time, store size and memory that a plan needs.

The constants were measured on one core of an AMD EPYC with AVX2. Other machines are faster or slower, but the
ratios between groups are similar on all of them, and the progress of a sweep depends on the ratios only.
"""

from collections.abc import Sequence

from swath.config import TrainConfig, computed_values
from swath.datasets import DATASETS
from swath.errors import SwathError
from swath.models import MOST_ROWS, model_of
from swath.planning.lane_groups import LaneGroup, plan_segments
from swath.system import available_bytes, workers

PROGRAM_BYTES = 500_000_000
"""Memory of TensorFlow with its compiled programs, and of MLflow in its process, without images."""

COPIES_OF_IMAGES = 3
"""Copies in memory: as read, as TensorFlow tensors, and while the validation images are split off."""

STEP_S = 150e-6
"""Seconds per step, regardless of its batch."""

IMAGE_S = 0.5e-6
"""Seconds per image of a batch, to draw, gather and convert it."""

WEIGHT_S = 7e-11
"""Seconds per image, lane and weight, for both matrix products and the update."""

START_S = 8.0
"""Seconds to load TensorFlow and MLflow, open the store and create the tensors of the images."""

RUN_S = 0.15
"""Seconds per run, to start it, evaluate it, write its artifacts and end it."""

VALUE_BYTES = 230
"""Bytes per metric value in SQLite, including the index."""

RUN_BYTES = 90_000
"""Bytes per run, for artifacts, params and tags, without its weights and the state of its optimizer."""

WEIGHT_COPIES = 4

STATES = {"sgd": 0, "momentum": 1, "nesterov": 1, "adam": 2}
"""States of each optimizer, each as large as the weights."""

OPTIMIZER_COPIES = {"sgd": 0, "momentum": 2, "nesterov": 3, "adam": 5}
"""Further copies of the weights: states before and after a step, and what is between them."""

LOGIT_COPIES = 6

STEPS_IN_FLIGHT = 4
"""Steps that TensorFlow may work on at a time: another core draws and converts the next batches while the
matrix products of a step are computed. Each update needs the weights of the previous one, so the order of
the updates and all results stay the same."""

BLOCK_IMAGES = MOST_ROWS
"""Images that are evaluated at a time."""

STEP_METRICS = 2
"""Metrics per step: accuracy and loss."""


def step_s(config: TrainConfig, lanes: int) -> float:
    """Seconds of one step of a lane group."""
    pixels, classes = image_sizes(config)
    values = computed_values(config)
    per_image = WEIGHT_S * model_of(values).weights(values, pixels, classes)
    return STEP_S + config.batch_size * (IMAGE_S + per_image * lanes)


def training_s(group: LaneGroup) -> float:
    """Training time of a lane group in seconds; lanes are removed from it when they end."""
    longest = group.max_steps
    return sum(
        step_s(group.shared, sum(lane.max_steps > segment.first for lane in group.lanes))
        * (segment.end - segment.first)
        for segment in plan_segments(group, longest)
    )


def sweep_s(groups: Sequence[LaneGroup], at_a_time: int) -> float:
    """Duration of a sweep in seconds, if `at_a_time` groups are trained at a time, in their order."""
    busy_until = [0.0] * at_a_time
    for group in groups:
        first_free = busy_until.index(min(busy_until))
        busy_until[first_free] += training_s(group) + RUN_S * len(group.runs)
    return START_S + max(busy_until)


def store_bytes(configs: Sequence[TrainConfig], every_steps: int) -> int:
    """Bytes that the runs of a sweep add to the store, including artifacts."""
    values = sum(STEP_METRICS * stored_steps(config.max_steps, every_steps) for config in configs)
    return VALUE_BYTES * values + sum(RUN_BYTES + _array_bytes(config) for config in configs)


def _array_bytes(config: TrainConfig) -> int:
    """Bytes of the stored weights of a run, and of the state of its optimizer."""
    pixels, classes = image_sizes(config)
    values = computed_values(config)
    return 4 * model_of(values).weights(values, pixels, classes) * (1 + STATES[config.optimizer.name])


def group_bytes(config: TrainConfig, lanes: int) -> int:
    """Bytes of the tensors of a lane group, without the images of the data set.

    They are: weights, gradient, scaled gradient and new weights, and states of the optimizer; the batches of
    the steps in flight, before and after conversion, or a block of an evaluation; units of all layers,
    softmax and gradients.
    """
    pixels, classes = image_sizes(config)
    values = computed_values(config)
    model = model_of(values)
    copies = WEIGHT_COPIES + OPTIMIZER_COPIES[config.optimizer.name]
    weights = 4 * copies * model.weights(values, pixels, classes) * lanes
    images = max(config.batch_size * STEPS_IN_FLIGHT, BLOCK_IMAGES)
    units = sum(model.layers(values, classes)) * lanes
    return weights + images * (9 * pixels + 4 * LOGIT_COPIES * units)


def memory_for_groups(available_bytes: int) -> int:
    """Bytes that each group in training may use, out of the available bytes."""
    return available_bytes // 2 // workers()


def lanes_that_fit(config: TrainConfig, memory_bytes: int) -> int:
    """Maximum width, at least 1, of a group that uses no more than `memory_bytes`."""
    without = group_bytes(config, 0)
    per_lane = group_bytes(config, 1) - without
    return max(1, (memory_bytes - without) // per_lane)


def stored_steps(max_steps: int, every_steps: int) -> int:
    """Number of steps whose metrics are stored: one every `every_steps`, and the last."""
    last = max_steps - 1
    return last // every_steps + 1 + bool(last % every_steps)


def check_memory(names: list[str]) -> None:
    """Check that the data sets fit into memory.

    Args:
      names: data sets that will be loaded.

    Raises:
      SwathError: the program and the images need more memory than is available.
    """
    specs = [DATASETS[name] for name in names]
    image_bytes = sum(spec.pixels * (spec.train_images + spec.test_images) for spec in specs)
    needed, free = PROGRAM_BYTES + COPIES_OF_IMAGES * image_bytes, available_bytes()
    if free < needed:
        raise SwathError(
            f"not enough memory for {' and '.join(names)}: about {needed / 1e9:.2f} GB needed, "
            f"{free / 1e9:.2f} GB available; raise the limit (Slurm: --mem, Docker: --memory) "
            "or close other programs"
        )


def image_sizes(config: TrainConfig) -> tuple[int, int]:
    """Values per image, and number of classes, of the data set of a configuration."""
    spec = DATASETS[config.data.name]
    return spec.pixels, spec.num_classes
