"""Cost model: estimates of the time, store size and memory that a plan needs.

The constants were measured on one core of an AMD EPYC with AVX2. Other machines are faster or slower, but the
ratios between groups are similar on all of them, and the progress of a sweep depends on the ratios only. How
they grow with the weights was measured on 28 x 28 to 64 x 64 x 3 values and 10 and 100 classes.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from swath.config import KeptSteps, TrainConfig, computed_values
from swath.datasets import DATASETS, DataKey, DatasetSpec
from swath.errors import SwathError
from swath.models import MOST_ROWS, model_of
from swath.planning.lane_groups import LaneGroup, plan_segments
from swath.system import available_bytes, workers

PROGRAM_BYTES = 500_000_000
"""Memory of TensorFlow with its compiled programs, and of MLflow in its process, without images."""

COPIES_AS_READ = 2
"""Copies of images besides the tensors: as read, and while the validation images are split off."""

MIRRORED = "mirror"
"""The value of `augment` with which mirror images are kept too."""

STEP_S = 150e-6
"""Seconds per step, regardless of its batch."""

IMAGE_S = 0.5e-6
"""Seconds per image of a batch with `MEASURED_PIXELS`, to draw, gather and convert it."""

IMAGE_LANE_S = 0.75e-6
"""Seconds per image and lane, whatever the sizes."""

WEIGHTED_IMAGE_S = 1.45e-6
"""Seconds per image and lane for each `MEASURED_WEIGHTS`, for both matrix products."""

MEASURED = "cifar10"
"""The data set on which the constants were measured."""

MEASURED_PIXELS = 3_072
"""Values of one of its images."""

MEASURED_WEIGHTS = 30_720
"""Weights of a lane for the ten classes of these images."""

START_S = 8.0
"""Seconds to load TensorFlow, open the store and create the tensors of the images."""

RUN_S = 0.15
"""Seconds per run, to start it, evaluate it, write its artifacts and end it."""

VALUE_BYTES = 230
"""Bytes per metric value in SQLite, including the index."""

FILE_VALUE_BYTES = 2.2
"""Bytes per metric value in a file of a run."""

RUN_BYTES = 35_000
"""Bytes per run, for params, tags and the artifacts without weights."""

WEIGHT_BYTES = 5.7
"""Bytes per weight, in `weights.npz` and in the picture."""

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


class ImageSizes(Protocol):
    """Sizes of a data set, which its specification and its images have alike."""

    @property
    def pixels(self) -> int:
        """Values per image."""

    @property
    def num_classes(self) -> int:
        """Number of labels."""


Images = Mapping[DataKey, ImageSizes]
"""Sizes of the data sets of a plan."""


def step_s(config: TrainConfig, lanes: int, sizes: ImageSizes | None = None) -> float:
    """Seconds of one step of a lane group.

    Args:
      config: a configuration of the group.
      lanes: number of lanes.
      sizes: of its data set; None for those of CIFAR-10.
    """
    sizes = DATASETS[MEASURED] if sizes is None else sizes
    lane_s = IMAGE_LANE_S + WEIGHTED_IMAGE_S * _weights(config, sizes) / MEASURED_WEIGHTS
    return STEP_S + config.batch_size * (IMAGE_S * sizes.pixels / MEASURED_PIXELS + lane_s * lanes)


def training_s(group: LaneGroup, images: Images | None = None) -> float:
    """Training time of a lane group in seconds; lanes are removed from it when they end.

    Args:
      group: the lane group.
      images: sizes of the data sets; without them, those of CIFAR-10 are assumed.
    """
    longest, shared = group.max_steps, group.shared
    sizes = None if images is None else images[shared.data.key]
    return sum(
        step_s(shared, sum(lane.max_steps > segment.first for lane in group.lanes), sizes)
        * (segment.end - segment.first)
        for segment in plan_segments(group, longest)
    )


def sweep_s(groups: Sequence[LaneGroup], at_a_time: int, images: Images) -> float:
    """Duration of a sweep in seconds, if `at_a_time` groups are trained at a time, in their order."""
    busy_until = [0.0] * at_a_time
    for group in groups:
        first_free = busy_until.index(min(busy_until))
        busy_until[first_free] += training_s(group, images) + RUN_S * len(group.runs)
    return START_S + max(busy_until)


def store_bytes(groups: Sequence[LaneGroup], kept: KeptSteps, images: Images) -> int:
    """Bytes that the runs of a plan add to the store, including artifacts."""
    values, in_files, runs, stored = 0, 0, 0, 0
    for group in groups:
        shared = group.shared  # all lanes have as many weights
        steps = [run.config.max_steps for lane in group.lanes for run in lane.runs]
        values += STEP_METRICS * sum(stored_steps(length, kept.every) for length in steps)
        in_files += STEP_METRICS * sum(steps) if kept.in_file else 0
        weights = _weights(shared, images[shared.data.key]) * (1 + STATES[shared.optimizer.name])
        stored += weights * len(steps)
        runs += len(steps)
    bytes_ = WEIGHT_BYTES * stored + FILE_VALUE_BYTES * in_files
    return VALUE_BYTES * values + RUN_BYTES * runs + round(bytes_)


def _images(spec: DatasetSpec) -> int:
    return spec.train_images + spec.test_images


def _weights(config: TrainConfig, sizes: ImageSizes) -> int:
    """Weights of a lane."""
    values = computed_values(config)
    return model_of(values).weights(values, sizes.pixels, sizes.num_classes)


def group_bytes(config: TrainConfig, lanes: int, sizes: ImageSizes) -> int:
    """Bytes of the tensors of a lane group, without the images of the data set.

    They are: weights, gradient, scaled gradient and new weights, and states of the optimizer; the batches of
    the steps in flight, before and after conversion, or a block of an evaluation; units of all layers,
    softmax and gradients.
    """
    pixels, values = sizes.pixels, computed_values(config)
    model = model_of(values)
    copies = WEIGHT_COPIES + OPTIMIZER_COPIES[config.optimizer.name]
    weights = 4 * copies * model.weights(values, pixels, sizes.num_classes) * lanes
    images = max(config.batch_size * STEPS_IN_FLIGHT, BLOCK_IMAGES)
    units = sum(model.layers(values, sizes.num_classes)) * lanes
    return weights + images * (9 * pixels + 4 * LOGIT_COPIES * units)


def memory_for_groups(available_bytes: int, at_a_time: int | None = None) -> int:
    """Bytes that each group in training may use, out of the available bytes.

    Args:
      available_bytes: of the process that trains.
      at_a_time: groups that it trains at a time; None for as many as this process would.
    """
    return available_bytes // 2 // (at_a_time or workers())


def lanes_that_fit(config: TrainConfig, memory_bytes: int, sizes: ImageSizes) -> int:
    """Maximum width, at least 1, of a group that uses no more than `memory_bytes`."""
    without = group_bytes(config, 0, sizes)
    per_lane = group_bytes(config, 1, sizes) - without
    return max(1, (memory_bytes - without) // per_lane)


def stored_steps(max_steps: int, every_steps: int) -> int:
    """Number of steps whose metrics are stored: one every `every_steps`, and the last."""
    last = max_steps - 1
    return last // every_steps + 1 + bool(last % every_steps)


def image_key(config: TrainConfig) -> tuple[DataKey, int, str, str]:
    """What decides the tensors of images; all programs with the same key share them."""
    return config.data.key, config.data.validation_size, config.preprocessing, config.augment


def check_memory(specs: Mapping[DataKey, DatasetSpec], configs: Sequence[TrainConfig]) -> None:
    """Check that the data sets fit into memory, as read and as tensors: images of the cache may share both.

    Args:
      specs: data sets that will be loaded.
      configs: the configurations known so far.

    Raises:
      SwathError: the program and the images need more memory than is available.
    """
    image_bytes = COPIES_AS_READ * sum(spec.pixels * _images(spec) for spec in specs.values())
    for key in {image_key(config) for config in configs}:
        spec = specs[key[0]]
        mirrored = spec.train_images if key[3] == MIRRORED else 0
        image_bytes += spec.pixels * (_images(spec) + mirrored)
    needed, free = PROGRAM_BYTES + image_bytes, available_bytes()
    if free < needed:
        names = " and ".join(dict.fromkeys(spec.name for spec in specs.values()))
        raise SwathError(
            f"not enough memory for {names}: about {needed / 1e9:.2f} GB needed, "
            f"{free / 1e9:.2f} GB available; raise the limit (Slurm: --mem, Docker: --memory) "
            "or close other programs"
        )
