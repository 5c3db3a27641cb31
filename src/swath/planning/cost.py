"""What a plan will cost, before it is carried out: seconds and bytes.

The constants were measured on one core of an AMD EPYC with AVX2. Another machine is faster or slower; the
proportions between groups are much the same everywhere, and they decide how far along a sweep is.
"""

from collections.abc import Sequence

from swath.config import TrainConfig
from swath.datasets import DATASETS
from swath.errors import SwathError
from swath.planning.lane_groups import LaneGroup, plan_segments
from swath.system import available_bytes, workers

PROGRAM_BYTES = 500_000_000
"""TensorFlow and its compiled programs, and MLflow in its process, beside any images."""


COPIES_OF_IMAGES = 3
"""As they are read, as TensorFlow holds them, and as the validation images are split off."""


STEP_S = 150e-6
"""A step, whatever is in it."""


IMAGE_S = 0.5e-6
"""An image of a batch: drawn, gathered, converted."""


IMAGE_LANE_S = 2.2e-6
"""An image of a batch in a lane: its part of both matrix products."""


START_S = 8.0
"""TensorFlow and MLflow loaded, the store opened, the images handed over."""


RUN_S = 0.15
"""A run begun, evaluated, its artifacts written, ended."""


VALUE_BYTES = 230
"""A metric's value in SQLite; its key stands in an index again."""


RUN_BYTES = 210_000
"""A run's artifacts, params and tags; its weights are most of it."""


WEIGHT_COPIES = 4


LOGIT_COPIES = 6


STEPS_IN_FLIGHT = 4
"""Steps whose batches may be drawn and converted ahead, by another core, while the products of an earlier
step are computed. The order of the updates is fixed by the weights; the bits do not change."""


BLOCK_IMAGES = 1_000
"""Images that are evaluated at a time."""


STEP_METRICS = 2
"""Values that a step may leave behind: its accuracy and its loss."""


def step_s(batch_size: int, lanes: int) -> float:
    """Seconds of one step of a lane group."""
    return STEP_S + batch_size * (IMAGE_S + IMAGE_LANE_S * lanes)


def training_s(group: LaneGroup) -> float:
    """Seconds that a lane group trains, its lanes leaving it where they end."""
    longest = group.max_steps
    return sum(
        step_s(group.shared.batch_size, sum(lane.max_steps > span.first for lane in group.lanes))
        * (span.end - span.first)
        for span in plan_segments(group, longest)
    )


def sweep_s(groups: Sequence[LaneGroup], at_a_time: int) -> float:
    """Seconds of a whole sweep whose groups are trained `at_a_time`, in their order."""
    busy_until = [0.0] * at_a_time
    for group in groups:
        first_free = busy_until.index(min(busy_until))
        busy_until[first_free] += training_s(group) + RUN_S * len(group.runs)
    return START_S + max(busy_until)


def store_bytes(configs: Sequence[TrainConfig], every_steps: int) -> int:
    """Bytes that the runs of a sweep add to the store, its artifacts included."""
    values = sum(STEP_METRICS * stored_steps(config.max_steps, every_steps) for config in configs)
    return VALUE_BYTES * values + RUN_BYTES * len(configs)


def group_bytes(config: TrainConfig, lanes: int) -> int:
    """Bytes of the tensors that a lane group works with, images of the data set not counted.

    Weights, gradient, their product with the rate and the new weights; the batches of the steps in flight, as
    they are drawn and as they are fed in, or a block of an evaluation; logits, softmax, errors.
    """
    pixels, classes = image_sizes(config)
    columns = classes * lanes
    weights = 4 * WEIGHT_COPIES * pixels * columns
    images = max(config.batch_size * STEPS_IN_FLIGHT, BLOCK_IMAGES)
    return weights + images * (9 * pixels + 4 * LOGIT_COPIES * columns)


def memory_for_groups(available_bytes: int) -> int:
    """Bytes that each of the groups that are trained at a time may take, of those that are free."""
    return available_bytes // 2 // workers()


def lanes_that_fit(config: TrainConfig, memory_bytes: int) -> int:
    """The most lanes, 1 at least, whose group takes no more than `memory_bytes`."""
    without = group_bytes(config, 0)
    per_lane = group_bytes(config, 1) - without
    return max(1, (memory_bytes - without) // per_lane)


def stored_steps(max_steps: int, every_steps: int) -> int:
    """How many of a run's steps are stored: every so many of them, and the last."""
    last = max_steps - 1
    return last // every_steps + 1 + bool(last % every_steps)


def check_memory(names: list[str]) -> None:
    """Refuse to begin what cannot fit.

    Args:
      names: data sets that will be loaded.

    Raises:
      SwathError: there is less memory than the program and the images take.
    """
    specs = [DATASETS[name] for name in names]
    image_bytes = sum(spec.pixels * (spec.train_images + spec.test_images) for spec in specs)
    needed, free = PROGRAM_BYTES + COPIES_OF_IMAGES * image_bytes, available_bytes()
    if free < needed:
        raise SwathError(
            f"{free / 1e9:.2f} GB of memory are free or allowed here, and {' and '.join(names)} needs about "
            f"{needed / 1e9:.2f} GB; raise the limit (Slurm: --mem, Docker: --memory), or end other programs"
        )


def image_sizes(config: TrainConfig) -> tuple[int, int]:
    """Values in an image, and classes, of a configuration's data set."""
    spec = DATASETS[config.data.name]
    return spec.pixels, spec.num_classes
